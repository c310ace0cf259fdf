#include "tests/simulation/peer.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace posthorn::simulation {

using testing::MemoryStream;

namespace {

constexpr base::Duration kForever = std::chrono::hours(24 * 400);

std::string path_of(std::string_view line) {
    const std::size_t open = line.find('<');
    const std::size_t close = line.find('>', open);
    if (open == std::string_view::npos || close == std::string_view::npos) return {};
    return std::string(line.substr(open + 1, close - open - 1));
}

bool offers(const Temper& t, std::string_view what) {
    return std::ranges::any_of(t.extensions, [&](const auto& e) { return e.starts_with(what); });
}

}  // namespace

struct Host::Session {
    Session(Host& h, net::Loop& l, std::unique_ptr<MemoryStream> s)
        : host(h), loop(l), stream(std::move(s)), arrived(l) {}
    ~Session() { left(); }
    void left() {
        if (!std::exchange(gone, true)) --host.site_.open;
    }
    // Whatever the client sends now, it sends knowing what was said before.
    void heard() {
        for (const auto& who : said_refused) host.ports_.ledger.refused(who);
        for (Fate* fate : said_taken) host.ports_.ledger.heard_taken(*fate);
        said_refused.clear();
        said_taken.clear();
    }
    void reset() { recipients.clear(), content.clear(), in_mail = false; }
    // The answer went out as it was meant.
    void said() {
        if (!std::exchange(meant, false)) return;
        std::ranges::move(staged, std::back_inserter(said_refused));
        staged.clear();
    }

    Host& host;
    net::Loop& loop;
    std::shared_ptr<MemoryStream> stream;
    net::Event arrived;
    bool gone = false;  // the connection is no more
    std::string input;
    std::size_t consumed = 0;  // octets, ever
    struct Stamp {
        std::size_t end;
        base::WallTime wall;
        base::SteadyTime steady;
    };
    std::deque<Stamp> stamps;
    bool in_mail = false;
    std::string sender;
    std::vector<std::string> recipients;  // taken
    std::string content;
    bool meant = false;
    bool confused = false;  // said nonsense: what it answers to what is nobody's guess; it takes nothing more
    std::vector<Ledger::Name> staged;  // refused by the answer that is about to go out
    // Answered, and not yet known to have been read.
    std::vector<Ledger::Name> said_refused;
    std::vector<Fate*> said_taken;
};

Host::Host(Ports ports, Site& site, net::Endpoint at) : ports_(ports), site_(site), at_(std::move(at)) {
    become(healthy(ports_.dice));
}

void Host::become(Temper temper) {
    temper_ = std::move(temper);
    if (temper_.link == Temper::Link::refuses) return ports_.connector.refuse(at_);
    if (temper_.link == Temper::Link::stalls) return ports_.connector.stall(at_);
    ports_.connector.listen(
        at_, [this](net::Loop& loop, std::unique_ptr<MemoryStream> stream) { accept(loop, std::move(stream)); });
}

void Host::accept(net::Loop& loop, std::unique_ptr<MemoryStream> stream) {
    ports_.trace.at(loop.clock().wall());
    ports_.trace.note("connected {} {}", site_.key, at_.to_string());
    site_.most = std::max(site_.most, ++site_.open);
    if (site_.open > site_.max_connections) {
        ports_.ledger.violate(fmt::format("{} connections to {}, where {} are allowed", site_.open, site_.key,
                                          site_.max_connections));
    }
    stream->faults_of_other_end().read_at_most = temper_.read_at_most;
    auto s = std::make_shared<Session>(*this, loop, std::move(stream));
    net::spawn(loop, "peer.listen", listen(s));
    net::spawn(loop, "peer.talk", talk(s));
}

net::Task<> Host::listen(SessionPtr s) {
    std::vector<char> buffer(16384);
    std::size_t received = 0;
    while (true) {
        const net::IoResult got = co_await s->stream->read_some(std::span<char>(buffer), s->loop.now() + kForever);
        s->host.ports_.trace.at(s->loop.clock().wall());
        if (!got.ok()) break;
        s->heard();
        s->input.append(buffer.data(), got.size);
        received += got.size;
        s->stamps.push_back({received, s->loop.clock().wall(), s->loop.now()});
        s->arrived.notify_all();
    }
    s->left();
    s->stream->close();
    s->arrived.notify_all();
}

net::Task<bool> Host::wait_for_input(SessionPtr s) {
    if (s->gone) co_return false;
    co_await s->arrived.wait();
    co_return !s->gone;
}

net::Task<> Host::talk(SessionPtr s) {
    bool goes_on = co_await greet(s);
    while (goes_on && !s->gone) {
        const std::size_t end = s->input.find("\r\n");
        if (end == std::string::npos) {
            goes_on = co_await wait_for_input(s);
            continue;
        }
        std::string line = s->input.substr(0, end);
        s->input.erase(0, end + 2);
        s->consumed += end + 2;
        while (s->stamps.front().end < s->consumed) s->stamps.pop_front();
        const auto stamp = s->stamps.front();
        goes_on = co_await command(s, std::move(line), stamp.wall, stamp.steady);
    }
    s->left();
    s->stream->close();
}

net::Task<bool> Host::greet(SessionPtr s) {
    const Temper& t = s->host.temper_;
    std::string reply = "220 " + s->host.site_.name + " ESMTP";
    if (s->host.ports_.dice.chance(t.turns_away))
        reply = s->host.ports_.dice.chance(500) ? "421 4.3.2 busy" : "450 not now";
    if (s->host.ports_.dice.chance(t.turns_away_hard)) {
        reply = "554 5.7.1 go away";
        s->host.ports_.ledger.said_permanent(s->host.site_.name);
    }
    const bool goes_on = co_await say(s, std::move(reply));
    co_return goes_on;
}

// ---- commands -------------------------------------------------------------------------------------------------

net::Task<bool> Host::command(SessionPtr s, std::string line, base::WallTime at, base::SteadyTime steady) {
    Host& host = s->host;
    host.ports_.trace.note("{} > {}", host.at_.to_string(), line);
    std::string reply = "502 5.5.1 what?";
    const auto is = [&](std::string_view verb) { return base::istarts_with(line, verb); };
    if (is("EHLO") || is("HELO") || is("LHLO")) reply = host.hello(*s, line);
    if (is("MAIL FROM:")) reply = host.mail(*s, line, steady);
    if (is("RCPT TO:")) reply = host.recipient(*s, line, at);
    if (is("RSET")) {
        s->reset();
        reply = "250 2.0.0 flushed";
    }
    if (is("NOOP")) reply = "250 2.0.0 ok";
    if (is("QUIT")) reply = "221 2.0.0 bye";
    if (is("STARTTLS")) {
        const bool goes_on = co_await start_tls(s);
        co_return goes_on;
    }
    if (is("BDAT")) {
        const bool goes_on = co_await take_chunk(s, std::move(line));
        co_return goes_on;
    }
    if (is("DATA")) reply = host.data(*s);
    const bool takes = is("DATA") && reply.starts_with("354");
    const bool quits = is("QUIT");
    bool goes_on = co_await say(s, std::move(reply));
    s->said();
    if (goes_on && takes) goes_on = co_await take_text(s);
    co_return goes_on && !quits;
}

net::Task<bool> Host::start_tls(SessionPtr s) {
    Host& host = s->host;
    const bool will = offers(host.temper_, "STARTTLS") && !host.temper_.lies;
    const bool said = co_await say(s, will ? "220 2.0.0 go ahead" : "454 4.7.0 not now");
    if (!said || !will) co_return said;
    if (host.ports_.dice.chance(300)) co_return false;
    s->reset();
    const auto until = s->loop.now() + std::chrono::minutes(1);
    const auto secured = co_await s->stream->start_tls(std::shared_ptr<const net::TlsServerContext>(), until);
    co_return secured.has_value();
}

std::string Host::hello(Session& s, std::string_view line) {
    s.reset();
    if (base::istarts_with(line, "HELO")) return "250 " + site_.name;
    if (!site_.lmtp && ports_.dice.chance(temper_.knows_no_ehlo)) return "502 5.5.1 EHLO?";
    if (ports_.dice.chance(temper_.turns_away / 3)) return "451 4.3.0 not now";
    std::string text = "250-" + site_.name;
    for (const std::string& e : temper_.extensions) {
        text += "\r\n250-" + e;
        if (e.starts_with("SIZE ")) ports_.ledger.said_permanent(site_.name);  // may be too small for anything
    }
    return text + "\r\n250 HELP";
}

std::string Host::verdict(std::string_view fine, std::string_view soft, std::string_view hard) {
    if (ports_.dice.chance(temper_.temporary)) return std::string(soft);
    if (ports_.dice.chance(temper_.permanent)) return std::string(hard);
    return std::string(fine);
}

// A host that takes its time reads late: what came first may be counted last.
void Host::count_transaction(base::SteadyTime at) {
    auto& times = site_.transactions;
    const auto place = times.insert(std::ranges::upper_bound(times, at), at);
    if (site_.rate.per_second <= 0) return;
    for (auto first = times.begin(); first <= place; ++first) {
        for (auto last = place; last != times.end(); ++last) {
            const auto seconds = std::chrono::duration<double>(*last - *first).count();
            const double allowed = site_.rate.burst + site_.rate.per_second * seconds + 1e-6;
            const auto count = last - first + 1;
            if (static_cast<double>(count) <= allowed) continue;
            return ports_.ledger.violate(fmt::format("{} transactions to {} within {} s, where {:.3f} are allowed",
                                                     count, site_.key, seconds, allowed));
        }
    }
}

std::string Host::mail(Session& s, std::string_view line, base::SteadyTime steady) {
    count_transaction(steady);
    if (s.in_mail) return "503 5.5.1 nested MAIL";
    s.reset();
    s.sender = path_of(line);
    std::string reply = verdict("250 2.1.0 ok", "451 4.3.0 not now", "550 5.7.1 not from you");
    if (temper_.lies && ports_.dice.chance(300)) reply = "555 5.5.4 what parameters?";
    if (reply.starts_with('5')) ports_.ledger.said_permanent(site_.name + ' ' + s.sender);
    s.in_mail = reply.starts_with('2');
    return reply;
}

bool Host::greylisted(const Ledger::Name& who, base::WallTime now) {
    if (temper_.greylist == base::Duration{}) return false;
    const auto [at, fresh] = first_seen_.try_emplace({who.sender, who.recipient}, now);
    return now - at->second < temper_.greylist;
}

std::string Host::recipient(Session& s, std::string_view line, base::WallTime at) {
    const Ledger::Name who{s.sender, path_of(line)};
    if (!s.in_mail) return "503 5.5.1 MAIL first";
    ports_.ledger.named(who, at);
    if (greylisted(who, at)) return "450 4.7.1 greylisted";
    if (temper_.recipients != 0 && s.recipients.size() >= temper_.recipients)
        return "452 4.5.3 too many recipients";
    std::string reply = verdict("250 2.1.5 ok", "450 4.2.1 mailbox busy", "550 5.1.1 no such user");
    if (reply.starts_with('2')) s.recipients.push_back(who.recipient);
    if (reply.starts_with('5')) {
        ports_.ledger.said_permanent(who.sender + ' ' + who.recipient);
        s.staged = {who};
    }
    return reply;
}

std::string Host::data(Session& s) {
    if (s.recipients.empty() && !temper_.lies) return "554 5.5.1 no valid recipients";
    std::string reply = verdict("354 go", "451 4.3.0 not now", "554 5.6.0 not like this");
    if (reply.starts_with('5')) ports_.ledger.said_permanent(site_.name + ' ' + s.sender);
    return reply;
}

// ---- content --------------------------------------------------------------------------------------------------

net::Task<bool> Host::take_text(SessionPtr s) {
    s->content.clear();
    while (true) {
        const std::size_t end = s->input.find("\r\n");
        if (end == std::string::npos) {
            const bool more = co_await wait_for_input(s);
            if (!more) co_return false;
            continue;
        }
        const std::string line = s->input.substr(0, end);
        s->input.erase(0, end + 2);
        s->consumed += end + 2;
        if (line == ".") break;
        (s->content += line.starts_with('.') ? line.substr(1) : line) += "\r\n";
    }
    const bool goes_on = co_await finish_message(s);
    co_return goes_on;
}

net::Task<bool> Host::take_chunk(SessionPtr s, std::string line) {
    const std::size_t size = std::strtoul(line.c_str() + 5, nullptr, 10);
    while (s->input.size() < size) {
        const bool more = co_await wait_for_input(s);
        if (!more) co_return false;
    }
    s->content += s->input.substr(0, size);
    s->input.erase(0, size);
    s->consumed += size;
    bool goes_on = false;
    if (s->host.temper_.lies || s->recipients.empty()) {
        s->host.ports_.ledger.said_permanent(s->host.site_.name + ' ' + s->sender);
        s->reset();
        goes_on = co_await say(s, "503 5.5.1 what?");
    } else if (line.ends_with("LAST")) {
        goes_on = co_await finish_message(s);
    } else {
        goes_on = co_await say(s, "250 2.0.0 more");
    }
    co_return goes_on;
}

// An answer for all, or with LMTP one for each.
net::Task<bool> Host::finish_message(SessionPtr s) {
    Host& host = s->host;
    if (s->confused) co_return false;
    const std::size_t answers = host.site_.lmtp ? s->recipients.size() : 1;
    std::vector<std::string> taken;
    std::string replies;
    for (std::size_t i = 0; i < answers; ++i) {
        std::string reply = host.verdict("250 2.0.0 taken", "452 4.3.1 no room", "554 5.6.0 no thanks");
        if (!host.site_.lmtp && s->recipients.empty()) reply = "554 5.5.1 no valid recipients";
        if (reply.starts_with('5')) host.ports_.ledger.said_permanent(host.site_.name + ' ' + s->sender);
        if (reply.starts_with('2')) {
            if (host.site_.lmtp)
                taken.push_back(s->recipients[i]);
            else
                taken = s->recipients;
        }
        if (i > 0) replies += "\r\n";
        replies += reply;
    }
    const std::string sender = s->sender;
    std::vector<Fate*> fates;
    if (!taken.empty()) fates = host.ports_.ledger.taken(s->content, sender, taken);
    s->reset();
    if (!taken.empty() && host.ports_.dice.chance(host.temper_.loses_answer)) {
        host.ports_.trace.note("{} took it and says nothing", host.at_.to_string());
        if (host.ports_.dice.chance(500)) co_return false;
        while (!s->gone) co_await s->arrived.wait();
        co_return false;
    }
    const bool goes_on = co_await say(s, std::move(replies));
    if (goes_on && s->meant) {
        s->said_taken.insert(s->said_taken.end(), fates.begin(), fates.end());
    }
    co_return goes_on;
}

// ---- answers --------------------------------------------------------------------------------------------------

// The same answer in a rare form: no text, no status, several lines.
std::string Host::dress(std::string reply) {
    if (reply.find('\r') != std::string::npos || reply.size() < 4) return reply;
    const std::string code = reply.substr(0, 3);
    switch (ports_.dice.between(0, 4)) {
        case 0: return code;
        case 1: return code + ' ';
        case 2: return code + "-first\r\n" + code + "-second\r\n" + reply;
        case 3: return code + " " + std::string(400, 'x');
        default: return code + " \xff\x01 odd";
    }
}

net::Task<bool> Host::say(SessionPtr s, std::string reply) {
    Host& host = s->host;
    Dice& dice = host.ports_.dice;
    if (host.temper_.think > base::Duration{}) {
        co_await net::sleep_until(s->loop, s->loop.now() + host.temper_.think);
        host.ports_.trace.at(s->loop.clock().wall());
        if (s->gone) co_return false;
    }
    const Temper& t = host.temper_;
    s->meant = false;
    if (dice.chance(t.drops)) {
        host.ports_.trace.note("{} drops", host.at_.to_string());
        co_return false;
    }
    if (dice.chance(t.stalls)) {
        host.ports_.trace.note("{} stalls", host.at_.to_string());
        while (!s->gone) co_await s->arrived.wait();
        co_return false;
    }
    const bool last = reply.starts_with("421") || reply.starts_with("554 5.7.1 go away");
    if (dice.chance(t.odd)) reply = host.dress(std::move(reply));
    if (dice.chance(t.nonsense)) {
        const std::vector<std::string> kinds = {
            "hello", "999 what", "25", "250-never", reply + "\r\n451 4.0.0 and more", ""};
        reply = dice.pick(kinds);
        s->confused = true;
    }
    s->meant = !s->confused;
    host.ports_.trace.note("{} < {}", host.at_.to_string(), reply);
    const bool written = co_await write(s, reply + "\r\n");
    co_return written && !last && !dice.chance(t.leaves);
}

net::Task<bool> Host::write(SessionPtr s, std::string bytes) {
    const net::IoResult done = co_await s->stream->write(std::string_view(bytes), s->loop.now() + kForever);
    co_return done.ok() && !s->gone;
}

}  // namespace posthorn::simulation
