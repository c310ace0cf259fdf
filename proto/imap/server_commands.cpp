// Literals and lines of a session, and the commands that need nobody but the machine.
#include <algorithm>

#include "base/ascii.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/server_session.hpp"
#include "proto/imap/text.hpp"

namespace posthorn::imap {

namespace {

bool has_numbers(const SearchKey& key) {
    return (key.kind == SearchKey::Kind::sequence && !key.set.saved) ||
           std::ranges::any_of(key.children, has_numbers);
}

// Whether a command speaks of messages by number, or would be answered so.
bool says_numbers(const Command& command) {
    const auto& what = command.what;
    const SearchKey* key = nullptr;
    if (const auto* search = std::get_if<Search>(&what)) key = &search->key;
    if (const auto* sort = std::get_if<Sort>(&what)) key = &sort->key;
    if (const auto* thread = std::get_if<Thread>(&what)) key = &thread->key;
    if (key != nullptr) return !command.uid || has_numbers(*key);
    return !command.uid && (std::holds_alternative<Fetch>(what) || std::holds_alternative<Store>(what) ||
                            std::holds_alternative<Copy>(what));
}

}  // namespace

// A line ended in the announcement of a literal: a string of the command, or a message.
void ServerSession::on_literal() {
    const auto& mark = reader_.mark();
    if (stage_ == Stage::command && !append_) {
        Scanner s(reader_.text(), false);
        tag_ = s.tag();
    }
    if (!mark.waits && mark.size > Limits::skip && mark.size > options_.append_limit) {
        return bye("Too large a literal", "too large a literal");
    }
    if (stage_ == Stage::exchange || stage_ == Stage::idle)
        return refuse(Reply::bad("No literal is expected here"));
    if (!append_ && AppendParser::wants(reader_.text())) {
        if (auto no = misplaced(When::authenticated)) return refuse(std::move(*no));
        append_.emplace(reader_.text(), enabled_.utf8());
    }
    if (append_) return on_append_text(reader_.before_mark(), true);
    if (!reader_.take_literal()) return refuse(Reply::no("Too long a command", "TOOBIG"));
    if (mark.waits) out_ += "+ OK\r\n";
}

void ServerSession::on_append_text(std::string_view text, bool announced) {
    auto events = append_->parse(text, announced);
    if (!events) {
        if (announced) return refuse(Reply::bad(events.error()));
        return finish(Reply::bad(events.error()));
    }
    const auto& mark = reader_.mark();
    if (!*events) {
        if (!reader_.take_literal()) return refuse(Reply::no("Too long a command", "TOOBIG"));
        if (mark.waits) out_ += "+ OK\r\n";
        return;
    }
    if (announced) {
        if (options_.append_limit != 0 && mark.size > options_.append_limit) {
            return refuse(Reply::no("The message is too large", "TOOBIG"));
        }
        literal_left_ = mark.size;
    }
    for (auto& event : **events) events_.push_back(std::move(event));
    stage_ = Stage::message;
}

// Events first; with a literal's, its octets are asked for, and what follows them is a line again.
std::optional<ServerAction> ServerSession::step_message() {
    if (!events_.empty()) {
        command_ = {};
        const auto& event = events_.front();
        const bool last = event.kind == AppendEvent::Kind::end;
        return ask({.kind = ServerAction::Kind::append,
                    .event = &event,
                    .size = event.kind == AppendEvent::Kind::literal ? literal_left_ : 0},
                   last ? Awaiting::done : Awaiting::append);
    }
    if (reader_.state() == CommandReader::State::literal) {
        if (reader_.mark().waits) out_ += "+ OK\r\n";
        reader_.hand_over();
    }
    if (literal_left_ > 0) {
        if (begin_ == end_) return out_.empty() ? read() : write();
        const auto bytes =
            unread().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(literal_left_, end_ - begin_)));
        begin_ += bytes.size();
        literal_left_ -= bytes.size();
        return ask({.kind = ServerAction::Kind::piece, .bytes = bytes}, Awaiting::piece);
    }
    stage_ = Stage::command;
    return std::nullopt;
}

// The command ends in this reply, as soon as its rest has been read past.
void ServerSession::refuse(Reply reply) {
    refusal_ = std::move(reply);
    events_.clear();
    if (stage_ == Stage::message) stage_ = Stage::command;
    switch (reader_.state()) {
        case CommandReader::State::literal: reader_.refuse_literal(); break;
        case CommandReader::State::reading: reader_.skip(literal_left_); break;  // a message's
        default: break;                                                          // it is all there
    }
    literal_left_ = 0;
}

std::optional<ServerAction> ServerSession::on_line() {
    const bool too_long = reader_.state() == CommandReader::State::too_long;
    if (refusal_ && stage_ != Stage::exchange) {
        finish(Reply(*refusal_));
        return std::nullopt;
    }
    if (stage_ == Stage::exchange) return respond(too_long || refusal_ ? "" : std::string_view(reader_.text()));
    if (stage_ == Stage::idle) {
        const bool done = base::iequals(reader_.text(), "DONE");
        finish(done ? Reply::ok("Idle is over") : Reply::bad("Expected DONE"));
        return std::nullopt;
    }
    // CATENATE of URLs alone has no literal.
    if (!append_ && !too_long && AppendParser::wants(reader_.text()))
        append_.emplace(reader_.text(), enabled_.utf8());
    if (append_) {
        const std::string text = reader_.text();
        tag_ = append_->tag();
        if (auto no = misplaced(When::authenticated)) {
            finish(*no);
        } else if (too_long) {
            finish(Reply::no("Too long a command", "TOOBIG"));
        } else {
            on_append_text(text, false);
        }
        return std::nullopt;
    }
    if (too_long) {
        Scanner s(reader_.text(), false);
        tag_ = s.tag();
        finish({Reply::Status::bad, "TOOBIG", "Too long a command"});
        return std::nullopt;
    }
    auto parsed = parse_command(reader_.text(), {.utf8 = enabled_.utf8()});
    if (!parsed) {
        tag_ = parsed.error().tag;
        finish(Reply::bad(parsed.error().text));
        return std::nullopt;
    }
    return obey(std::move(*parsed));
}

std::optional<Reply> ServerSession::misplaced(When when) const {
    switch (when) {
        case When::any: return std::nullopt;
        case When::not_authenticated:
            if (state_ != State::not_authenticated) return Reply::bad("You are logged in");
            return std::nullopt;
        case When::authenticated:
            if (state_ == State::not_authenticated) return Reply::bad("Log in first");
            return std::nullopt;
        case When::selected:
            if (state_ != State::selected) return Reply::bad("Select a mailbox first");
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<ServerAction> ServerSession::obey(Parsed parsed) {
    tag_ = parsed.command.tag;
    if (auto no = misplaced(parsed.when)) {
        finish(*no);
        return std::nullopt;
    }
    if (enabled_.uid_only && says_numbers(parsed.command)) {  // RFC 9586 §3
        finish({Reply::Status::bad, "UIDREQUIRED", "Only UIDs are spoken of here"});
        return std::nullopt;
    }
    auto& what = parsed.command.what;
    if (std::holds_alternative<Capability>(what)) {
        out_ += "* " + capabilities() + "\r\n";
        finish(Reply::ok("That is all"));
    } else if (std::holds_alternative<Logout>(what)) {
        out_ += "* BYE Goodbye\r\n";
        finish(Reply::ok("Logged out"));
        end("logout");
    } else if (std::holds_alternative<Id>(what)) {
        out_ += "* ID (\"name\" \"Posthorn\")\r\n";
        finish(Reply::ok("That is me"));
    } else if (std::holds_alternative<StartTls>(what)) {
        starttls();
    } else if (auto* credentials = std::get_if<Login>(&what)) {
        return login(std::move(*credentials));
    } else if (auto* mechanism = std::get_if<Authenticate>(&what)) {
        return authenticate(std::move(*mechanism));
    } else if (const auto* words = std::get_if<Enable>(&what)) {
        enable(*words);
    } else if (std::holds_alternative<Compress>(what)) {
        compress();
    } else if (std::holds_alternative<Idle>(what)) {
        start_idle();
    } else {
        command_ = std::move(parsed.command);
        return ask({.kind = ServerAction::Kind::run}, Awaiting::done);
    }
    return std::nullopt;
}

std::string ServerSession::capabilities() const {
    std::string out = "CAPABILITY ";
    if (options_.rev2) out += "IMAP4rev2 ";
    out += "IMAP4rev1 LITERAL- ID ENABLE";
    if (state_ != State::not_authenticated) {
        if (!options_.capabilities.empty()) out += ' ' + options_.capabilities;
        if (options_.compress && !compressed_) out += " COMPRESS=DEFLATE";
        return out;
    }
    out += " SASL-IR";
    if (options_.starttls && !tls()) out += " STARTTLS";
    if (!offer_.passwords() || !options_.login_command) out += " LOGINDISABLED";
    return out + offer_.names(" AUTH=");
}

// RFC 4978 §3. The OK is the last that goes in the clear.
void ServerSession::compress() {
    if (!options_.compress) return finish(Reply::no("There is no compression here"));
    if (compressed_) return finish(Reply::no("It is on already", "COMPRESSIONACTIVE"));
    finish(Reply::ok("From here on deflated"));
    if (stage_ != Stage::closing) stage_ = Stage::compress;
}

// RFC 9051 §6.2.1. After the OK nothing is read but the handshake.
void ServerSession::starttls() {
    if (tls() || !options_.starttls) return finish(Reply::bad(tls() ? "TLS is on" : "There is no TLS here"));
    finish(Reply::ok("Begin the handshake"));
    stage_ = Stage::tls;
}

// RFC 5161: what we do not know is passed over.
void ServerSession::enable(const Enable& command) {
    out_ += "* ENABLED";
    for (const auto& name : command.names) {
        const bool rev2 = options_.rev2 && name == "IMAP4REV2";
        if (!rev2 && std::ranges::find(options_.can_enable, name) == options_.can_enable.end()) continue;
        if (rev2) enabled_.rev2 = true;
        if (name == "UTF8=ACCEPT") enabled_.utf8_accept = true;
        if (name == "UIDONLY") enabled_.uid_only = true;
        // RFC 7162 §3.2.3: QRESYNC is CONDSTORE, too.
        if (name == "QRESYNC") enabled_.qresync = true;
        if (name == "CONDSTORE" || name == "QRESYNC") enabled_.condstore = true;
        out_ += ' ' + (rev2 ? std::string("IMAP4rev2") : name);
    }
    out_ += "\r\n";
    finish(Reply::ok("Enabled"));
}

void ServerSession::start_idle() {
    out_ += "+ idling\r\n";
    reader_.reset();
    waiting_ = false;
    stage_ = Stage::idle;
}

}  // namespace posthorn::imap
