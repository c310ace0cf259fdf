// The server's side of a POP3 session as a machine without I/O: RFC 1939, with CAPA and response codes (RFC 2449,
// RFC 3206), STLS (RFC 2595), AUTH (RFC 5034) and UTF8 (RFC 6856). No APOP: it needs passwords that can be read.
//
// The driver asks next() for an action, performs it, and tells what came of it with exactly one on_*() call; then it
// asks again. The machine never calls out, has no clock and no threads; one session, one thread.
//
//   read        read into input_space(); on_bytes(n), on_eof()
//   write       send action.bytes (valid until told); on_written()
//   start_tls   handshake as server; on_tls() or on_broken()
//   login       look up what need() asks for; on_login(), or on_secret() where it asks for a secret
//   open        lock the maildrop of who has logged in and look into it; on_opened(), on_open_failed()
//   message     make the message action.uid ready to be read; on_message(), on_message_failed()
//   piece       read the next octets of it; on_piece(), empty at its end, or on_broken(): what was begun cannot be taken
//               back
//   update      remove marked() for good; on_updated() when that is durable. Nothing cancels it
//   close       the end
// At any wait: on_eof(), on_timeout(), on_broken(). Messages are removed by update alone (RFC 1939 §6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/pop3/command.hpp"
#include "proto/pop3/maildrop.hpp"
#include "proto/pop3/transparency.hpp"
#include "proto/sasl/exchange.hpp"

namespace posthorn::pop3 {

enum class ServerTimeout : std::uint8_t { login, idle, write };

struct ServerOptions {
    std::string hostname;
    std::string implementation = "Posthorn";  // empty: not told
    bool starttls = false;                    // STLS can be offered
    bool implicit_tls = false;                // TLS before the greeting
    bool clear_login = false;                 // passwords without TLS, too
    bool user_pass = true;                    // USER and PASS, where passwords may be said
    std::vector<sasl::Mechanism> mechanisms;  // those in the clear are offered where passwords may be said
    std::uint32_t login_delay = 0;            // told in CAPA, seconds; 0: not
    std::string expire = "NEVER";             // so too; empty: not
    std::uint32_t max_errors = 20;            // commands that were none, in a session
    std::uint32_t max_logins = 3;             // that failed, in a session
};

struct ServerAction {
    enum class Kind : std::uint8_t { read, write, start_tls, login, open, message, piece, update, close };
    Kind kind = Kind::close;
    ServerTimeout timeout = ServerTimeout::idle;
    // read: false when the wait goes on that an earlier read began: its deadline stands.
    bool fresh = true;
    std::string_view bytes;  // of a write
    std::uint32_t uid = 0;   // of a message
};

using sasl::LoginVerdict;

// Why a maildrop stays shut.
enum class OpenFailure : std::uint8_t { in_use, login_delay, unavailable };

class ServerSession {
public:
    explicit ServerSession(ServerOptions options);

    ServerAction next();

    std::span<char> input_space();  // at least one octet; invalidates views given before
    void on_bytes(std::size_t count);
    void on_written();
    void on_tls(sasl::Channel channel);
    void on_login(LoginVerdict verdict);
    void on_secret(sasl::ScramSecret secret);
    void on_opened(std::uint32_t uid_validity, std::vector<MaildropMessage> messages);
    void on_open_failed(OpenFailure why);
    void on_message();
    void on_message_failed(bool gone);  // gone: another session has removed it
    void on_piece(std::string_view bytes);
    void on_updated(bool done);
    void on_eof();
    void on_timeout();
    void on_broken();

    // The server goes down: the session ends at its next command.
    void shut_down() { stopping_ = true; }
    // Waits for a command, nothing half-read: may be ended at once.
    bool idle() const;
    // While the driver waits in a read: ends the session from outside. Gives what to send before closing; nothing
    // where nothing may be said (RFC 1939 §3: at a time-out). The read is answered by this call.
    enum class Interruption : std::uint8_t { timeout, shutdown };
    std::string interrupt(Interruption why);

    // During login: what to look up, by which mechanism ("USER", "PLAIN" …). NeedPassword, NeedToken, NeedExternal,
    // NeedSecret or NeedVerdict. The driver may move secrets out of it.
    sasl::Step& need() { return need_; }
    std::string_view mechanism() const { return mechanism_; }
    bool tls() const { return offer_.tls.has_value(); }
    bool authenticated() const { return stage_ == Stage::transaction || stage_ == Stage::sending; }
    const Maildrop& maildrop() const { return maildrop_; }
    std::vector<std::uint32_t> marked() const { return maildrop_.marked(); }  // UIDs, rising
    std::uint32_t retrieved() const { return retrieved_; }                    // messages sent whole
    std::uint64_t octets() const { return octets_; }                          // of them
    // How it ended: "quit", "eof", "timed out" …; empty while it goes on.
    std::string_view ending() const { return ending_; }

    static constexpr std::size_t kMaxOutput = 16 * 1024;  // replies wait no longer than this many octets
    static constexpr std::size_t kMaxCommand = 1024;      // octets of a line; RFC 2449 §4 asks for 255
    static constexpr std::size_t kMaxAuth = 12 * 1024;    // of AUTH and what answers it
    static constexpr std::size_t kSmallInput = 1024;
    static constexpr std::size_t kLargeInput = kMaxAuth + 4096;
    static constexpr std::size_t kPiece = 64 * 1024;  // octets of a message the driver may give at once

private:
    enum class Stage : std::uint8_t { tls, greeting, authorization, exchange, transaction, sending, closing };
    enum class Awaiting : std::uint8_t { none, bytes, written, tls, login, open, message, piece, update };
    enum class Listing : std::uint8_t { none, sizes, uids };

    // server_session.cpp: the loop, lines, ends
    std::optional<ServerAction> step();
    std::optional<ServerAction> step_line();
    ServerAction ask(ServerAction action, Awaiting awaiting);
    ServerAction read();
    std::optional<std::string_view> take_line();
    void settle(Awaiting expected);
    void end(std::string_view why);
    void ok(std::string_view text);
    void err(std::string_view text);  // the client's fault: counted
    void no(std::string_view text) { ((out_ += "-ERR ") += text) += "\r\n"; }
    std::string_view unread() const { return {input_.get() + begin_, end_ - begin_}; }
    std::size_t max_line() const { return stage_ == Stage::transaction ? kMaxCommand : kMaxAuth; }

    // server_login.cpp: AUTHORIZATION
    std::optional<ServerAction> obey_authorization(const Command& command);
    std::optional<ServerAction> pass(std::string_view secret);
    std::optional<ServerAction> auth(std::string_view argument);
    std::optional<ServerAction> respond(std::string_view line);
    std::optional<ServerAction> follow(sasl::Step step);
    void user(std::string_view name);
    void stls();
    void list_mechanisms();
    void follow_next(sasl::Step step);
    void login_failed(std::string_view text);
    void capabilities();

    // server_mail.cpp: TRANSACTION
    std::optional<ServerAction> obey_transaction(const Command& command);
    std::optional<ServerAction> fetch(std::string_view argument, bool top);
    void list(std::string_view argument, Listing what);
    void continue_listing();
    void append_listing(std::size_t which, Listing what);
    void dele(std::string_view argument);
    std::optional<std::size_t> number(std::string_view argument);
    std::optional<ServerAction> quit();

    ServerOptions options_;
    sasl::Offer offer_;
    Stage stage_;
    Awaiting awaiting_ = Awaiting::none;

    std::unique_ptr<char[]> input_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t searched_ = 0;  // octets of unread() known to hold no LF
    bool waiting_ = false;      // a wait has begun and nothing whole has come since
    bool overflow_ = false;     // the rest of an overlong line is being skipped

    std::string out_;
    bool flush_ = false;
    std::string_view ending_;
    bool stopping_ = false;
    bool to_tls_ = false;  // STLS was said yes to
    bool utf8_ = false;
    std::uint32_t errors_ = 0;
    std::uint32_t logins_ = 0;

    std::string user_;
    std::string mechanism_;
    sasl::Exchange exchange_;
    sasl::Step need_;
    std::optional<ServerAction> pending_;  // what follows an answer of the driver
    Awaiting pending_awaiting_ = Awaiting::none;

    Maildrop maildrop_;
    Listing listing_ = Listing::none;
    std::size_t listed_ = 0;  // the number that comes next
    Transparency sender_;
    std::uint64_t sending_size_ = 0;
    bool sending_top_ = false;
    std::uint32_t retrieved_ = 0;
    std::uint64_t octets_ = 0;
};

}  // namespace posthorn::pop3
