// posthorn-sendmail: what cron, scripts and mail programs call `sendmail`. Works with the server up or down: a message
// goes into the drop folder, durable before we say so; -bs needs the server. Exit status as in <sysexits.h>.
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <pwd.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/ulid.hpp"
#include "base/version.hpp"
#include "ctl/drop_folder.hpp"
#include "ctl/places.hpp"
#include "ctl/sendmail_options.hpp"
#include "ctl/smtp_relay.hpp"
#include "ctl/submitted_message.hpp"
#include "mail/address_list.hpp"
#include "mail/xtext.hpp"

namespace {

using namespace posthorn;
using ctl::SendmailOptions;

struct Failure {
    int status;
    std::string text;
};

using FilePtr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

struct Input {
    std::string header;  // CRLF lines, no empty line
    FilePtr body{nullptr, std::fclose};
    std::uint64_t body_size = 0;
    bool eight_bit = false;
};

// The name behind "@": /etc/mailname where a machine has one, else its full name.
std::string host_name() {
    std::string name;
    if (std::ifstream in("/etc/mailname"); in >> name && mail::valid_domain(name)) return name;
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
    name = buffer.data();
    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    addrinfo* found = nullptr;
    if (name.find('.') == std::string::npos && ::getaddrinfo(name.c_str(), nullptr, &hints, &found) == 0) {
        if (found->ai_canonname != nullptr) name = found->ai_canonname;
        ::freeaddrinfo(found);
    }
    return mail::valid_domain(name) ? name : "localhost";
}

std::string login_name() {
    const passwd* user = ::getpwuid(::getuid());
    return user != nullptr ? user->pw_name : fmt::format("uid-{}", ::getuid());
}

// GECOS up to its first comma, where '&' is the login name.
std::string full_name(const SendmailOptions& options, const std::string& login) {
    if (!options.full_name.empty()) return options.full_name;
    const passwd* user = ::getpwuid(::getuid());
    if (user == nullptr || user->pw_gecos == nullptr) return {};
    std::string out;
    for (const char* c = user->pw_gecos; *c != '\0' && *c != ','; ++c)
        out += *c == '&' ? login : std::string(1, *c);
    return out;
}

ctl::Submitter submitter(const SendmailOptions& options) {
    base::SystemClock clock;
    const auto random = base::system_random();
    const auto login = login_name();
    ctl::Submitter out;
    out.host = host_name();
    out.address = {.local = login, .domain = out.host};
    out.full_name = full_name(options, login);
    out.now = clock.wall();
    out.unique = base::UlidSource(clock, *random).next().to_string();
    return out;
}

// Reads all of standard input: the header stays in memory, the body goes to a file that has no name.
Input read_input(bool dot_ends) {
    Input out;
    out.body.reset(std::tmpfile());
    if (!out.body) throw Failure{EX_TEMPFAIL, "no temporary file"};
    ctl::LineEnds lines(dot_ends);
    std::array<char, 65536> buffer{};
    std::string pending;
    bool in_header = true;
    const auto keep = [&](std::string_view bytes) {
        out.body_size += bytes.size();
        if (std::fwrite(bytes.data(), 1, bytes.size(), out.body.get()) != bytes.size())
            throw Failure{EX_TEMPFAIL, "cannot write a temporary file"};
    };
    while (true) {
        const auto got = std::fread(buffer.data(), 1, buffer.size(), stdin);
        if (got > 0) lines.feed({buffer.data(), got}, pending);
        const bool last = got == 0 || lines.ended();
        if (last) lines.finish(pending);
        if (in_header) {
            const auto cut = ctl::cut_header(pending);
            if (cut.separated || !cut.body.empty() || last) {
                // The last line that was read may be cut in the middle: what is not yet ended waits.
                if (cut.separated || last || cut.body.find("\r\n") != std::string_view::npos) {
                    out.header = cut.header;
                    pending = std::string(cut.body);
                    in_header = false;
                }
            }
            if (pending.size() > ctl::kMaxHeader && in_header) throw Failure{EX_DATAERR, "the header is too long"};
        }
        if (!in_header) {
            keep(pending);
            pending.clear();
        }
        if (last) break;
    }
    if (std::ferror(stdin) != 0) throw Failure{EX_IOERR, "cannot read standard input"};
    if (lines.nul()) throw Failure{EX_DATAERR, "the message holds a NUL"};
    out.eight_bit = lines.eight_bit();
    return out;
}

mail::Address sender_of(const SendmailOptions& options, const ctl::Submitter& who) {
    if (!options.sender) return who.address;
    if (options.sender->empty() || *options.sender == "<>") return {};
    auto address = mail::parse_mailbox(*options.sender, who.host);
    if (!address) throw Failure{EX_USAGE, "-f: " + address.error()};
    return *std::move(address);
}

std::vector<mail::Recipient> recipients_of(const SendmailOptions& options, const ctl::Submitter& who,
                                           const std::vector<mail::Address>& from_header) {
    std::vector<mail::Address> all = from_header;
    for (const auto& word : options.recipients) {
        auto list = mail::parse_address_list(word, who.host);
        if (!list) throw Failure{EX_DATAERR, list.error()};
        all.insert(all.end(), list->begin(), list->end());
    }
    std::vector<mail::Recipient> out;
    for (auto& address : all) {
        const auto same = [&](const mail::Recipient& r) { return mail::same_mailbox(r.address, address); };
        if (std::any_of(out.begin(), out.end(), same)) continue;
        out.push_back({.address = std::move(address), .notify = options.notify, .orcpt = {}});
    }
    if (out.empty()) throw Failure{EX_DATAERR, "there are no recipients"};
    return out;
}

std::vector<ctl::Places> places_of(const SendmailOptions& options) {
    auto places = ctl::find_places(options.config);
    if (!places) throw Failure{EX_CONFIG, places.error()};
    return *std::move(places);
}

void drop_somewhere(const SendmailOptions& options, const mail::Envelope& envelope, const std::string& header,
                    std::FILE* body) {
    std::string tried;
    for (const auto& places : places_of(options)) {
        const auto folder = places.spool_dir + "/incoming";
        // With the rights we run with: installed setgid, the group's (access() asks for the caller's own).
        if (places.spool_dir.empty() || ::faccessat(AT_FDCWD, folder.c_str(), X_OK, AT_EACCESS) != 0) {
            tried += (tried.empty() ? "" : ", ") + folder;
            continue;
        }
        if (const auto dropped = ctl::drop(folder, envelope, header, body); !dropped)
            throw Failure{EX_TEMPFAIL, dropped.error().log_text};
        return;
    }
    throw Failure{EX_TEMPFAIL, "there is no drop folder (" + tried + "): has the server run once?"};
}

void relay(const SendmailOptions& options) {
    std::vector<std::string> folders;
    for (const auto& places : places_of(options)) folders.push_back(places.runtime_dir);
    if (const auto done = ctl::relay_smtp(folders, STDIN_FILENO, STDOUT_FILENO); !done)
        throw Failure{EX_TEMPFAIL, done.error().log_text};
}

void submit(const SendmailOptions& options) {
    const auto who = submitter(options);
    const Input input = read_input(options.dot_ends);
    auto header = ctl::prepare_header(input.header, who, options.recipients_from_header);
    if (!header) throw Failure{EX_DATAERR, header.error()};
    header->text += "\r\n";
    mail::Envelope envelope;
    envelope.reverse_path = sender_of(options, who);
    envelope.recipients = recipients_of(options, who, header->recipients);
    envelope.body = input.eight_bit ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
    envelope.ret = options.ret;
    envelope.envid = mail::xtext_encode(options.envid);
    envelope.arrival = who.now;
    envelope.header_message_id = header->message_id;
    envelope.body_size = header->text.size() + input.body_size;
    envelope.smtputf8 = header->utf8 || !envelope.reverse_path.ascii() ||
                        std::any_of(envelope.recipients.begin(), envelope.recipients.end(),
                                    [](const mail::Recipient& r) { return !r.address.ascii(); });
    drop_somewhere(options, envelope, header->text, input.body.get());
}

int act(const SendmailOptions& options) {
    switch (options.mode) {
        case SendmailOptions::Mode::help: std::fputs(ctl::sendmail_help().c_str(), stdout); break;
        case SendmailOptions::Mode::version:
            std::fputs(fmt::format("posthorn-sendmail {}\n", base::version()).c_str(), stdout);
            break;
        case SendmailOptions::Mode::smtp: relay(options); break;
        case SendmailOptions::Mode::submit: submit(options); break;
    }
    return EX_OK;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto options = ctl::parse_sendmail_options(words);
    if (!options) {
        std::fprintf(stderr, "posthorn-sendmail: %s\n", options.error().c_str());
        return EX_USAGE;
    }
    try {
        return act(*options);
    } catch (const Failure& failure) {
        std::fprintf(stderr, "posthorn-sendmail: %s\n", failure.text.c_str());
        return failure.status;
    }
}
