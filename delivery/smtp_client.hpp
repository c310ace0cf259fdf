// The outbound driver: one connection to one address of a next hop, over which transactions follow each other.
// It moves bytes between a net::Stream and the session machine (proto/smtp/client_session.hpp), which decides.
//
// Everything here lives on one loop. What a connection could not do is a value (an Outcome), never an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "delivery/gate.hpp"
#include "delivery/in_hand.hpp"
#include "delivery/step_timeouts.hpp"
#include "mail/envelope.hpp"
#include "mail/event.hpp"
#include "mail/outcome.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "net/stream.hpp"
#include "net/task.hpp"
#include "net/tls.hpp"
#include "proto/smtp/client_types.hpp"
#include "spool/body.hpp"

namespace posthorn::smtp {
class ClientSession;
}

namespace posthorn::delivery {

// What all connections share. Passed by value, cheap; what it points to outlives every connection.
struct SmtpClientContext {
    net::Connector* connector = nullptr;
    net::Pool* disk = nullptr;                                 // bodies that are not in memory are read here
    spool::Queue* queue = nullptr;                             // is told which message is in hand; may be null
    mail::EventSink* events = nullptr;                         // may be null; told of EventKind::security alone
    std::shared_ptr<const net::TlsClientContext> tls_any;      // TlsVerify::none: policies `may` and `require`
    std::shared_ptr<const net::TlsClientContext> tls_checked;  // TlsVerify::chain_and_name: policy `verify`
    std::string hostname;                                      // for EHLO
    StepTimeouts timeouts;
    smtp::EightBit eight_bit = smtp::EightBit::send;
    std::size_t max_recipients = 100;  // in one transaction; the server's LIMITS RCPTMAX may lower it
};

struct SmtpTarget {
    net::Endpoint endpoint;
    std::string host;    // MX name: for SNI, the certificate, logs and Outcome::remote_host
    std::string domain;  // destination, for events
    smtp::TlsPolicy tls = smtp::TlsPolicy::may;
    bool accept_invalid_certs = false;  // under `verify` only; every use records a security event
    bool implicit_tls = false;          // TLS before the greeting (port 465 of a smarthost)
    bool lmtp = false;
    bool own_node = false;  // may be told a message's trace
    std::optional<smtp::Credentials> credentials;
};

struct SendRequest {
    std::shared_ptr<const mail::Envelope> envelope;
    std::vector<std::uint32_t> recipients;  // indices into envelope->recipients; not empty
    std::shared_ptr<const spool::Body> body;
    // Asked right before the MAIL of each transaction after the first: false leaves those without one for another time. Empty: yes.
    std::function<bool()> another;
    std::string trace;     // a traceparent for one of our own nodes; empty: none
    Gate* gate = nullptr;  // to be passed before the message is ended; lives as long as send()
};

struct TransactionResult {
    std::vector<smtp::RecipientResult> recipients;  // parallel to SendRequest::recipients
    std::uint32_t transactions = 0;                 // MAIL commands sent
    bool withheld = false;                          // the gate stayed shut: the message was not ended
    std::uint64_t bytes = 0;                        // of message sent, trace headers included
    base::Duration elapsed{};
    std::vector<std::string> dialogue;  // last lines, "C: " and "S: ", redacted, printable; for history and logs
};

class Connection;
class MessageSource;

struct OpenResult {
    std::unique_ptr<Connection> connection;  // null: it failed
    mail::Outcome failure;                   // then: why. FailureScope::session
    base::Duration elapsed{};
    base::Duration connecting{};  // of it, until the connection stood
    std::vector<std::string> dialogue;
};

class Connection {
public:
    // Connects, greets, starts TLS as the target's policy says, authenticates. Under `may` a handshake that fails is
    // followed by one more connection without TLS (recorded as a security event). `cancel` (null: nobody does) ends it
    // at once, at whatever step.
    static net::Task<OpenResult> open(net::Loop& loop, SmtpClientContext context, SmtpTarget target,
                                      std::shared_ptr<net::Cancel> cancel = nullptr);

    ~Connection();  // closes at once, without QUIT
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // What the server must answer before it takes the next MAIL: with that said, MAIL is the first word of send().
    bool clear() const;
    net::Task<> make_clear();

    // Sends one message to some of its recipients. Where the server limits recipients, those for whom there was no
    // room have `one_too_many`: they may be sent at once, in another transaction. Never more than one send() at a
    // time; the connection must outlive it. Only when reusable().
    net::Task<TransactionResult> send(SendRequest request);

    // The session stands between transactions and the server has neither spoken nor left since.
    bool reusable() const;

    // QUIT, its answer awaited no longer than the time-out, then closes. Failure is of no consequence.
    net::Task<> close();

    // At once: for a shutdown that does not wait. A send() under way ends with temporary outcomes.
    void abort();

    const SmtpTarget& target() const { return target_; }
    const std::string& tls() const { return tls_; }       // "TLSv1.3 TLS_AES_256_GCM_SHA384", empty: plaintext
    std::uint32_t messages() const { return messages_; }  // sent over it so far
    base::SteadyTime idle_since() const { return idle_since_; }

private:
    Connection(net::Loop& loop, SmtpClientContext context, SmtpTarget target);

    // Each returns whether the session is `ready`.
    net::Task<bool> establish(std::shared_ptr<net::Cancel> cancel);
    net::Task<bool> run(MessageSource* source);  // drives the machine until it is ready or closes

    net::Task<> read(smtp::ClientTimeout timeout);
    net::Task<> write(std::vector<std::string_view> pieces, smtp::ClientTimeout timeout);
    net::Task<> last_words(net::IoResult failed);
    net::Task<bool> start_tls();
    net::Task<> send_piece(MessageSource* source, std::uint64_t max);
    net::Task<bool> may_end();
    net::Task<bool> header_needs_utf8(MessageSource* source);

    // Runs `fn`, which does not suspend, with the message that is being sent in hand.
    template <class Fn>
    decltype(auto) at_work(Fn fn) {
        std::optional<InHand> hand;
        if (context_.queue && sending_) hand.emplace(*context_.queue, loop_, *sending_);
        return fn();
    }

    base::SteadyTime deadline(smtp::ClientTimeout timeout) const;
    mail::Outcome local_failure(std::string_view status, std::string text) const;
    void complete(mail::Outcome& outcome) const;
    void warn(std::string text) const;

    net::Loop& loop_;
    SmtpClientContext context_;
    SmtpTarget target_;
    std::unique_ptr<net::Stream> stream_;
    std::unique_ptr<smtp::ClientSession> session_;
    mail::Outcome failure_;
    std::optional<base::SteadyTime> connected_;
    std::string tls_;
    std::vector<char> buffer_;  // for replies
    std::optional<base::Ulid> sending_;
    Gate* gate_ = nullptr;  // of the send() under way
    bool withheld_ = false;
    std::uint32_t messages_ = 0;
    base::SteadyTime idle_since_{};
    base::SteadyTime reply_until_{};  // of the reply that is awaited
};

}  // namespace posthorn::delivery
