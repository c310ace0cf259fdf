// Dialogues with the POP3 machine, whole, in single octets, and cut at every step.
#include "proto/pop3/server_session.hpp"

#include <doctest/doctest.h>

#include "base/base64.hpp"
#include "tests/support/pop3_play.hpp"

using namespace posthorn;
using namespace posthorn::pop3;
using tests::Pop3Play;

namespace {

const std::string kLogin = "USER ann@example.org\r\nPASS secret\r\n";
const std::string kHello = "+OK mx POP3 server ready\r\n";
const std::string kIn = kHello + "+OK Now the password\r\n+OK 2 messages (46 octets)\r\n";

ServerOptions options() {
    ServerOptions out;
    out.hostname = "mx";
    out.clear_login = true;
    out.mechanisms = {sasl::Mechanism::scram_sha_256, sasl::Mechanism::plain, sasl::Mechanism::login};
    return out;
}

std::string talk(std::string_view input, Pop3Play play = {}, ServerOptions with = options()) {
    ServerSession machine(std::move(with));
    play.run(machine, input);
    return play.output;
}

// What is said after the login.
std::string mail(std::string_view input, Pop3Play play = {}) {
    const auto out = talk(kLogin + std::string(input), std::move(play));
    REQUIRE(out.starts_with(kIn));
    return out.substr(kIn.size());
}

std::string plain(std::string_view user, std::string_view password) {
    return base::base64_encode(std::string(1, '\0') + std::string(user) + '\0' + std::string(password));
}

}  // namespace

TEST_CASE("a session as RFC 1939 §10 has it") {
    Pop3Play play;
    ServerSession machine(options());
    play.run(machine, kLogin + "STAT\r\nLIST\r\nRETR 1\r\nDELE 1\r\nRETR 2\r\nDELE 2\r\nQUIT\r\n");
    CHECK(play.output == kIn +
                             "+OK 2 46\r\n"
                             "+OK 2 messages\r\n1 19\r\n2 27\r\n.\r\n"
                             "+OK 19 octets\r\nSubject: 1\r\n\r\none\r\n.\r\n"
                             "+OK Marked\r\n"
                             "+OK 27 octets\r\nSubject: 2\r\n\r\n..two\r\n...\r\nthree\r\n.\r\n"
                             "+OK Marked\r\n"
                             "+OK mx closes, goodbye\r\n");
    CHECK(play.removed == std::vector<std::uint32_t>{11, 12});
    CHECK(play.closed);
    CHECK(machine.ending() == "quit");
    CHECK(machine.retrieved() == 2);
    CHECK(machine.octets() == 46);
}

TEST_CASE("the same, octet by octet") {
    const std::string script =
        kLogin + "CAPA\r\nSTAT\r\nUIDL\r\nTOP 2 1\r\nRETR 2\r\nDELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n";
    const auto whole = talk(script);
    for (const std::size_t octets : {1UL, 3UL, 100UL}) {
        Pop3Play play;
        play.octets = octets;
        play.piece = octets;
        CHECK(talk(script, play) == whole);
    }
}

TEST_CASE("a session cut at every step removes nothing, but at QUIT") {
    const std::string script = kLogin + "LIST\r\nRETR 1\r\nDELE 1\r\nDELE 2\r\nRSET\r\nDELE 2\r\nQUIT\r\n";
    for (const auto cut : {Pop3Play::Cut::eof, Pop3Play::Cut::timed_out, Pop3Play::Cut::broken}) {
        bool finished = false;
        for (std::size_t at = 0; !finished; ++at) {
            Pop3Play play;
            play.cut = cut;
            play.cut_at = at;
            play.octets = 7;
            ServerSession machine(options());
            play.run(machine, script);
            CHECK(play.closed);
            finished = machine.ending() == "quit";
            if (finished)
                CHECK(play.removed == std::vector<std::uint32_t>{12});
            else if (!play.removed.empty())
                CHECK(play.removed == std::vector<std::uint32_t>{12});  // only the goodbye was lost
        }
    }
}

TEST_CASE("numbers") {
    CHECK(mail("RETR 0\r\nRETR 3\r\nRETR x\r\nRETR\r\nRETR 1 2\r\nLIST 9\r\nTOP 1\r\nTOP 1 -1\r\nTOP x 1\r\n"
               "DELE 99999999999\r\n") ==
          "-ERR No such message\r\n-ERR No such message\r\n-ERR A message has a number\r\n"
          "-ERR A message has a number\r\n-ERR A message has a number\r\n-ERR No such message\r\n"
          "-ERR Syntax: TOP message lines\r\n-ERR Syntax: TOP message lines\r\n-ERR A message has a number\r\n"
          "-ERR A message has a number\r\n");
    CHECK(mail("LIST 2\r\nUIDL 1\r\nTOP 1 0\r\nTOP 2 1\r\n") ==
          "+OK 2 27\r\n+OK 1 7-11\r\n+OK\r\nSubject: 1\r\n\r\n.\r\n+OK\r\nSubject: 2\r\n\r\n..two\r\n.\r\n");
}

TEST_CASE("marked messages are not there; RSET brings them back") {
    CHECK(mail("DELE 1\r\nDELE 1\r\nRETR 1\r\nSTAT\r\nLIST\r\nUIDL\r\nRSET\r\nSTAT\r\nQUIT\r\n") ==
          "+OK Marked\r\n-ERR No such message\r\n-ERR No such message\r\n+OK 1 27\r\n"
          "+OK 1 messages\r\n2 27\r\n.\r\n+OK 1 messages\r\n2 7-12\r\n.\r\n"
          "+OK 2 messages (46 octets)\r\n+OK 2 46\r\n+OK mx closes, goodbye\r\n");
}

TEST_CASE("what cannot be done is said") {
    Pop3Play gone;
    gone.message_fails = true;
    CHECK(mail("RETR 1\r\nSTAT\r\n", gone) == "-ERR This message is gone\r\n+OK 2 46\r\n");
    Pop3Play stuck;
    stuck.update_fails = true;
    CHECK(mail("DELE 1\r\nQUIT\r\n", stuck) ==
          "+OK Marked\r\n-ERR [SYS/TEMP] Some marked messages were not removed\r\n");
    CHECK(mail("USER x\r\nSTLS\r\nFOO\r\n") ==
          "-ERR You are logged in already\r\n-ERR You are logged in already\r\n-ERR Unknown command\r\n");
    CHECK(talk("STAT\r\nAPOP a b\r\nPASS x\r\nUSER\r\nquit\r\n") ==
          kHello +
              "-ERR Log in first\r\n-ERR APOP is not offered here\r\n-ERR Say USER first\r\n"
              "-ERR Syntax: USER name\r\n+OK mx closes, goodbye\r\n");
}

TEST_CASE("logins that fail") {
    const auto with = [](LoginVerdict verdict) {
        Pop3Play play;
        play.verdict = verdict;
        return talk(kLogin + "NOOP\r\n", play).substr(kHello.size());
    };
    CHECK(with(LoginVerdict::wrong) == "+OK Now the password\r\n-ERR [AUTH] Wrong user or password\r\n+OK\r\n");
    CHECK(with(LoginVerdict::disabled).find("-ERR [AUTH] This account may not log in\r\n") != std::string::npos);
    CHECK(with(LoginVerdict::throttled).find("-ERR [SYS/TEMP] Too many") != std::string::npos);
    CHECK(with(LoginVerdict::unavailable).find("-ERR [SYS/TEMP] Cannot") != std::string::npos);
    Pop3Play busy;
    busy.open_failure = OpenFailure::in_use;
    CHECK(talk(kLogin + "STAT\r\n", busy).find("-ERR [IN-USE]") != std::string::npos);
    busy.open_failure = OpenFailure::login_delay;
    CHECK(talk(kLogin, busy).find("-ERR [LOGIN-DELAY]") != std::string::npos);

    Pop3Play play;
    ServerSession machine(options());
    std::string tries;
    for (int i = 0; i < 10; ++i) tries += "USER ann@example.org\r\nPASS wrong\r\n";
    play.run(machine, tries);
    CHECK(play.closed);
    CHECK(machine.ending() == "too many logins");
    CHECK(play.output.find(" 2 messages") == std::string::npos);
}

TEST_CASE("a password is all behind PASS") {
    Pop3Play play;
    play.password = " two words ";
    CHECK(talk("USER ann@example.org\r\nPASS  two words \r\n", play) == kIn);
}

TEST_CASE("SASL") {
    const auto right = plain("ann@example.org", "secret");
    CHECK(talk("AUTH PLAIN " + right + "\r\n") == kHello + "+OK 2 messages (46 octets)\r\n");
    CHECK(talk("auth plain\r\n" + right + "\r\nSTAT\r\n") ==
          kHello + "+ \r\n+OK 2 messages (46 octets)\r\n+OK 2 46\r\n");
    CHECK(talk("AUTH LOGIN\r\n" + base::base64_encode("ann@example.org") + "\r\n" + base::base64_encode("secret") +
               "\r\n")
              .ends_with("+OK 2 messages (46 octets)\r\n"));
    CHECK(talk("AUTH PLAIN " + plain("ann@example.org", "no") + "\r\n") ==
          kHello + "-ERR [AUTH] Wrong user or password\r\n");
    CHECK(talk("AUTH PLAIN\r\n*\r\nNOOP\r\n") == kHello + "+ \r\n-ERR Cancelled\r\n+OK\r\n");
    CHECK(talk("AUTH PLAIN\r\n%%%\r\nNOOP\r\n") == kHello + "+ \r\n-ERR Not Base64\r\n+OK\r\n");
    CHECK(talk("AUTH PLAIN =\r\n").starts_with(kHello + "-ERR "));
    CHECK(talk("AUTH NONE\r\nAUTH EXTERNAL =\r\n") ==
          kHello + "-ERR No such mechanism here\r\n-ERR No such mechanism here\r\n");
    CHECK(talk("AUTH\r\n") == kHello + "+OK\r\nSCRAM-SHA-256\r\nPLAIN\r\nLOGIN\r\n.\r\n");
    // A SCRAM exchange whose proof is wrong.
    const auto first = base::base64_encode("n,,n=ann@example.org,r=abcdef");
    const auto scram =
        talk("AUTH SCRAM-SHA-256 " + first + "\r\n" + base::base64_encode("c=biws,r=no,p=x") + "\r\n");
    CHECK(scram.starts_with(kHello + "+ "));
    CHECK(scram.find("\r\n-ERR ") != std::string::npos);
}

TEST_CASE("passwords need TLS") {
    auto with = options();
    with.clear_login = false;
    with.starttls = true;
    const auto out =
        talk("CAPA\r\nUSER ann@example.org\r\nPASS secret\r\nAUTH PLAIN x\r\nSTLS\r\nignored\r\n", {}, with);
    CHECK(out.find("\r\nUSER\r\n") == std::string::npos);
    CHECK(out.find("SASL SCRAM-SHA-256\r\n") != std::string::npos);
    CHECK(out.find("STLS\r\n") != std::string::npos);
    CHECK(out.find(
              "-ERR [AUTH] Start TLS first\r\n-ERR PASS is not offered here\r\n-ERR [AUTH] Start TLS first\r\n") !=
          std::string::npos);
    // What was pipelined behind STLS in the clear is thrown away.
    CHECK(out.ends_with("+OK Begin TLS\r\n<TLS>"));

    Pop3Play play;
    play.octets = 6;  // "STLS\r\n"
    const auto tls = talk("STLS\r\nCAPA\r\nSTLS\r\n" + kLogin, play, with);
    CHECK(tls.starts_with(kHello + "+OK Begin TLS\r\n<TLS>+OK\r\nTOP\r\n"));
    CHECK(tls.find("\r\nUSER\r\nSASL SCRAM-SHA-256 PLAIN LOGIN\r\n") != std::string::npos);
    CHECK(tls.find("\r\nSTLS\r\n") == std::string::npos);
    CHECK(tls.find("-ERR TLS is on already\r\n") != std::string::npos);
    CHECK(tls.ends_with("+OK 2 messages (46 octets)\r\n"));

    with.implicit_tls = true;
    CHECK(talk("NOOP\r\n", {}, with) == "<TLS>" + kHello + "+OK\r\n");
}

TEST_CASE("capabilities") {
    auto with = options();
    with.login_delay = 60;
    with.expire = "30";
    CHECK(talk("CAPA\r\n", {}, with) ==
          kHello +
              "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUTF8\r\nUSER\r\n"
              "SASL SCRAM-SHA-256 PLAIN LOGIN\r\nEXPIRE 30\r\nLOGIN-DELAY 60\r\nIMPLEMENTATION Posthorn\r\n.\r\n");
    CHECK(talk("UTF8\r\n") == kHello + "+OK UTF-8 it is\r\n");
}

TEST_CASE("lines too long, errors too many") {
    const std::string line(5000, 'x');
    CHECK(mail("NOOP " + line + "\r\nSTAT\r\n") == "-ERR Line too long\r\n+OK 2 46\r\n");
    Pop3Play slow;
    slow.octets = 100;
    CHECK(mail("NOOP " + std::string(1'000'000, 'x') + "\r\nSTAT\r\n", slow) ==
          "-ERR Line too long\r\n+OK 2 46\r\n");
    CHECK(talk("AUTH PLAIN\r\n" + std::string(20'000, 'A') + "\r\nNOOP\r\n") ==
          kHello + "+ \r\n-ERR Line too long\r\n+OK\r\n");
    Pop3Play play;
    ServerSession machine(options());
    std::string noise;
    for (int i = 0; i < 100; ++i) noise += "FOO\r\n";
    play.run(machine, noise);
    CHECK(play.closed);
    CHECK(machine.ending() == "too many errors");
}

TEST_CASE("long lists and messages leave in bounded pieces") {
    Pop3Play play;
    play.messages.assign(100'000, "A: b\r\n\r\n");
    ServerSession machine(options());
    play.run(machine, kLogin + "LIST\r\nUIDL\r\nSTAT\r\n");
    CHECK(play.output.ends_with("\n100000 7-100010\r\n.\r\n+OK 100000 800000\r\n"));
    CHECK(play.largest_write < 2 * ServerSession::kMaxOutput);

    Pop3Play large;
    large.messages = {std::string(3'000'000, '.')};
    large.piece = ServerSession::kPiece;
    ServerSession other(options());
    large.run(other, kLogin + "RETR 1\r\n");
    CHECK(large.largest_write <= 2 * ServerSession::kPiece + ServerSession::kMaxOutput);
}

TEST_CASE("the server goes down") {
    ServerSession machine(options());
    machine.shut_down();
    Pop3Play play;
    play.run(machine, "");
    CHECK(play.output == kHello + "-ERR [SYS/TEMP] The server goes down\r\n");
    CHECK(play.closed);

    ServerSession waiting(options());
    CHECK(waiting.next().kind == ServerAction::Kind::write);
    waiting.on_written();
    CHECK(waiting.next().kind == ServerAction::Kind::read);
    CHECK(waiting.idle());
    CHECK(waiting.interrupt(ServerSession::Interruption::timeout).empty());
    CHECK(waiting.next().kind == ServerAction::Kind::close);
    CHECK(waiting.ending() == "timed out");
}
