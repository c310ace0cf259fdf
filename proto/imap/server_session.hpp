// The server's side of an IMAP session as a machine without I/O (RFC 9051, RFC 3501): framing, states, logins, literals;
// what commands do is the driver's.
//
// The driver asks next() for an action, performs it, and tells what came of it with exactly one on_*() call; then it
// asks again. The machine never calls out, has no clock and no threads; one session, one thread.
//
//   read        read into input_space(); on_bytes(n), on_eof(). action.idle: the client is in IDLE, the driver may write
//               untagged responses to it meanwhile
//   write       send action.bytes (valid until told); on_written()
//   start_tls   handshake as server; on_tls() or on_broken()
//   login       look up what need() asks for; on_login(), or on_secret() where it asks for a secret
//   run         do command(); untagged responses go into out(), which the driver may send and clear itself; on_done()
//   append      *action.event of an APPEND or REPLACE; on_append(), for its `end` on_done()
//   piece       take action.bytes (valid until told) as the next octets of the message; on_append()
//   compress    compress both directions from here on; on_compressed()
//   close       the end
// At any wait: on_eof(), on_timeout(), on_broken(). An APPEND whose `end` did not come has not been made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/imap/append_parser.hpp"
#include "proto/imap/command.hpp"
#include "proto/imap/command_reader.hpp"
#include "proto/imap/parser.hpp"
#include "proto/sasl/exchange.hpp"

namespace posthorn::imap {

enum class ServerTimeout : std::uint8_t {
    login,    // for a command before the login
    idle,     // and after it (RFC 9051 §5.4: at least thirty minutes), and in IDLE
    command,  // for the rest of a command that has begun
    write,
};

struct ServerOptions {
    std::string hostname;
    bool starttls = false;                    // can be offered
    bool implicit_tls = false;                // TLS before the greeting
    bool clear_login = false;                 // passwords without TLS, too
    bool login_command = true;                // LOGIN, where passwords may be said
    std::vector<sasl::Mechanism> mechanisms;  // those in the clear are offered where passwords may be said
    bool rev2 = false;                        // IMAP4rev2 is offered, and can be enabled
    std::string capabilities;                 // what the driver can besides, as words: told after the login
    std::vector<std::string> can_enable;      // of them, upper case
    bool compress = false;                    // COMPRESS=DEFLATE can be done (RFC 4978)
    std::uint64_t append_limit = 0;           // octets of a message; 0: none (RFC 7889)
    std::uint32_t max_errors = 20;            // BADs in a row
    std::uint32_t max_logins = 3;             // that failed, in a session
};

struct ServerAction {
    enum class Kind : std::uint8_t { read, write, start_tls, login, run, append, piece, compress, close };
    Kind kind = Kind::close;
    ServerTimeout timeout = ServerTimeout::idle;
    // read: false when the wait goes on that an earlier read began: its deadline stands.
    bool fresh = true;
    bool idle = false;
    std::string_view bytes;              // of a write or a piece
    const AppendEvent* event = nullptr;  // of append
    std::uint64_t size = 0;              // of append, for a literal: its octets
};

struct Reply {
    enum class Status : std::uint8_t { ok, no, bad };
    Status status = Status::ok;
    std::string code;  // "TRYCREATE"; empty: none
    std::string text;
    static Reply ok(std::string text, std::string code = {}) {
        return {Status::ok, std::move(code), std::move(text)};
    }
    static Reply no(std::string text, std::string code = {}) {
        return {Status::no, std::move(code), std::move(text)};
    }
    static Reply bad(std::string text) { return {Status::bad, {}, std::move(text)}; }
};

using sasl::LoginVerdict;

struct Enabled {  // RFC 5161
    bool condstore = false;
    bool qresync = false;
    bool utf8_accept = false;
    bool rev2 = false;
    bool uid_only = false;  // RFC 9586: no message numbers, either way
    bool utf8() const { return utf8_accept || rev2; }
};

class ServerSession {
public:
    enum class State : std::uint8_t { not_authenticated, authenticated, selected, logout };

    explicit ServerSession(ServerOptions options);

    ServerAction next();

    std::span<char> input_space();  // at least one octet; invalidates views given before
    void on_bytes(std::size_t count);
    void on_written();
    void on_tls(sasl::Channel channel);
    void on_compressed();
    void on_login(LoginVerdict verdict);
    void on_secret(sasl::ScramSecret secret);
    void on_done(Reply reply);
    void on_append(std::optional<Reply> refusal);  // nothing: go on
    void on_eof();
    void on_timeout();
    void on_broken();

    // The server goes down: the session ends with BYE at its next command.
    void shut_down() { stopping_ = true; }
    // While a command runs: after its reply the session ends with BYE. `why` is a literal: ending().
    void dismiss(std::string text, std::string_view why) { dismissal_ = {std::move(text), why}; }
    // Waits for a command (or in IDLE), nothing half-read: may be ended at once.
    bool idle() const;
    // While the driver waits in a read: ends the session from outside. Gives what to send before closing; empty where
    // nothing may be said. The read is answered by this call.
    enum class Interruption : std::uint8_t { timeout, shutdown, replaced };  // the selected mailbox was
    std::string interrupt(Interruption why);

    // During login: what to look up, by which mechanism ("LOGIN", "PLAIN" …). The driver may move secrets out of it.
    sasl::Step& need() { return need_; }
    std::string_view mechanism() const { return mechanism_; }

    const Command& command() const { return command_; }  // during run
    std::string& out() { return out_; }
    State state() const { return state_; }
    const Enabled& enabled() const { return enabled_; }
    void enable_condstore() { enabled_.condstore = true; }  // a command did (RFC 7162 §3.1)
    // The mailbox is no longer there.
    void deselect() { state_ = State::authenticated; }
    bool tls() const { return offer_.tls.has_value(); }
    bool authenticated() const { return state_ == State::authenticated || state_ == State::selected; }
    bool in_idle() const { return stage_ == Stage::idle; }
    // How it ended: "logout", "eof", "timed out" …; empty while it goes on.
    std::string_view ending() const { return ending_; }

    static constexpr std::size_t kMaxOutput = 16 * 1024;  // responses wait no longer than this many octets
    static constexpr std::size_t kSmallInput = 2 * 1024;
    static constexpr std::size_t kLargeInput = 32 * 1024;

private:
    enum class Stage : std::uint8_t { tls, compress, greeting, command, message, exchange, idle, closing };
    enum class Awaiting : std::uint8_t { none, bytes, written, tls, login, done, append, piece, compress };

    // server_session.cpp: the loop, and the ends
    std::optional<ServerAction> step();
    std::optional<ServerAction> step_input();
    ServerAction ask(ServerAction action, Awaiting awaiting);
    ServerAction read();
    ServerAction write();
    void settle(Awaiting expected);
    void end(std::string_view why);
    void bye(std::string_view text, std::string_view why);
    void tagged(std::string_view tag, const Reply& reply);
    void finish(const Reply& reply);
    std::string_view unread() const { return {input_.get() + begin_, end_ - begin_}; }

    // server_commands.cpp: literals, lines, and the commands that are the machine's own
    void on_literal();
    std::optional<ServerAction> on_line();
    std::optional<ServerAction> obey(Parsed parsed);
    std::optional<Reply> misplaced(When when) const;
    std::string capabilities() const;
    void enable(const Enable& command);
    void start_idle();
    void starttls();
    void compress();
    void refuse(Reply reply);
    void on_append_text(std::string_view text, bool announced);
    std::optional<ServerAction> step_message();

    // server_login.cpp
    std::optional<ServerAction> login(Login command);
    std::optional<ServerAction> authenticate(Authenticate command);
    std::optional<ServerAction> respond(std::string_view line);
    std::optional<ServerAction> follow(sasl::Step step);
    void logged_in();
    void login_failed(Reply reply);

    ServerOptions options_;
    sasl::Offer offer_;
    Stage stage_;
    State state_ = State::not_authenticated;
    Awaiting awaiting_ = Awaiting::none;
    bool stopping_ = false;
    std::optional<std::pair<std::string, std::string_view>> dismissal_;

    std::unique_ptr<char[]> input_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool filled_ = false;          // the last read took all the space there was
    bool waiting_ = false;         // a wait has begun and nothing whole has come since
    std::size_t since_fresh_ = 0;  // octets of messages since a read began a new wait

    CommandReader reader_;
    std::string out_;
    std::string_view ending_;
    std::string tag_;
    Command command_;
    std::optional<Reply> refusal_;  // will answer the command whose rest is being read past
    Enabled enabled_;
    bool compressed_ = false;
    std::uint32_t errors_ = 0;

    std::optional<AppendParser> append_;
    std::deque<AppendEvent> events_;
    std::uint64_t literal_left_ = 0;

    sasl::Step need_;
    std::string mechanism_;
    sasl::Exchange exchange_;
    std::optional<sasl::Step> next_step_;  // came of on_login(), on_secret()
    std::uint32_t failed_logins_ = 0;
};

}  // namespace posthorn::imap
