// Who somebody is, as a port: checks a password, a bearer token or a certificate, and gives the secrets that a SCRAM
// exchange needs before its step. Used by the drivers of SMTP, POP3 and IMAP around proto/sasl, which never blocks.
//
// Calls come on any loop's thread and resume there; hashing and backends run on pools. Every answer is a Login: the
// caller sends the reply its verdict asks for and nothing else. A wrong password and an unknown user are one verdict,
// after the same work. Counting, throttling, the delay after a failure, log line, metric and event are done inside,
// so that the Task of a failed login returns late by intent: a caller needs no delay of its own, but has a deadline
// around it as around any wait (a caller that goes away is fine).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/directory.hpp"
#include "base/clock.hpp"
#include "net/address.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"

namespace posthorn::auth {

// Where an attempt comes from.
struct Client {
    net::IpAddress ip;  // of a Unix socket: the default, which is never throttled by address
    bool unix_socket = false;
    std::string service;    // "submission", "pop3": for the log; an app password may be bound to it
    std::string mechanism;  // "PLAIN", "USER": for the log and the event
    std::string session;    // id of the session
    bool tls = false;
};

struct Login {
    enum class Verdict : std::uint8_t {
        ok,           // `account` is logged in
        wrong,        // unknown user, wrong secret, no such mechanism for it: 535 5.7.8
        disabled,     // the secret was right, but the account may not: 535 5.7.13
        throttled,    // too many failures, nothing was checked: 454 4.7.0, `retry_after`
        unavailable,  // a backend is down, or no capacity: 454 4.7.0, [SYS/TEMP], [UNAVAILABLE]
    };
    Verdict verdict = Verdict::unavailable;
    Account account;               // ok only
    base::Duration retry_after{};  // throttled only
};

// Which ways to prove oneself every configured backend can serve: what a listener may offer. Plaintext ones
// (`password`, `token`) only under TLS is the listener's rule, not ours.
struct Mechanisms {
    bool password = false;  // PLAIN, LOGIN, USER/PASS
    bool scram_sha_1 = false;
    bool scram_sha_256 = false;
    bool token = false;     // OAUTHBEARER, XOAUTH2
    bool external = false;  // certificates
    bool operator==(const Mechanisms&) const = default;
};

enum class ScramHash : std::uint8_t { sha_1, sha_256 };

// What a SCRAM server must know of a user (RFC 5802 §3), raw octets. For a user that is unknown, disabled or has no
// verifier: a salt that a server secret derives from the name, the usual iterations, and keys no password gives.
struct ScramSecrets {
    std::string salt;
    std::uint32_t iterations = 0;
    std::string stored_key;
    std::string server_key;
};

// Names and secrets are what the client sent after its mechanism's preparation (RFC 4616: UTF-8, no NUL); `user` is
// "local@domain", or "local" alone of the configured default domain. The secrets handed in are wiped after use;
// the caller wipes what it keeps.
class Provider {
public:
    virtual ~Provider() = default;

    // From configuration: any thread, never blocks.
    virtual Mechanisms mechanisms() const = 0;

    // One attempt with a password (the account's, or one of its app passwords).
    virtual net::Task<Login> password(net::Loop& loop, std::string user, std::string secret, Client client) = 0;

    // A SCRAM exchange is two calls. Before the server's first message: `login` is ok (secrets follow, and say
    // nothing of whether the user exists), throttled or unavailable. Once the client has sent its proof, with what
    // it came to: the verdict. An exchange that broke off before needs no scram_end(): nothing was guessed.
    class ScramAttempt;
    struct ScramBegin {
        Login::Verdict verdict = Login::Verdict::unavailable;  // ok, throttled, unavailable
        base::Duration retry_after{};
        ScramSecrets secrets;
        std::shared_ptr<ScramAttempt> attempt;  // ok only; for scram_end(), once
    };
    virtual net::Task<ScramBegin> scram_begin(net::Loop& loop, std::string user, ScramHash hash, Client client) = 0;
    virtual net::Task<Login> scram_end(net::Loop& loop, std::shared_ptr<ScramAttempt> attempt, bool proved) = 0;

    // `user` is the authzid or user= of OAUTHBEARER and XOAUTH2; it must be the token's (empty: the token's counts).
    virtual net::Task<Login> token(net::Loop& loop, std::string user, std::string bearer, Client client) = 0;

    // The names in a client certificate that TLS has verified against the configured authorities: its e-mail SANs,
    // most specific first. `user` is EXTERNAL's authzid: it must be one of them; empty: the only one.
    virtual net::Task<Login> external(net::Loop& loop, std::string user, std::vector<std::string> names,
                                      Client client) = 0;
};

class Provider::ScramAttempt {
public:
    virtual ~ScramAttempt() = default;
};

}  // namespace posthorn::auth
