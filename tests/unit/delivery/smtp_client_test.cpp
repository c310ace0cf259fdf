#include "delivery/smtp_client.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "net/sim_loop.hpp"
#include "tests/support/fake_connector.hpp"

using namespace posthorn;
using namespace posthorn::delivery;
using namespace posthorn::testing;
using namespace std::chrono_literals;
using Kind = mail::Outcome::Kind;
using smtp::FailureScope;

namespace {

class TextBody final : public spool::Body {
public:
    TextBody(std::string text, bool in_memory) : text_(std::move(text)), in_memory_(in_memory) {}
    std::uint64_t size() const override { return text_.size() + lie; }
    std::optional<std::string_view> memory() const override {
        return in_memory_ ? std::optional<std::string_view>(text_) : std::nullopt;
    }
    base::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
        if (fail) return base::fail(base::ErrorKind::temporary, "read: Input/output error", "4.3.0");
        if (offset >= text_.size()) return 0;
        return text_.copy(into.data(), std::min<std::size_t>(into.size(), 1000), offset);  // short reads
    }
    std::size_t lie = 0;
    bool fail = false;

private:
    std::string text_;
    bool in_memory_;
};

// What one connection to the peer sees and says: waits until `client` has come, octet by octet, then says `server`.
// There "<tls>" is the hand-shake, "<close>" a close, "<stall>" silence for ever.
struct Turn {
    std::string client;
    std::string server;
};
using Script = std::vector<Turn>;

struct Events final : mail::EventSink {
    void record(const mail::Event& event) override { events.push_back(event); }
    std::vector<mail::Event> events;
};

struct Peer {
    std::deque<Script> scripts;  // one for each connection
    std::string fail_tls;
    std::size_t read_at_most = SIZE_MAX;  // of what it says, by the client
    std::vector<std::string> trouble;
    int turns = 0;
};

net::Task<> serve(std::shared_ptr<MemoryStream> stream, Script script, Peer* peer) {
    std::string got;
    std::vector<char> buffer(4096);
    for (const auto& turn : script) {
        while (got.size() < turn.client.size()) {
            const auto until = stream->loop().now() + 1000h;
            const net::IoResult read = co_await stream->read_some(std::span<char>(buffer), until);
            if (!read.ok()) co_return;
            got.append(buffer.data(), read.size);
        }
        if (!got.starts_with(turn.client)) peer->trouble.push_back("wanted: " + turn.client + "\ngot: " + got);
        got.erase(0, turn.client.size());
        ++peer->turns;
        const auto until = stream->loop().now() + 1000h;
        if (turn.server == "<close>") {
            stream->close();
            co_return;
        }
        if (turn.server == "<stall>") {
            co_await stream->read_some(std::span<char>(buffer), until);
            co_return;
        }
        if (turn.server == "<tls>") {
            net::IoResult said = co_await stream->write(std::string_view("220 go\r\n"), until);
            std::shared_ptr<const net::TlsServerContext> none;
            auto secured = co_await stream->start_tls(std::move(none), until);
            if (!said.ok() || !secured) co_return;
            continue;
        }
        const net::IoResult said = co_await stream->write(std::string_view(turn.server), until);
        if (!said.ok()) co_return;
    }
    const auto until = stream->loop().now() + 1000h;
    co_await stream->read_some(std::span<char>(buffer), until);
}

struct World {
    World() {
        context.connector = &connector;
        context.disk = disk.get();
        context.events = &events;
        context.hostname = "us.example";
        context.timeouts.connect = 1s;
        context.timeouts.ehlo = 2s;
        context.timeouts.starttls = 3s;
        context.timeouts.mail_from = 4s;
        context.timeouts.rcpt_to = 5s;
        context.timeouts.data = 6s;
        context.timeouts.data_end = 7s;
        context.timeouts.quit = 8s;
        target.endpoint = net::Endpoint{*net::IpAddress::parse("192.0.2.1"), 25, {}};
        target.host = "mx.them.example";
        target.domain = "them.example";
        target.tls = smtp::TlsPolicy::none;
        envelope.reverse_path = {"from", "us.example"};
        envelope.recipients = {{{"a", "them.example"}, 0, ""}, {{"b", "them.example"}, 0, ""}};
        envelope.trace_headers = "Received: by us\r\n";
    }

    void expect(Script script) {
        peer.scripts.push_back(std::move(script));
        connector.listen(target.endpoint, [this](net::Loop& at, std::unique_ptr<MemoryStream> stream) {
            REQUIRE_FALSE(peer.scripts.empty());
            std::shared_ptr<MemoryStream> shared = std::move(stream);
            shared->faults_of_other_end().read_at_most = peer.read_at_most;
            if (!peer.fail_tls.empty()) shared->faults().fail_tls = peer.fail_tls;
            net::spawn(at, "peer", serve(shared, std::move(peer.scripts.front()), &peer));
            peer.scripts.pop_front();
        });
    }

    OpenResult open() {
        OpenResult result;
        CHECK(sim.run(do_open(this, &result)));
        return result;
    }
    static net::Task<> do_open(World* world, OpenResult* result) {
        auto context = world->context;
        auto target = world->target;
        *result = co_await Connection::open(world->sim.at(0), std::move(context), std::move(target));
    }

    TransactionResult send(Connection& connection, std::vector<std::uint32_t> recipients = {0},
                           std::shared_ptr<const spool::Body> with = nullptr) {
        TransactionResult result;
        if (!with) with = body;
        CHECK(sim.run(do_send(this, &connection, std::move(recipients), std::move(with), &result)));
        return result;
    }
    static net::Task<> do_send(World* world, Connection* connection, std::vector<std::uint32_t> recipients,
                               std::shared_ptr<const spool::Body> body, TransactionResult* result) {
        SendRequest request;
        request.envelope = std::make_shared<mail::Envelope>(world->envelope);
        request.recipients = std::move(recipients);
        request.body = std::move(body);
        request.gate = world->gate;
        *result = co_await connection->send(std::move(request));
    }

    void close(Connection& connection) { CHECK(sim.run(connection.close())); }

    void check_peer() {
        for (const auto& trouble : peer.trouble) FAIL_CHECK(trouble);
        CHECK(peer.scripts.empty());
    }

    net::SimLoops sim;
    Gate* gate = nullptr;
    std::unique_ptr<net::Pool> disk = sim.make_pool("disk", 100);
    FakeConnector connector;
    Events events;
    Peer peer;
    SmtpClientContext context;
    SmtpTarget target;
    mail::Envelope envelope;
    std::shared_ptr<TextBody> body = std::make_shared<TextBody>("A: b\r\n\r\n.hello\r\n", true);
};

const Turn kGreeting{"", "220 mx\r\n"};
const Turn kHello{"EHLO us.example\r\n", "250-mx\r\n250 PIPELINING\r\n"};
const Turn kFlight{"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nDATA\r\n",
                   "250 ok\r\n250 ok\r\n354 go\r\n"};
const Turn kMessage{"Received: by us\r\nA: b\r\n\r\n..hello\r\n.\r\n", "250 2.6.0 taken\r\n"};
const Turn kQuit{"QUIT\r\n", "221 bye\r\n"};

}  // namespace

TEST_CASE("connection: messages one after the other, then QUIT") {
    World w;
    w.expect({kGreeting, kHello, kFlight, kMessage, kFlight, kMessage, kQuit});
    auto opened = w.open();
    REQUIRE(opened.connection);
    for (int i = 0; i < 2; ++i) {
        CHECK(opened.connection->reusable());
        const auto sent = w.send(*opened.connection);
        REQUIRE(sent.recipients.size() == 1);
        const auto& outcome = sent.recipients[0].outcome;
        CHECK(sent.recipients[0].scope == FailureScope::none);
        CHECK(outcome.kind == Kind::delivered);
        CHECK(outcome.status == "2.6.0");
        CHECK(outcome.remote_host == "mx.them.example");
        CHECK(outcome.remote_ip == "192.0.2.1");
        CHECK(outcome.tls.empty());
        CHECK(outcome.at == w.sim.clock().wall());
        CHECK(sent.transactions == 1);
        CHECK(sent.bytes == 33);
        CHECK(std::ranges::count(sent.dialogue, "S: 250 2.6.0 taken") == 1);
    }
    CHECK(opened.connection->messages() == 2);
    w.close(*opened.connection);
    CHECK(w.peer.turns == 7);
    w.check_peer();
}

TEST_CASE("connection: refused, or no answer") {
    World w;
    w.connector.refuse(w.target.endpoint);
    const auto refused = w.open();
    CHECK_FALSE(refused.connection);
    CHECK(refused.failure.kind == Kind::temporary);
    CHECK(refused.failure.status == "4.4.1");
    CHECK(refused.failure.text.find("refused") != std::string::npos);
    CHECK(refused.failure.remote_host == "mx.them.example");
    w.connector.stall(w.target.endpoint);
    const auto stalled = w.open();
    CHECK_FALSE(stalled.connection);
    CHECK(stalled.elapsed == 1s);
}

TEST_CASE("connection: each step has its time-out") {
    const Script whole = {kGreeting,
                          kHello,
                          {"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"},
                          {"RCPT TO:<a@them.example>\r\n", "250 ok\r\n"},
                          {"DATA\r\n", "354 go\r\n"},
                          kMessage};
    const base::Duration expected[] = {1s, 2s, 4s, 5s, 6s, 7s};
    for (std::size_t at = 0; at < whole.size(); ++at) {
        CAPTURE(at);
        World w;
        Script script(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        if (script.size() > 1) script[1].server = "250 mx\r\n";
        script.back().server = "<stall>";
        w.expect(script);
        const auto opened = w.open();
        if (at < 2) {
            CHECK_FALSE(opened.connection);
            CHECK(opened.failure.status == "4.4.2");
            CHECK(opened.elapsed == expected[at]);
            continue;
        }
        REQUIRE(opened.connection);
        const auto sent = w.send(*opened.connection);
        CHECK(sent.elapsed == expected[at]);
        CHECK(sent.recipients[0].outcome.kind == Kind::temporary);
        CHECK(sent.recipients[0].outcome.status == "4.4.2");
        CHECK(sent.recipients[0].scope == (at == 5 ? FailureScope::message : FailureScope::session));
        CHECK_FALSE(opened.connection->reusable());
        w.check_peer();
    }
}

TEST_CASE("connection: QUIT unanswered harms nothing") {
    World w;
    w.expect({kGreeting, kHello, kFlight, kMessage, {"QUIT\r\n", "<stall>"}});
    auto opened = w.open();
    REQUIRE(opened.connection);
    CHECK(w.send(*opened.connection).recipients[0].scope == FailureScope::none);
    const auto before = w.sim.clock().steady();
    w.close(*opened.connection);
    CHECK(w.sim.clock().steady() - before == 8s);
}

TEST_CASE("connection: STARTTLS, and plaintext where the policy allows it") {
    const Turn offer{"EHLO us.example\r\n", "250-mx\r\n250 STARTTLS\r\n"};
    const Turn start{"STARTTLS\r\n", "<tls>"};
    SUBCASE("works") {
        World w;
        w.target.tls = smtp::TlsPolicy::may;
        w.expect({kGreeting, offer, start, kHello, kFlight, kMessage});
        auto opened = w.open();
        REQUIRE(opened.connection);
        CHECK_FALSE(opened.connection->tls().empty());
        CHECK(w.send(*opened.connection).recipients[0].outcome.tls == opened.connection->tls());
        CHECK(w.events.events.empty());
        w.check_peer();
    }
    SUBCASE("fails under `may`: once more without") {
        World w;
        w.target.tls = smtp::TlsPolicy::may;
        w.peer.fail_tls = "no shared cipher";
        w.expect({kGreeting, offer, start});
        w.expect({kGreeting, offer, kFlight, kMessage});
        w.peer.scripts.back()[2] = {"MAIL FROM:<from@us.example>\r\n", "250 ok\r\n"};
        w.peer.scripts.back()[3] = {"RCPT TO:<a@them.example>\r\n", "550 no\r\n"};
        auto opened = w.open();
        REQUIRE(opened.connection);
        CHECK(opened.connection->tls().empty());
        REQUIRE(w.events.events.size() == 1);
        CHECK(w.events.events[0].kind == mail::EventKind::security);
        CHECK(w.events.events[0].domain == "them.example");
        CHECK(w.send(*opened.connection).recipients[0].outcome.code == 550);
        w.check_peer();
    }
    SUBCASE("fails under `require`: that is all") {
        World w;
        w.target.tls = smtp::TlsPolicy::require;
        w.peer.fail_tls = "no shared cipher";
        w.expect({kGreeting, offer, start});
        const auto opened = w.open();
        CHECK_FALSE(opened.connection);
        CHECK(opened.failure.status == "4.7.5");
        CHECK(w.events.events.empty());
        w.check_peer();
    }
    SUBCASE("accept_invalid_certs is told of") {
        World w;
        w.target.tls = smtp::TlsPolicy::verify;
        w.target.accept_invalid_certs = true;
        w.expect({kGreeting, offer, start, kHello});
        CHECK(w.open().connection);
        REQUIRE(w.events.events.size() == 1);
        CHECK(w.events.events[0].text.starts_with("SECURITY WARNING"));
    }
}

TEST_CASE("connection: a body from the disk arrives as it is") {
    World w;
    w.envelope.trace_headers.clear();
    std::string text = "A: b\r\n\r\n";
    std::string wire = text;
    for (int i = 0; i < 9000; ++i) {
        const auto line =
            std::string(i % 7 == 0 ? "." : "") + std::string(static_cast<std::size_t>(i % 60), 'x') + "\r\n";
        text += line;
        wire += (line.front() == '.' ? "." : "") + line;
    }
    w.expect({kGreeting, kHello, kFlight, {wire + ".\r\n", "250 ok\r\n"}});
    auto opened = w.open();
    REQUIRE(opened.connection);
    const auto sent = w.send(*opened.connection, {0}, std::make_shared<TextBody>(text, false));
    CHECK(sent.recipients[0].scope == FailureScope::none);
    CHECK(sent.bytes == text.size());
    w.check_peer();
}

TEST_CASE("connection: a body that cannot be read is never ended") {
    for (const bool lies : {true, false}) {
        for (const bool in_memory : {true, false}) {
            if (!lies && in_memory) continue;
            World w;
            w.expect({kGreeting, kHello, kFlight});
            auto opened = w.open();
            REQUIRE(opened.connection);
            auto body = std::make_shared<TextBody>("A: b\r\n\r\n", in_memory);
            body->lie = lies ? 1 : 0;
            body->fail = !lies;
            const auto sent = w.send(*opened.connection, {0}, body);
            CHECK(sent.recipients[0].outcome.status == "4.3.0");
            CHECK(sent.recipients[0].scope == FailureScope::message);
            CHECK_FALSE(opened.connection->reusable());
        }
    }
}

TEST_CASE("connection: a message whose gate stays shut is sent but for its end") {
    World w;
    Gate gate(w.sim.at(0));
    const Ticket ticket = gate.shut();
    w.gate = &gate;
    w.expect({kGreeting, kHello, kFlight, {std::string(1, '.'), "250 never\r\n"}});
    auto opened = w.open();
    REQUIRE(opened.connection);
    const auto sent = w.send(*opened.connection);
    CHECK(sent.withheld);
    CHECK(sent.transactions == 1);
    CHECK_FALSE(sent.recipients[0].taken());
    CHECK_FALSE(opened.connection->reusable());
    CHECK(w.peer.turns == 3);
    w.check_peer();
}

TEST_CASE("connection: one recipient too many is left for the next transaction") {
    World w;
    w.expect(
        {kGreeting,
         kHello,
         {"MAIL FROM:<from@us.example>\r\nRCPT TO:<a@them.example>\r\nRCPT TO:<b@them.example>\r\nDATA\r\n",
          "250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n354 go\r\n"},
         kMessage,
         {"MAIL FROM:<from@us.example>\r\nRCPT TO:<b@them.example>\r\nDATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"},
         kMessage});
    auto opened = w.open();
    REQUIRE(opened.connection);
    const auto sent = w.send(*opened.connection, {0, 1});
    CHECK(sent.transactions == 1);
    CHECK(sent.recipients[0].taken());
    CHECK_FALSE(sent.recipients[0].one_too_many);
    CHECK(sent.recipients[1].one_too_many);
    CHECK(w.send(*opened.connection, {1}).recipients[0].taken());
    w.check_peer();
}

TEST_CASE("connection: LIMITS split recipients, and MAILMAX leaves the rest for another connection") {
    World w;
    w.expect({kGreeting,
              {"EHLO us.example\r\n", "250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1 MAILMAX=1\r\n"},
              kFlight,
              kMessage,
              kQuit});
    auto opened = w.open();
    REQUIRE(opened.connection);
    const auto sent = w.send(*opened.connection, {0, 1});
    CHECK(sent.recipients[0].scope == FailureScope::none);
    CHECK(sent.recipients[1].scope == FailureScope::session);
    CHECK(sent.recipients[1].one_too_many);
    CHECK(sent.recipients[1].outcome.kind == Kind::temporary);
    CHECK_FALSE(opened.connection->reusable());
    w.close(*opened.connection);
    w.check_peer();
}

TEST_CASE("connection: one domain a transaction where the server says so") {
    World w;
    w.envelope.recipients[1].address.domain = "other.example";
    w.expect(
        {kGreeting,
         {"EHLO us.example\r\n", "250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1\r\n"},
         kFlight,
         kMessage,
         {"MAIL FROM:<from@us.example>\r\nRCPT TO:<b@other.example>\r\nDATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"},
         kMessage});
    auto opened = w.open();
    REQUIRE(opened.connection);
    const auto sent = w.send(*opened.connection, {0, 1});
    CHECK(sent.transactions == 1);
    CHECK(sent.recipients[1].one_too_many);
    CHECK(w.send(*opened.connection, {1}).recipients[0].taken());
    w.check_peer();
}

TEST_CASE("connection: what a server says in the middle of the message is heard") {
    World w;
    Turn early = kFlight;
    early.server += "552 5.3.4 too much\r\n";
    w.expect({kGreeting, kHello, early});
    auto opened = w.open();
    REQUIRE(opened.connection);
    const auto sent = w.send(*opened.connection);
    CHECK(sent.recipients[0].outcome.status == "5.3.4");
    CHECK(sent.recipients[0].outcome.kind == Kind::permanent);
}

TEST_CASE("connection: a reply that comes before the end of the message is none to it") {
    struct Case {
        const char* said;
        const char* status;
        FailureScope scope;
    };
    for (const auto& c : {Case{"250 got it\r\n", "4.5.0", FailureScope::session},
                          Case{"554 5.7.1 spam\r\n", "5.7.1", FailureScope::message},
                          Case{"421 4.3.2 down\r\n", "4.3.2", FailureScope::session}}) {
        World w;
        w.envelope.trace_headers.clear();
        const std::string text(400'000, 'x');
        w.expect({kGreeting,
                  kHello,
                  kFlight,
                  {text.substr(0, 100'000), c.said},
                  {text.substr(100'000) + "\r\n.\r\n", "250 ok\r\n"}});
        auto opened = w.open();
        REQUIRE(opened.connection);
        const auto sent = w.send(*opened.connection, {0}, std::make_shared<TextBody>(text, true));
        CHECK(sent.recipients[0].outcome.status == c.status);
        CHECK(sent.recipients[0].scope == c.scope);
        CHECK(sent.bytes < text.size());
        CHECK_FALSE(opened.connection->reusable());
    }
}

TEST_CASE("connection: a server that left or spoke while idle is not used again") {
    for (const char* said : {"421 idle\r\n", "<close>"}) {
        World w;
        w.expect({kGreeting, kHello, kFlight, kMessage, {"", said}});
        auto opened = w.open();
        REQUIRE(opened.connection);
        CHECK(w.send(*opened.connection).recipients[0].scope == FailureScope::none);
        w.sim.run_until_idle();
        CHECK_FALSE(opened.connection->reusable());
        w.close(*opened.connection);
    }
}

TEST_CASE("connection: a server that says more than it was asked is told no message") {
    World w;
    w.expect({kGreeting, {kHello.client, kHello.server + "250 and more\r\n"}, kFlight});
    SUBCASE("at once") {}
    SUBCASE("what is too much is still to be read") { w.peer.read_at_most = 1; }
    auto opened = w.open();
    REQUIRE(opened.connection);
    const auto sent = w.send(*opened.connection);
    CHECK(sent.transactions == 0);
    CHECK(sent.recipients[0].outcome.status == "4.4.2");
    CHECK(sent.recipients[0].scope == FailureScope::session);
    w.sim.run_until_idle();
    CHECK(w.peer.turns == 2);
}

TEST_CASE("connection: SMTPUTF8 is done without where nothing needs it") {
    World w;
    w.envelope.smtputf8 = true;
    w.expect({kGreeting, kHello, kFlight, kMessage});
    auto opened = w.open();
    REQUIRE(opened.connection);
    CHECK(w.send(*opened.connection).recipients[0].scope == FailureScope::none);
    const auto refused =
        w.send(*opened.connection, {0}, std::make_shared<TextBody>("A: \xc3\xa9\r\n\r\nx\r\n", false));
    CHECK(refused.recipients[0].outcome.status == "5.6.7");
    CHECK(opened.connection->reusable());
    w.check_peer();
}

TEST_CASE("connection: aborted under way") {
    World w;
    Turn stalled = kFlight;
    stalled.server = "<stall>";
    w.expect({kGreeting, kHello, stalled});
    auto opened = w.open();
    REQUIRE(opened.connection);
    w.sim.at(0).call_after(100ms, [&] { opened.connection->abort(); });
    const auto sent = w.send(*opened.connection);
    CHECK(sent.elapsed == 100ms);
    CHECK(sent.recipients[0].outcome.kind == Kind::temporary);
    CHECK(sent.recipients[0].scope == FailureScope::session);
}
