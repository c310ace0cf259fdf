// What each command does to a session.
#include <algorithm>

#include "base/units.hpp"
#include "proto/smtp/server_session.hpp"

namespace posthorn::smtp {
namespace {

constexpr Fault kNoArgument{501, "5.5.4", "This command takes no argument"};
constexpr std::string_view kBadSequence = "5.5.1";

// RFC 2920 §3.2 (5), (6): replies to these are not held back.
bool at_once(Verb verb) {
    switch (verb) {
        case Verb::mail:
        case Verb::rcpt:
        case Verb::rset:
        case Verb::bdat:  // RFC 3030 §4.2
            return false;
        default: return true;
    }
}

bool takes_no_argument(Verb verb) {
    switch (verb) {
        case Verb::data:
        case Verb::rset:
        case Verb::quit:
        case Verb::starttls: return true;
        default: return false;
    }
}

std::size_t octets_of(const mail::Recipient& recipient) {
    return recipient.address.local.size() + recipient.address.domain.size() + recipient.orcpt.size();
}

// What the recipients of a message may take in memory: the announced number of ordinary ones, and not as many of the
// longest; but always a hundred of those (RFC 5321 §4.5.3.1.8).
std::size_t max_recipient_octets(const ServerOptions& options) {
    constexpr std::size_t ordinary = 128;
    constexpr std::size_t longest = 820;  // local part, domain and ORCPT
    return std::max(100 * longest, options.max_recipients * ordinary);
}

}  // namespace

std::optional<ServerAction> ServerSession::obey(const Command& command) {
    flush_ |= at_once(command.verb);
    if (takes_no_argument(command.verb) && !command.argument.empty()) {
        refuse(name(command.verb), kNoArgument);
        return std::nullopt;
    }
    switch (command.verb) {
        case Verb::helo:
        case Verb::ehlo:
        case Verb::lhlo: hello(command.verb, command.argument); break;
        case Verb::mail: return mail(command.argument);
        case Verb::rcpt: return rcpt(command.argument);
        case Verb::data: return data();
        case Verb::bdat: return bdat(command.argument);
        case Verb::rset: rset(); break;
        case Verb::vrfy: vrfy(command.argument); break;
        case Verb::expn: refuse("EXPN", 502, kBadSequence, "Lists are not shown"); break;
        case Verb::help: help(); break;
        case Verb::noop: say(250, "2.0.0", "Ok"); break;
        case Verb::quit: quit(); break;
        case Verb::starttls: starttls(); break;
        case Verb::auth: return auth(command.argument);
        case Verb::xclient: return xclient(command.argument);
        case Verb::unknown: refuse("?", 500, "5.5.2", "Unknown command"); break;
    }
    return std::nullopt;
}

// RFC 5321 §4.1.1.1; within a transaction it acts as RSET (§4.1.4).
void ServerSession::hello(Verb verb, std::string_view argument) {
    const bool esmtp = verb != Verb::helo;
    // RFC 2033 §4.1
    if (lmtp() != (verb == Verb::lhlo)) {
        return refuse(name(verb), 500, kBadSequence, lmtp() ? "This is LMTP: say LHLO" : "This is no LMTP");
    }
    const auto helo = parse_helo(argument);
    if (!helo) return refuse(name(verb), helo.error());
    drop_transaction();
    peer_.helo = *helo;
    peer_.esmtp = esmtp;
    greeted_ = true;
    if (esmtp) {
        offer();
    } else {
        say(250, "", options_.hostname);
    }
}

void ServerSession::offer() {
    std::string text = options_.hostname;
    text += "\nPIPELINING\nSIZE";
    if (options_.max_message_size != 0) (text += ' ') += std::to_string(options_.max_message_size);
    text += "\n8BITMIME\nSMTPUTF8";
    if (options_.starttls && peer_.tls_version.empty()) text += "\nSTARTTLS";
    if (const auto mechanisms = offer_.names(" "); !mechanisms.empty()) (text += "\nAUTH") += mechanisms;
    if (options_.max_hold > base::Duration{}) text += hold_offer();
    text += "\nCHUNKING\nBINARYMIME\nDSN\nENHANCEDSTATUSCODES\nLIMITS";  // RFC 9422
    if (options_.max_messages != 0) (text += " MAILMAX=") += std::to_string(options_.max_messages);
    (text += " RCPTMAX=") += std::to_string(options_.max_recipients);
    if (peer_.may_xclient) (text += '\n') += kXclientOffer;
    if (options_.trace) text += "\nXTRACE";
    text += "\nHELP";
    say(250, "", text);
}

// RFC 4865 §4: for how long, and until when.
std::string ServerSession::hold_offer() const {
    const auto longest = std::chrono::floor<std::chrono::seconds>(options_.max_hold);
    const auto latest = base::format_time(std::chrono::floor<std::chrono::seconds>(now_ + longest));
    return "\nFUTURERELEASE " + std::to_string(longest.count()) + ' ' + latest.substr(0, latest.find('.')) + 'Z';
}

// Until when it is to be held, when the client wants that; a fault when it may not.
Parsed<base::WallTime> ServerSession::hold_wanted(const MailArgument& mail) const {
    if (!mail.hold_for && !mail.hold_until) return base::WallTime{};
    if (options_.max_hold <= base::Duration{}) return std::unexpected(Fault{555, "5.5.4", "Unsupported parameter"});
    const auto until = mail.hold_for ? now_ + std::chrono::seconds(*mail.hold_for) : *mail.hold_until;
    if (until <= now_) return base::WallTime{};
    // In milliseconds: nanoseconds do not reach to the years that HOLDUNTIL may name.
    if (until - now_ > std::chrono::floor<std::chrono::milliseconds>(options_.max_hold)) {
        return std::unexpected(Fault{501, "5.5.4", "Messages are not held that long here"});
    }
    return until;
}

std::optional<ServerAction> ServerSession::mail(std::string_view argument) {
    const auto no = [this](int code, std::string_view status, std::string_view text) {
        refuse("MAIL", code, status, text);
        return std::nullopt;
    };
    if (!greeted_) return no(503, kBadSequence, lmtp() ? "Say LHLO first" : "Say EHLO first");
    if (options_.auth_required && peer_.auth_user.empty()) {
        const bool later = options_.starttls && peer_.tls_version.empty();
        return no(530, "5.7.0", later ? "Say STARTTLS, then log in by AUTH" : "Log in by AUTH first");
    }
    if (transaction_) return no(503, kBadSequence, "A message is under way; RSET drops it");
    if (options_.max_messages != 0 && begun_ >= options_.max_messages) {
        return no(421, "4.7.0", "No more messages in this session; connect again");
    }
    auto parsed = parse_mail(argument);
    if (!parsed) return no(parsed.error().code, parsed.error().status, parsed.error().text);
    if (!parsed->trace.empty() && !options_.trace) return no(555, "5.5.4", "Unsupported parameter");
    if (parsed->has_auth && offer_.mechanisms.empty()) return no(555, "5.5.4", "Unsupported parameter");
    const auto hold = hold_wanted(*parsed);
    if (!hold) return no(hold.error().code, hold.error().status, hold.error().text);
    // RFC 1870 §6.1
    if (options_.max_message_size != 0 && parsed->size > options_.max_message_size) {
        return no(552, "5.3.4", "Message is larger than " + std::to_string(options_.max_message_size) + " octets");
    }
    transaction_.emplace();
    transaction_->mail = std::move(*parsed);
    transaction_->hold_until = *hold;
    return ask({.kind = ServerAction::Kind::check, .subject = Subject::sender}, Awaiting::sender);
}

void ServerSession::on_sender(Verdict verdict) {
    if (!verdict.accept) {
        drop_transaction();
        return refuse("MAIL", verdict.reply);
    }
    ++begun_;
    say(250, "2.1.0", "Ok");
}

std::optional<ServerAction> ServerSession::rcpt(std::string_view argument) {
    candidate_ = {};
    const auto no = [this](int code, std::string_view status, std::string_view text) {
        refuse("RCPT", code, status, text);
        return std::nullopt;
    };
    if (!transaction_) return no(503, kBadSequence, "Say MAIL first");
    if (chunks_begun_) return no(503, kBadSequence, "The message has begun");
    // RFC 5321 §4.5.3.1.10: those accepted before stand.
    const auto too_many = [&]() -> std::optional<ServerAction> {
        constexpr std::string_view text = "Too many recipients";
        if (!std::exchange(rcpt_overflow_, true)) return no(452, "4.5.3", text);
        say(452, "4.5.3", text);
        return std::nullopt;
    };
    if (transaction_->recipients.size() >= options_.max_recipients) return too_many();
    auto parsed = parse_rcpt(argument, transaction_->mail.smtputf8);
    if (!parsed) {
        rcpt_refused_ = true;
        return no(parsed.error().code, parsed.error().status, parsed.error().text);
    }
    if (transaction_->recipient_octets + octets_of(*parsed) > max_recipient_octets(options_)) return too_many();
    candidate_ = std::move(*parsed);
    return ask({.kind = ServerAction::Kind::check, .subject = Subject::recipient}, Awaiting::recipient);
}

void ServerSession::on_recipient(Verdict verdict) {
    if (!verdict.accept) {
        rcpt_refused_ = true;
        return refuse("RCPT", verdict.reply);
    }
    transaction_->recipient_octets += octets_of(candidate_);
    transaction_->recipients.push_back(std::move(candidate_));
    say(250, "2.1.5", "Ok");
}

void ServerSession::rset() {
    drop_transaction();
    say(250, "2.0.0", "Ok");
}

// RFC 5321 §3.5.3: who exists is not told.
void ServerSession::vrfy(std::string_view argument) {
    if (argument.empty()) return refuse("VRFY", 501, "5.5.4", "Syntax: VRFY address");
    say(252, "2.5.0", "Cannot tell; send the message and see");
}

void ServerSession::help() {
    say(214, "2.0.0",
        "This is Posthorn. Commands:\n"
        "HELO EHLO LHLO MAIL RCPT DATA BDAT RSET VRFY EXPN HELP NOOP QUIT STARTTLS AUTH\n"
        "RFC 5321 tells what they mean.");
}

void ServerSession::quit() {
    drop_transaction();
    say(221, "2.0.0", options_.hostname + " closes, goodbye");
    end("quit");
}

// RFC 3207 §4
void ServerSession::starttls() {
    if (!peer_.tls_version.empty()) return refuse("STARTTLS", 503, kBadSequence, "TLS is on already");
    if (!options_.starttls) return refuse("STARTTLS", 502, kBadSequence, "TLS is not offered here");
    drop_transaction();
    say(220, "2.0.0", "Ready for TLS");
    const auto behind = end_ - begin_;
    if (behind != 0) {
        consume(behind);
        searched_ = 0;
        notices_.push_back(
            {.kind = Notice::Kind::security,
             .stage = "STARTTLS",
             .text = std::to_string(behind) + " octets in the clear behind STARTTLS were thrown away"});
    }
    stage_ = Stage::tls;
}

std::optional<ServerAction> ServerSession::xclient(std::string_view argument) {
    const auto no = [this](const Fault& fault) {
        refuse("XCLIENT", fault);
        return std::nullopt;
    };
    if (!peer_.may_xclient) return no({550, "5.7.0", "XCLIENT is not for you"});
    if (transaction_) return no({503, kBadSequence, "A message is under way"});
    auto given = parse_xclient(argument);
    if (!given) return no(given.error());
    if (given->name) peer_.name = *given->name;
    if (given->addr) peer_.ip = *given->addr;
    if (given->port) peer_.port = given->port->empty() ? 0 : static_cast<std::uint16_t>(std::stoi(*given->port));
    if (given->helo) peer_.helo = *given->helo;
    if (given->proto) peer_.esmtp = *given->proto == "ESMTP";
    if (given->login) peer_.auth_user = *given->login;
    options_.trace = false;  // it speaks for another now
    greeted_ = false;
    stage_ = Stage::client;  // the new client is judged, then greeted
    return std::nullopt;
}

}  // namespace posthorn::smtp
