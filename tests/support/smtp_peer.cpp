#include "tests/support/smtp_peer.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::testing {

namespace {

constexpr base::Duration kForever = std::chrono::hours(24 * 30);

std::string path_of(std::string_view line) {
    const std::size_t open = line.find('<');
    const std::size_t close = line.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos) return {};
    return std::string(line.substr(open + 1, close - open - 1));
}

std::string after_path(std::string_view line) {
    const std::size_t close = line.find('>');
    return close == std::string_view::npos ? std::string() : std::string(line.substr(close + 1));
}

}  // namespace

struct SmtpPeer::Session {
    std::string input;
    Mail mail;
    bool in_data = false;
};

SmtpPeer::SmtpPeer(FakeConnector& connector, net::Endpoint at) : connector_(connector), at_(std::move(at)) { up(); }

void SmtpPeer::on(std::string command, std::string reply, int times) {
    shared_->rules.insert(shared_->rules.begin(), Rule{std::move(command), std::move(reply), times});
}

void SmtpPeer::up() {
    connector_.listen(at_, [shared = shared_](net::Loop& loop, std::unique_ptr<MemoryStream> stream) {
        ++shared->connections;
        net::spawn(loop, "peer", serve(shared, std::shared_ptr<MemoryStream>(std::move(stream))));
    });
}

void SmtpPeer::down() {
    connector_.refuse(at_);
    const auto open = shared_->open;
    for (MemoryStream* stream : open) stream->cut();
}

std::string SmtpPeer::Shared::answer(std::string_view command, std::string usual) {
    for (Rule& rule : rules) {
        if (rule.times > 0 && base::istarts_with(command, rule.command)) {
            --rule.times;
            return rule.reply;
        }
    }
    return usual;
}

std::string SmtpPeer::Shared::ehlo() const {
    std::string text = extensions.empty() ? "250 peer" : "250-peer";
    for (std::size_t i = 0; i < extensions.size(); ++i) {
        text += i + 1 < extensions.size() ? "\r\n250-" : "\r\n250 ";
        text += extensions[i];
    }
    return text;
}

net::Task<bool> SmtpPeer::say(std::shared_ptr<Shared> shared, std::shared_ptr<MemoryStream> stream,
                              std::string reply) {
    net::Loop& loop = stream->loop();
    if (shared->think > base::Duration{}) co_await net::sleep_until(loop, loop.now() + shared->think);
    if (reply == kDrop) {
        stream->close();
        co_return false;
    }
    if (reply == kStall) {
        char unread[512];
        while (true) {
            const net::IoResult read = co_await stream->read_some(std::span<char>(unread), loop.now() + kForever);
            if (!read.ok()) co_return false;
        }
    }
    reply += "\r\n";
    const net::IoResult written = co_await stream->write(std::string_view(reply), loop.now() + kForever);
    co_return written.ok() && !reply.starts_with("421");
}

net::Task<bool> SmtpPeer::step(std::shared_ptr<Shared> shared, std::shared_ptr<MemoryStream> stream,
                               Session* session, std::string line) {
    std::string usual = "502 5.5.1 what?";
    if (session->in_data) {
        if (line != ".") {
            session->mail.data += line.starts_with('.') ? line.substr(1) : line;
            session->mail.data += "\r\n";
            co_return true;
        }
        session->in_data = false;
        usual = shared->answer(".", "250 2.0.0 taken");
        if (usual.starts_with('2')) {
            session->mail.at = stream->loop().now();
            shared->mail.push_back(session->mail);
        }
        const bool goes_on = co_await say(shared, stream, std::move(usual));
        co_return goes_on;
    }
    shared->commands.push_back(line);
    const bool mail = base::istarts_with(line, "MAIL FROM:");
    const bool rcpt = base::istarts_with(line, "RCPT TO:");
    const bool data = base::iequals(line, "DATA");
    if (mail) shared->transactions.push_back(stream->loop().now());
    if (base::istarts_with(line, "EHLO")) usual = shared->ehlo();
    if (base::istarts_with(line, "HELO") || mail || rcpt) usual = "250 2.1.0 ok";
    if (base::iequals(line, "RSET") || base::iequals(line, "NOOP")) usual = "250 2.0.0 ok";
    if (data) usual = session->mail.to.empty() ? "503 5.5.1 no recipients" : "354 go";
    if (base::iequals(line, "QUIT")) usual = "221 2.0.0 bye";
    std::string reply = shared->answer(line, std::move(usual));
    if (mail) session->mail = Mail{{}, path_of(line), {}, after_path(line), {}};
    if (rcpt && reply.starts_with('2')) session->mail.to.push_back(path_of(line));
    if (data && reply.starts_with('3')) session->in_data = true;
    const bool quits = reply.starts_with("221");
    const bool goes_on = co_await say(shared, stream, std::move(reply));
    co_return goes_on && !quits;
}

net::Task<> SmtpPeer::serve(std::shared_ptr<Shared> shared, std::shared_ptr<MemoryStream> stream) {
    shared->open.push_back(stream.get());
    shared->most = std::max(shared->most, shared->open.size());
    Session session;
    std::string greeting = shared->answer("greeting", "220 peer ESMTP");
    bool goes_on = co_await say(shared, stream, std::move(greeting));
    std::vector<char> buffer(16384);
    while (goes_on) {
        const std::size_t end = session.input.find("\r\n");
        if (end != std::string::npos) {
            std::string line = session.input.substr(0, end);
            session.input.erase(0, end + 2);
            goes_on = co_await step(shared, stream, &session, std::move(line));
            continue;
        }
        const auto until = stream->loop().now() + kForever;
        const net::IoResult read = co_await stream->read_some(std::span<char>(buffer), until);
        if (!read.ok()) break;
        session.input.append(buffer.data(), read.size);
    }
    std::erase(shared->open, stream.get());
    stream->close();
}

}  // namespace posthorn::testing
