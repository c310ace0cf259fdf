// The server's side of one SASL exchange as a machine without I/O (RFC 4422). Octets in and out are those of the
// mechanism: the Base64 and the framing of SMTP, POP3 or IMAP stay outside.
//
// A step ends in a Challenge (send it; the client's answer goes into respond()), in a need (look it up, then say
// grant(), deny() or secret()), in Done or in Failed. Whoever cannot look it up now (a backend is down) drops the
// machine and tells the client so in its protocol's words. A call that does not belong to the last step throws
// std::logic_error.
//
// What holds a secret is wiped when the machine lets go of it; the driver wipes what it took.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "proto/sasl/mechanism.hpp"

namespace posthorn::sasl {

struct Challenge {
    std::string bytes;  // may be empty
};

// Names and secrets are UTF-8 without NUL, at most kMaxName and kMaxSecret octets, the user never empty.
struct NeedPassword {
    std::string user;
    std::string password;
};
struct NeedToken {
    std::string user;  // empty: the token's
    std::string token;
};
struct NeedExternal {
    std::string user;  // whom the client would be; empty: whomever its certificate names
};
enum class ScramHash : std::uint8_t { sha_1, sha_256 };
struct NeedSecret {  // answered by secret()
    std::string user;
    ScramHash hash = ScramHash::sha_256;
};
// The client's proof came. grant() counts only when it was right; on a wrong one either answer leads to Failed: it is
// asked so that the failure can be counted, and late.
struct NeedVerdict {
    bool proved = false;
};

struct Done {};

struct Failed {
    enum class Why : std::uint8_t {
        malformed,  // not what the mechanism says
        refused,    // wrong secret, no such user, or not allowed to be whom it named
    };
    Why why = Why::refused;
};

using Step = std::variant<Challenge, NeedPassword, NeedToken, NeedExternal, NeedSecret, NeedVerdict, Done, Failed>;

// RFC 5802 §3; raw octets.
struct ScramSecret {
    std::string salt;
    std::uint32_t iterations = 0;
    std::string stored_key;
    std::string server_key;
};

struct ServerContext {
    // RFC 9266: 32 octets exported from the TLS session under "EXPORTER-Channel-Binding"; empty: none can be had.
    std::string tls_exporter;
    bool plus_offered = false;  // a -PLUS mechanism was: a client that says it was not has been lied to
    std::string token_scope;    // told with a refused token (RFC 7628 §3.2.2); may be empty
};

inline constexpr std::size_t kMaxName = 512;     // octets
inline constexpr std::size_t kMaxSecret = 8192;  // octets; tokens are long

class Server {
public:
    virtual ~Server() = default;
    Server() = default;
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // `initial`: what came with the command; nothing: the client waits for the first challenge. An empty one is
    // something (RFC 4422 §3).
    virtual Step start(std::optional<std::string_view> initial) = 0;
    virtual Step respond(std::string_view response) = 0;

    virtual Step grant() = 0;
    virtual Step deny() = 0;
    virtual Step secret(ScramSecret secret);
};

std::unique_ptr<Server> make_server(Mechanism mechanism, ServerContext context);

// Overwrites the octets before they are given back; never optimised away.
void wipe(std::string& text);

}  // namespace posthorn::sasl
