// The client side of an SMTP or LMTP session, sans-io: next() says what to do, the driver does it and reports.
//
// Life: greeting, EHLO (HELO where that is not known), STARTTLS, AUTH; then `ready`. begin() gives it a message,
// it runs one transaction and is `ready` again, with one result for each recipient; or it must `close`, and each
// recipient has a result all the same. quit() from `ready` ends it. Not thread-safe; copies nothing of the body.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/smtp/client_capabilities.hpp"
#include "proto/smtp/client_commands.hpp"
#include "proto/smtp/client_dialogue.hpp"
#include "proto/smtp/client_types.hpp"
#include "proto/smtp/dot_stuffer.hpp"
#include "proto/smtp/reply_parser.hpp"

namespace posthorn::smtp {

struct ClientOptions {
    std::string hostname;  // what we call ourselves
    bool lmtp = false;     // RFC 2033
    TlsPolicy tls = TlsPolicy::may;
    bool tls_active = false;  // from the first octet on
    std::optional<Credentials> credentials;
    EightBit eight_bit = EightBit::send;
    std::size_t max_recipients = 100;  // of one transaction
};

struct ClientAction {
    enum class Type : std::uint8_t {
        read,       // then on_bytes(), on_eof() or on_failure()
        write,      // `bytes`, valid until the next call; then next(), or on_failure()
        start_tls,  // then on_tls() or on_tls_failed()
        body,       // body() with the next octets of the message, at most `max`; none are left when `max` is 0
        ready,      // begin() or quit()
        close,      // the end; nothing but the results may be asked of it
    };
    Type type{};
    ClientTimeout timeout{};
    std::string_view bytes;
    std::uint64_t max = 0;
};

class ClientSession {
public:
    explicit ClientSession(ClientOptions options);

    ClientAction next();

    void on_bytes(std::string_view bytes);
    void on_eof();
    // A read or write that failed or took too long. What was sent may have arrived. Before it reports a failed write
    // the driver should give what can still be read: a server that refuses and leaves has said why.
    void on_failure(bool timed_out, std::string_view text);
    void on_tls(std::string_view what);  // for the dialogue: version and cipher
    void on_tls_failed(std::string_view text);

    // The server may still hold the last transaction, and takes MAIL only after it has answered RSET: without
    // PIPELINING that is a turn of its own. Left to begin(), MAIL comes as much later; after reset() it comes at once.
    bool must_reset() const { return dirty_ && !server_.pipelining; }
    void reset();  // at `ready` only

    // At `ready` only. message.recipients is not empty and has at most max_recipients().
    void begin(ClientMessage message);

    // At `body` only; may be called again while octets of `max` are left. What to write for the next octets: views
    // into `raw` and into the session, good until next().
    std::vector<std::string_view> body(std::string_view raw);
    // There is no more of the message to be had: the session closes without ending it, so that no part is delivered.
    void body_failed(std::string_view text);

    void quit();  // at `ready` only

    // After begin(), at `ready` or `close`: parallel to the message's recipients.
    std::vector<RecipientResult> take_results();
    // At `close` before the first `ready`: why.
    const mail::Outcome& failure() const { return failure_; }
    // ... and whether a connection without TLS may be tried: policy `may`, and it was TLS that failed.
    bool plaintext_may_do() const { return plaintext_may_do_; }

    // Part of a reply is here, the rest is awaited.
    bool within_reply() const { return parser_.buffered(); }

    bool at_ready() const { return phase_ == Phase::ready; }
    // ... and another message may follow.
    bool reusable() const { return phase_ == Phase::ready && !spent_; }
    std::size_t max_recipients() const;
    const Capabilities& server() const { return server_; }
    Dialogue& dialogue() { return dialogue_; }

private:
    enum class Phase : std::uint8_t {
        greeting,
        hello,
        starttls,
        handshake,
        auth,
        ready,
        reset,
        transaction,
        body,
        quit,
        closed
    };

    // What a reply that is awaited answers.
    enum class Asked : std::uint8_t {
        greeting,
        ehlo,
        helo,
        starttls,
        auth,
        rset,
        mail,
        rcpt,
        data,
        chunk,
        last,
        empty,
        quit
    };
    struct Expected {
        Asked asked{};
        std::size_t recipient = 0;  // of rcpt; of last in LMTP
    };

    static ClientTimeout timeout_of(Asked asked);
    static std::string_view name_of(Asked asked);

    // client_session.cpp
    void say(std::string line, Asked asked, std::size_t recipient = 0);
    void say_redacted(std::string line, Asked asked, std::size_t recipient = 0);
    void hello(bool extended);
    void on_reply(const RemoteReply& reply);
    void unasked(const RemoteReply& reply);
    void answer(const Expected& expected, const RemoteReply& reply);
    void on_greeting(const RemoteReply& reply);
    void on_hello(Asked asked, const RemoteReply& reply);
    void on_starttls(const RemoteReply& reply);
    void on_auth(const RemoteReply& reply);
    void secure();
    void authenticate();
    void violation(std::string_view what);
    void refuse_session(mail::Outcome outcome, bool politely);
    void leave(bool politely);
    void gone(std::string_view how);
    bool in_transaction() const { return phase_ == Phase::transaction || phase_ == Phase::body; }

    // client_transaction.cpp
    enum class Stand : std::uint8_t { waiting, accepted, done };
    struct Progress {
        Stand stand = Stand::waiting;
        RecipientResult result;
    };
    void fill_window();
    void ask_for_content();
    void on_mail(const RemoteReply& reply);
    void on_rcpt(std::size_t recipient, const RemoteReply& reply);
    void on_data(const RemoteReply& reply);
    void on_chunk(const RemoteReply& reply);
    void on_last(std::size_t recipient, const RemoteReply& reply);
    void await_last();
    void settle(std::size_t recipient, const mail::Outcome& outcome, FailureScope scope);
    void settle_open(const mail::Outcome& outcome, FailureScope scope);  // all that are not done
    void settle_accepted(const mail::Outcome& outcome, FailureScope scope);
    void end_if_complete();
    std::uint64_t body_max() const;

    ClientOptions options_;
    Phase phase_ = Phase::greeting;
    ReplyParser parser_;
    Dialogue dialogue_;
    Capabilities server_;
    std::string out_;      // to be written
    std::string writing_;  // handed to the driver
    std::deque<Expected> expected_;
    bool tls_ = false;
    bool plaintext_may_do_ = false;
    int auth_step_ = 0;
    bool leaving_ = false;  // out_ is the last that is written
    bool spent_ = false;    // no further transaction on this session
    std::uint32_t messages_ = 0;
    mail::Outcome failure_;

    ClientMessage message_;
    std::vector<Progress> progress_;
    std::size_t next_rcpt_ = 0;
    std::size_t accepted_ = 0;
    bool mail_said_ = false;
    bool mail_refused_ = false;
    bool content_asked_ = false;  // DATA was said, or the body has begun as chunks
    bool chunks_ = false;
    bool dirty_ = false;         // the server may still hold a transaction: RSET first
    bool content_sent_ = false;  // to its last octet: what becomes of it is the server's to say
    DotStuffer stuffer_;
    std::uint64_t sent_ = 0;
    std::uint64_t chunk_left_ = 0;
    std::string chunk_head_;
};

}  // namespace posthorn::smtp
