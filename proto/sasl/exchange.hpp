// Logins within a session, as SMTP, POP3 and IMAP have them (RFC 4422 §4): which mechanisms its client may use, and one
// exchange with Base64 on the wire. The words of the replies are the protocol's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/sasl/server.hpp"

namespace posthorn::sasl {

// What came of looking up what a step needs.
enum class LoginVerdict : std::uint8_t {
    ok,
    wrong,
    disabled,     // the secret was right, but the account may not log in
    throttled,    // too many failures, nothing was looked up
    unavailable,  // it could not be looked up
};

// What TLS tells of a channel.
struct Channel {
    std::string tls_exporter;  // RFC 9266, 32 octets; empty: none can be had
    bool certificate = false;  // it has verified one of the client: EXTERNAL can be used
};

struct Offer {
    std::vector<Mechanism> mechanisms;  // in the order offered
    bool clear = false;                 // those in the clear without TLS, too
    std::optional<Channel> tls{};       // nothing: no TLS
    std::string token_scope{};          // told with a refused token

    bool passwords() const { return tls || clear; }  // may be said
    bool has(Mechanism mechanism) const;
    bool allows(Mechanism mechanism) const;  // it has it, and it can be used now
    // Those that can be used now, each with `before` in front.
    std::string names(std::string_view before) const;
};

class Exchange {
public:
    bool active() const { return server_ != nullptr; }

    // `initial`: octets that came with the command; wiped.
    Step begin(const Offer& offer, Mechanism mechanism, std::optional<std::string> initial);
    // A line of the client's. Nothing: it is no Base64.
    std::optional<Step> respond(std::string_view base64);
    // Nothing: the exchange ends without the mechanism's word, for nothing was checked.
    std::optional<Step> judge(LoginVerdict verdict);
    Step secret(ScramSecret secret) { return server_->secret(std::move(secret)); }
    // Why a step was Failed; nothing: it is not what the mechanism says.
    std::optional<LoginVerdict> refusal(const Failed& failed) const;
    void end();

private:
    std::unique_ptr<Server> server_;
    LoginVerdict verdict_ = LoginVerdict::ok;  // a denial that the mechanism tells first
};

}  // namespace posthorn::sasl
