// The server's session machine under arbitrary octets. The first octet chooses options, the second the size of
// the pieces they come in; verdicts follow from addresses. Holds: it never throws, never waits for itself, never
// leaves a body open, and its output stays bounded; under LMTP each recipient has its reply. An input may begin with
// 0xFF: then a byte of options more follows (LMTP, AUTH, what it needs).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proto/smtp/server_session.hpp"

using namespace posthorn;
using namespace posthorn::smtp;

namespace {

using Kind = ServerAction::Kind;

void require(bool holds) {
    if (!holds) std::abort();
}

ServerOptions options_of(std::uint8_t bits, std::uint8_t more) {
    ServerOptions options;
    options.hostname = "mx.example.org";
    options.starttls = true;
    options.implicit_tls = (bits & 1) != 0;
    options.proxy_header = (bits & 2) != 0;
    options.strict_8bit = (bits & 4) != 0;
    options.bare_newline = (bits & 8) != 0 ? BareNewline::normalise : BareNewline::reject;
    options.max_message_size = (bits & 16) != 0 ? 64 : 1 << 20;
    options.max_text_line = 100;
    options.max_errors = 1000;
    if ((more & 1) != 0) options.dialect = Dialect::lmtp;
    if ((more & 2) != 0) {
        options.mechanisms = {sasl::Mechanism::scram_sha_256, sasl::Mechanism::oauthbearer,
                              sasl::Mechanism::xoauth2, sasl::Mechanism::plain, sasl::Mechanism::login};
        options.max_auth_failures = 1000;
    }
    options.clear_auth = (more & 4) != 0;
    options.auth_required = (more & 8) != 0;
    if ((more & 16) != 0) options.max_hold = std::chrono::hours(24);
    return options;
}

Verdict judge(const ServerSession& session, Subject subject) {
    const bool no = (subject == Subject::recipient && session.candidate().address.local == "no") ||
                    (subject == Subject::sender && session.transaction().mail.from.local == "no");
    return no ? Verdict::no({550, "5.7.1", "No"}) : Verdict::yes();
}

// Who begins with "no" is nobody; "down" cannot be looked up.
void look_up(ServerSession& session) {
    using Verdict = sasl::LoginVerdict;
    const auto need = session.take_auth_need();
    std::string user;
    if (const auto* password = std::get_if<sasl::NeedPassword>(&need)) user = password->user;
    if (const auto* token = std::get_if<sasl::NeedToken>(&need)) user = token->user;
    if (std::holds_alternative<sasl::NeedSecret>(need))
        return session.on_secret({"salt", 4096, std::string(32, 's'), std::string(32, 'k')});
    if (const auto* verdict = std::get_if<sasl::NeedVerdict>(&need); verdict != nullptr && !verdict->proved)
        user = "no";
    if (user.starts_with("no")) return session.on_login(Verdict::wrong);
    if (user == "down") return session.on_login(Verdict::unavailable);
    session.on_login(Verdict::ok, "ann@example.org");
}

void commit(ServerSession& session) {
    if (!session.lmtp()) return session.on_verdict({.accept = true, .reply = {250, "2.0.0", "Queued"}});
    std::vector<ServerReply> replies;
    for (const auto& recipient : session.transaction().recipients) {
        const bool full = recipient.address.local == "full";
        replies.push_back(full ? ServerReply{452, "4.2.2", "Full"} : ServerReply{250, "2.0.0", "Kept"});
    }
    session.on_replies(std::move(replies));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::uint8_t more = 0;
    if (size >= 2 && data[0] == 0xFF) {
        more = data[1];
        data += 2;
        size -= 2;
    }
    if (size < 2) return 0;
    std::string_view wire(reinterpret_cast<const char*>(data) + 2, size - 2);
    const std::size_t piece = data[1] == 0 ? SIZE_MAX : data[1];
    ServerSession session(options_of(data[0], more), {.ip = "192.0.2.7", .may_xclient = (data[0] & 32) != 0});
    bool body_open = false;
    std::uint64_t body = 0;
    std::size_t idle_steps = 0;
    while (true) {
        const auto action = session.next();
        session.take_notices();
        require(++idle_steps < 100'000);
        switch (action.kind) {
            case Kind::read: {
                if (wire.empty()) {
                    session.on_eof();
                    break;
                }
                const auto space = session.input_space();
                require(!space.empty());
                const auto count = std::min({space.size(), piece, wire.size()});
                std::copy_n(wire.begin(), count, space.begin());
                wire.remove_prefix(count);
                session.on_bytes(count);
                idle_steps = 0;
                break;
            }
            case Kind::write:
                require(!action.bytes.empty() && action.bytes.size() <= 2 * ServerSession::kMaxOutput);
                require(action.bytes.ends_with("\r\n"));
                session.on_written();
                break;
            case Kind::start_tls: session.on_tls("TLSv1.3", "TLS_AES_128_GCM_SHA256"); break;
            case Kind::authenticate: look_up(session); break;
            case Kind::check: session.on_verdict(judge(session, action.subject)); break;
            case Kind::open_body:
                require(!body_open);
                body_open = true;
                body = 0;
                session.on_verdict(Verdict::yes());
                break;
            case Kind::body:
                require(body_open && !action.bytes.empty());
                body += action.bytes.size();
                session.on_verdict(Verdict::yes());
                break;
            case Kind::commit:
                require(body_open && body == session.transaction().size);
                require(!session.transaction().recipients.empty());
                require((more & 8) == 0 || !session.peer().auth_user.empty());
                body_open = false;
                commit(session);
                break;
            case Kind::discard:
                require(body_open);
                body_open = false;
                session.on_discarded();
                break;
            case Kind::close: require(!body_open && !session.ending().empty()); return 0;
        }
    }
}
