// The server's side of an SMTP session as a machine without I/O (RFC 5321, and the extensions its EHLO names).
//
// The same machine speaks submission (RFC 6409) and LMTP (RFC 2033): ServerOptions::dialect.
//
// The driver asks next() for an action, performs it, and tells what came of it with exactly one on_*() call; then
// it asks again. The machine never calls out, has no clock and no threads; one session, one thread.
//
//   read        read into input_space(); on_bytes(n), on_eof()
//   write       send action.bytes (valid until told); on_written()
//   start_tls   handshake as server; on_tls() or on_broken()
//   check       decide about the client, the sender or the newest recipient; on_verdict()
//   authenticate  look up what take_auth_need() asks for; on_login(), or on_secret() where it asks for a secret
//   open_body   make room for a message (DATA, first BDAT); on_verdict()
//   body        take action.bytes (valid until told) as the next octets of the message; on_verdict()
//   commit      make the message durable; on_verdict(), whose reply is sent in either case; under LMTP on_replies()
//   discard     throw the open body away; on_discarded()
//   close       the end
// At any wait: on_eof(), on_timeout(), on_broken(). A refusal or a security matter becomes a Notice, to be taken
// after each action.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mail/envelope.hpp"
#include "proto/sasl/exchange.hpp"
#include "proto/smtp/command.hpp"
#include "proto/smtp/header_watch.hpp"
#include "proto/smtp/proxy_header.hpp"
#include "proto/smtp/server_reply.hpp"
#include "proto/smtp/text_decoder.hpp"
#include "proto/smtp/xclient.hpp"

namespace posthorn::smtp {

// How long an action may take is the driver's configuration; which limit applies is the machine's knowledge
// (RFC 5321 §4.5.3.2).
enum class ServerTimeout : std::uint8_t { command, data_init, data_block, data_termination };

enum class Dialect : std::uint8_t { smtp, lmtp };

struct ServerOptions {
    Dialect dialect = Dialect::smtp;
    std::string hostname;
    bool starttls = false;                         // can be offered
    bool implicit_tls = false;                     // TLS before the greeting
    bool proxy_header = false;                     // a PROXY header before everything
    bool trace = false;                            // XTRACE is offered: the client is one of our own nodes
    std::uint64_t max_message_size = 50ULL << 20;  // octets; 0: none
    std::uint32_t max_recipients = 1000;           // a message
    std::uint32_t max_messages = 0;                // a session; 0: none (RFC 9422 MAILMAX)
    std::uint32_t max_errors = 20;                 // 5xx replies since the last accepted message
    std::uint32_t max_hops = 100;                  // Received fields (RFC 5321 §6.3)
    std::size_t max_command_line = 2048;           // octets with CRLF
    std::size_t max_text_line = 1000;              // octets with CRLF (RFC 5321 §4.5.3.1.6)
    std::vector<sasl::Mechanism> mechanisms;       // of AUTH, in the order offered; empty: no AUTH
    bool auth_required = false;                    // before MAIL
    bool clear_auth = false;                       // mechanisms in the clear without TLS, too
    std::uint32_t max_auth_failures = 3;           // a session
    std::string token_scope;                       // told with a refused token
    base::Duration max_hold{};                     // FUTURERELEASE; 0: not offered
    bool strict_8bit = false;
    BareNewline bare_newline = BareNewline::reject;
};

enum class Subject : std::uint8_t { client, sender, recipient };

struct ServerAction {
    enum class Kind : std::uint8_t {
        read,
        write,
        start_tls,
        check,
        authenticate,
        open_body,
        body,
        commit,
        discard,
        close
    };
    Kind kind = Kind::close;
    ServerTimeout timeout = ServerTimeout::command;
    // read: false when the wait goes on that an earlier read began: its deadline stands, so that a client cannot
    // buy time with an octet now and then.
    bool fresh = true;
    Subject subject = Subject::client;  // of a check
    std::string_view bytes;             // of a write or a body
};

// Yes, or no with the reply that says so; 421 also ends the session. For commit `reply` is sent on yes as well.
struct Verdict {
    bool accept = true;
    ServerReply reply;
    static Verdict yes() { return {}; }
    static Verdict no(ServerReply reply) { return {.accept = false, .reply = std::move(reply)}; }
};

// Who is at the other end, as far as the wire told. The driver sets what it knows before the first next().
struct ServerPeer {
    std::string ip;
    std::uint16_t port = 0;
    std::string name;  // by XCLIENT only
    std::string helo;
    bool esmtp = false;
    std::string auth_user;  // by AUTH or XCLIENT LOGIN; empty: nobody
    std::string tls_version;
    std::string tls_cipher;
    bool may_xclient = false;  // set by the driver with its verdict on Subject::client
};

// A message on its way in.
struct ServerTransaction {
    MailArgument mail;
    std::vector<mail::Recipient> recipients;  // accepted ones
    std::size_t recipient_octets = 0;         // of their addresses and ORCPTs
    std::uint64_t size = 0;                   // octets of body so far
    HeaderWatch header;
    bool eight_bit = false;
    base::WallTime hold_until{};  // RFC 4865; zero: none
};

struct Notice {
    enum class Kind : std::uint8_t { rejected, security } kind = Kind::rejected;
    std::string stage;  // "MAIL", "RCPT", "DATA" ...
    int code = 0;
    std::string status;
    std::string text;
    std::string recipient;  // RCPT only
};

class ServerSession {
public:
    ServerSession(ServerOptions options, ServerPeer peer);

    ServerAction next();

    // Where to read to; at least one octet. Invalidates views given before.
    std::span<char> input_space();
    void on_bytes(std::size_t count);
    void on_written();
    void on_discarded();
    void on_verdict(Verdict verdict);
    // Under LMTP instead of on_verdict() at commit: one for each recipient of the transaction, in their order.
    void on_replies(std::vector<ServerReply> replies);
    // During authenticate: `user` has logged in, or may not.
    void on_login(sasl::LoginVerdict verdict, std::string user = {});
    void on_secret(sasl::ScramSecret secret);
    void on_tls(std::string version, std::string cipher, sasl::Channel channel = {});
    void on_eof();
    void on_timeout();
    void on_broken();  // the transport, or the TLS handshake, failed

    // The server goes down: a session between messages ends with 421 4.3.2 at its next action, others when their
    // transaction is over.
    void shut_down();
    // Waits for a command with no transaction open and nothing half-read: may be ended at once.
    bool idle() const;
    // What time it is, for FUTURERELEASE. Where that is offered the driver tells it before next().
    void set_time(base::WallTime now) { now_ = now; }
    // During authenticate, once; the caller wipes the secret in it.
    sasl::Step take_auth_need() { return std::exchange(auth_need_, sasl::Done{}); }
    sasl::Mechanism auth_mechanism() const { return auth_mechanism_; }
    bool lmtp() const { return options_.dialect == Dialect::lmtp; }

    // While the driver waits in a read: ends the session from outside. Gives the 421 to send before closing; empty
    // where no reply may stand (a PROXY header or a handshake is awaited). The read is answered by this call.
    enum class Interruption : std::uint8_t { timeout, shutdown };
    std::string interrupt(Interruption why);

    ServerPeer& peer() { return peer_; }
    const ServerPeer& peer() const { return peer_; }
    const ServerOptions& options() const { return options_; }
    // During check(sender), check(recipient), open_body, body and commit.
    const ServerTransaction& transaction() const { return *transaction_; }
    const mail::Recipient& candidate() const { return candidate_; }  // during check(recipient)
    bool in_transaction() const { return transaction_.has_value(); }
    std::uint32_t accepted() const { return accepted_; }  // messages
    // How it ended: "quit", "eof", "timed out" ...; empty while it goes on.
    std::string_view ending() const { return ending_; }

    std::vector<Notice> take_notices() { return std::exchange(notices_, {}); }
    bool has_notices() const { return !notices_.empty(); }

    // Replies wait no longer than this many octets.
    static constexpr std::size_t kMaxOutput = 16 * 1024;
    static constexpr std::size_t kSmallInput = 8 * 1024;
    static constexpr std::size_t kLargeInput = 32 * 1024;
    static constexpr std::size_t kMaxAuthLine = 12288;  // octets with CRLF (RFC 4954 §4, §6)

private:
    enum class Stage : std::uint8_t { proxy, tls, client, command, auth, data, chunk, skip_chunk, closing };
    enum class Awaiting : std::uint8_t {
        none,
        bytes,
        written,
        tls,
        discarded,
        client,
        sender,
        recipient,
        auth,
        open,
        body,
        commit
    };

    // server_session.cpp: the loop
    ServerAction read(ServerTimeout timeout);
    ServerAction write();
    ServerAction ask(ServerAction action, Awaiting awaiting);
    std::optional<ServerAction> step();
    std::optional<ServerAction> step_proxy();
    std::optional<ServerAction> step_command();
    std::optional<std::string_view> take_line();
    std::string_view unread() const { return {input_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t count) { begin_ += count; }
    bool in_body() const { return stage_ == Stage::data || stage_ == Stage::chunk || stage_ == Stage::skip_chunk; }
    void settle(Awaiting expected);
    void end(std::string_view why);
    void abort(std::string_view why);
    void say(int code, std::string_view status, std::string_view text);
    void refuse(std::string_view stage, int code, std::string_view status, std::string_view text);
    void refuse(std::string_view stage, const ServerReply& reply);
    void refuse(std::string_view stage, const Fault& fault) { refuse(stage, fault.code, fault.status, fault.text); }
    void drop_transaction();
    void on_client(Verdict verdict);

    // server_commands.cpp: one function a verb
    std::optional<ServerAction> obey(const Command& command);
    void hello(Verb verb, std::string_view argument);
    void offer();
    std::string hold_offer() const;
    Parsed<base::WallTime> hold_wanted(const MailArgument& mail) const;
    std::optional<ServerAction> mail(std::string_view argument);
    std::optional<ServerAction> rcpt(std::string_view argument);
    void rset();
    void vrfy(std::string_view argument);
    void help();
    void quit();
    void starttls();
    std::optional<ServerAction> xclient(std::string_view argument);
    void on_sender(Verdict verdict);
    void on_recipient(Verdict verdict);

    // server_auth.cpp: AUTH
    std::optional<ServerAction> auth(std::string_view argument);
    std::optional<ServerAction> step_auth();
    std::optional<ServerAction> auth_step(sasl::Step step);
    std::optional<ServerAction> auth_response(std::string_view line);
    void auth_next(sasl::Step step);
    void auth_over(const ServerReply& reply);
    void auth_failed(const ServerReply& reply);
    bool auth_line_begun() const;
    void wipe_input(std::string_view text);

    // server_body.cpp: DATA and BDAT
    std::optional<ServerAction> data();
    std::optional<ServerAction> bdat(std::string_view argument);
    std::optional<Fault> body_misplaced(bool chunk) const;
    std::optional<ServerAction> step_body();
    std::optional<ServerAction> step_skip();
    std::optional<ServerAction> read_body();
    std::optional<ServerAction> take_piece(TextDecoder::Piece piece);
    void chunk_over();
    std::optional<ServerAction> body_over();
    void fail_body(ServerReply reply);
    std::string_view body_stage() const { return chunks_begun_ ? "BDAT" : "DATA"; }
    void on_opened(Verdict verdict);
    void on_committed(Verdict verdict);
    void on_body(Verdict verdict);
    void message_over();
    void refuse_message(std::string_view stage, const ServerReply& reply);
    void answer_each(std::vector<ServerReply> replies);
    void say_pending();

    ServerOptions options_;
    sasl::Offer offer_;
    ServerPeer peer_;
    Stage stage_;
    Awaiting awaiting_ = Awaiting::none;

    std::unique_ptr<char[]> input_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t searched_ = 0;     // octets of unread() known to hold no LF
    bool filled_ = false;          // the last read took all the space there was
    bool waiting_ = false;         // a wait has begun and nothing whole has come since
    std::size_t since_fresh_ = 0;  // octets of body since a read began a new wait
    bool line_overflow_ = false;   // the rest of an overlong command line is being skipped
    bool chunk_overflow_ = false;  // and it began with BDAT
    base::WallTime now_{};

    std::string out_;
    bool flush_ = false;
    bool answers_message_ = false;  // out_ holds the reply to a whole message
    // Replies of LMTP to a message that out_ had no room for yet, the next one last.
    std::vector<std::pair<ServerReply, std::string>> pending_;
    std::vector<Notice> notices_;
    std::string_view ending_;

    sasl::Exchange exchange_;
    sasl::Step auth_need_ = sasl::Done{};
    sasl::Mechanism auth_mechanism_{};
    std::string auth_candidate_;  // granted, but the exchange is not over
    std::uint32_t auth_failures_ = 0;

    std::optional<ServerTransaction> transaction_;
    mail::Recipient candidate_;
    std::optional<TextDecoder> decoder_;
    bool body_open_ = false;  // the driver holds a body
    bool discard_due_ = false;
    std::optional<ServerReply> body_reply_;  // the refusal that will answer the message
    std::uint64_t chunk_left_ = 0;           // octets of the BDAT chunk at hand
    std::uint64_t chunk_size_ = 0;
    bool chunk_last_ = false;
    bool first_block_ = false;    // 354 went out, nothing has come yet
    bool chunks_begun_ = false;   // BDAT was used: DATA may not be (RFC 3030 §2)
    bool chunks_failed_ = false;  // only RSET helps
    bool rcpt_refused_ = false;   // a RCPT of this transaction was
    bool rcpt_overflow_ = false;  // there were too many; told in a notice once

    bool welcomed_ = false;  // the greeting went out
    bool greeted_ = false;   // EHLO or HELO was accepted
    bool stopping_ = false;
    std::uint32_t errors_ = 0;
    std::uint32_t accepted_ = 0;
    std::uint32_t begun_ = 0;  // transactions, for MAILMAX
};

}  // namespace posthorn::smtp
