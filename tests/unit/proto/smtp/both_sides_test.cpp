// Our client's machine against our server's: what one says the other must understand, in whatever pieces it comes.
#include <doctest/doctest.h>

#include <random>

#include "proto/smtp/client_session.hpp"
#include "proto/smtp/server_session.hpp"

using namespace posthorn;
using namespace posthorn::smtp;

namespace {

struct Taken {
    MailArgument mail;
    std::vector<mail::Recipient> recipients;
    std::string body;
};

class Both {
public:
    Both(ServerOptions server, ClientOptions client, unsigned seed)
        : server_(std::move(server), {}), client_(std::move(client)), random_(seed) {}

    // Runs both until the client is ready (true) or closes.
    bool run(std::string_view message) {
        given_ = 0;
        for (int step = 0; step < 1'000'000; ++step) {
            const auto action = client_.next();
            switch (action.type) {
                case ClientAction::Type::write: to_server_ += action.bytes; break;
                case ClientAction::Type::body: give(message, action.max); break;
                case ClientAction::Type::start_tls: client_.on_tls("TLS"); break;
                case ClientAction::Type::read: hear(); break;
                case ClientAction::Type::ready: return true;
                case ClientAction::Type::close: return false;
            }
        }
        FAIL("no end");
        return false;
    }

    ClientSession& client() { return client_; }

    std::vector<Taken> taken;
    std::string refuse;  // the local part of recipients to be refused

private:
    std::size_t some(std::size_t of) { return of == 0 ? 0 : 1 + random_() % std::min<std::size_t>(of, 3000); }

    void give(std::string_view message, std::uint64_t max) {
        const auto size = max == 0 ? 0 : std::min<std::uint64_t>(some(message.size() - given_), max);
        for (const auto piece : client_.body(message.substr(given_, size))) to_server_ += piece;
        given_ += size;
    }

    // Lets the server work until it has something to say, and tells the client a piece of it.
    void hear() {
        for (int step = 0; to_client_.empty() && step < 100'000; ++step) {
            if (!serve()) break;
        }
        if (to_client_.empty()) return client_.on_eof();
        const auto size = some(to_client_.size());
        const auto bytes = to_client_.substr(0, size);
        to_client_.erase(0, size);
        client_.on_bytes(bytes);
    }

    bool serve() {
        const auto action = server_.next();
        switch (action.kind) {
            case ServerAction::Kind::read: return read();
            case ServerAction::Kind::write:
                to_client_ += action.bytes;
                server_.on_written();
                return true;
            case ServerAction::Kind::start_tls: server_.on_tls("TLSv1.3", "X"); return true;
            case ServerAction::Kind::check: {
                const bool no = action.subject == Subject::recipient && server_.candidate().address.local == refuse;
                server_.on_verdict(no ? Verdict::no({550, "5.1.1", "who?"}) : Verdict::yes());
                return true;
            }
            case ServerAction::Kind::authenticate: {
                const auto need = server_.take_auth_need();
                const auto& password = std::get<sasl::NeedPassword>(need);
                const bool right = password.user == "ann" && password.password == "secret";
                server_.on_login(right ? sasl::LoginVerdict::ok : sasl::LoginVerdict::wrong, "ann@us.example");
                return true;
            }
            case ServerAction::Kind::open_body: body_.clear(); break;
            case ServerAction::Kind::body: body_ += action.bytes; break;
            case ServerAction::Kind::commit:
                taken.push_back({server_.transaction().mail, server_.transaction().recipients, body_});
                if (server_.lmtp()) {
                    server_.on_replies(each());
                    return true;
                }
                server_.on_verdict({true, {250, "2.0.0", "kept"}});
                return true;
            case ServerAction::Kind::discard: server_.on_discarded(); return true;
            case ServerAction::Kind::close: return false;
        }
        server_.on_verdict(Verdict::yes());
        return true;
    }

    // LMTP: who is called "full" has no room.
    std::vector<ServerReply> each() const {
        std::vector<ServerReply> out;
        for (const auto& recipient : server_.transaction().recipients) {
            const bool full = recipient.address.local == "full";
            out.push_back(full ? ServerReply{452, "4.2.2", "full"} : ServerReply{250, "2.0.0", "kept"});
        }
        return out;
    }

    bool read() {
        const auto space = server_.input_space();
        const auto size = std::min(some(to_server_.size()), space.size());
        if (size == 0) return false;
        to_server_.copy(space.data(), size);
        to_server_.erase(0, size);
        server_.on_bytes(size);
        return true;
    }

    ServerSession server_;
    ClientSession client_;
    std::mt19937 random_;
    std::string to_server_;
    std::string to_client_;
    std::string body_;
    std::size_t given_ = 0;
};

ServerOptions server() {
    ServerOptions o;
    o.hostname = "mx.example";
    o.starttls = true;
    return o;
}

ClientOptions client() {
    ClientOptions o;
    o.hostname = "us.example";
    return o;
}

// Lines full of what the transparency of DATA could stumble over.
std::string lines(std::mt19937& random, std::size_t size) {
    static constexpr const char* kPieces[] = {".",    "..",    "a",          " ",       "text ",
                                              "\r\n", "\r\n.", "\r\n..\r\n", "\r\n\r\n"};
    std::string text = "A: b\r\n\r\n";
    while (text.size() < size) text += kPieces[random() % std::size(kPieces)];
    text += "\r\n";
    // No line is longer than the server takes.
    for (std::size_t start = 0; start < text.size();) {
        const auto end = text.find("\r\n", start);
        if (end - start > 900) text.insert(start + 900, "\r\n");
        start = text.find("\r\n", start) + 2;
    }
    return text;
}

}  // namespace

TEST_CASE("both sides: messages arrive as they are, parameters and all") {
    for (unsigned seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        Both both(server(), client(), seed);
        REQUIRE(both.run({}));
        both.refuse = "no";
        mail::Envelope envelope;
        envelope.reverse_path = {"from", "us.example"};
        envelope.envid = "id+2B";
        envelope.ret = mail::DsnReturn::headers;
        envelope.body = mail::BodyType::eight_bit_mime;
        envelope.recipients = {{{"a", "them.example"}, mail::notify::success | mail::notify::failure, "rfc822;x@y"},
                               {{"no", "them.example"}, 0, ""},
                               {{"a b", "them.example"}, mail::notify::never, ""}};
        if (seed % 2 == 1) {
            envelope.smtputf8 = true;
            envelope.recipients.push_back({{"\xc3\xa9", "b\xc3\xbc.example"}, 0, "utf-8;\xc3\xa9@y"});
        }
        for (int round = 0; round < 3; ++round) {
            const auto message = lines(random, seed % 10 == 9 ? kChunkSize + 5000 : 2000);
            std::vector<std::uint32_t> all;
            for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) all.push_back(i);
            both.client().begin({&envelope, all, message.size(), seed % 2 == 1});
            REQUIRE(both.run(message));
            const auto results = both.client().take_results();
            for (std::size_t i = 0; i < results.size(); ++i) {
                CHECK(results[i].outcome.code == (i == 1 ? 550 : 250));
                CHECK(results[i].dsn_passed_on == (i != 1));
            }
            REQUIRE(both.taken.size() == static_cast<std::size_t>(round) + 1);
            const auto& taken = both.taken.back();
            CHECK(taken.body == message);
            CHECK(taken.mail.envid == envelope.envid);
            CHECK(taken.mail.ret == envelope.ret);
            auto wanted = envelope.recipients;
            wanted.erase(wanted.begin() + 1);
            CHECK(taken.recipients == wanted);
        }
        both.client().quit();
        CHECK_FALSE(both.run({}));
    }
}

TEST_CASE("both sides: a binary body arrives octet for octet") {
    std::mt19937 random(7);
    std::string message = "A: b\r\n\r\n";
    for (int i = 0; i < 100'000; ++i) message += static_cast<char>(random());
    Both both(server(), client(), 7);
    REQUIRE(both.run({}));
    mail::Envelope envelope;
    envelope.reverse_path = {"from", "us.example"};
    envelope.body = mail::BodyType::binary_mime;
    envelope.recipients = {{{"a", "them.example"}, 0, ""}};
    both.client().begin({&envelope, {0}, message.size(), false});
    REQUIRE(both.run(message));
    REQUIRE(both.taken.size() == 1);
    CHECK(both.taken[0].body == message);
}

TEST_CASE("both sides: no recipient, then the next message") {
    Both both(server(), client(), 3);
    REQUIRE(both.run({}));
    both.refuse = "no";
    mail::Envelope envelope;
    envelope.recipients = {{{"no", "them.example"}, 0, ""}, {{"yes", "them.example"}, 0, ""}};
    for (std::uint32_t i = 0; i < 2; ++i) {
        both.client().begin({&envelope, {i}, 8, false});
        REQUIRE(both.run("A: b\r\n\r\n"));
        CHECK(both.client().take_results()[0].outcome.code == (i == 0 ? 550 : 250));
        CHECK(both.client().reusable());
    }
    CHECK(both.taken.size() == 1);
}

TEST_CASE("both sides: our client logs in, and without a login it may not send") {
    auto options = server();
    options.mechanisms = {sasl::Mechanism::plain};
    options.auth_required = true;
    for (const bool known : {true, false}) {
        auto ours = client();
        if (known) ours.credentials = Credentials{"ann", "secret"};
        Both both(options, ours, 11);
        REQUIRE(both.run({}));
        mail::Envelope envelope;
        envelope.recipients = {{{"yes", "them.example"}, 0, ""}};
        both.client().begin({&envelope, {0}, 8, false});
        REQUIRE(both.run("A: b\r\n\r\n"));
        CHECK(both.client().take_results()[0].outcome.code == (known ? 250 : 530));
    }
}

TEST_CASE("both sides: LMTP, each recipient with an answer of its own, by DATA and by BDAT") {
    for (const auto body : {mail::BodyType::seven_bit, mail::BodyType::binary_mime}) {
        auto options = server();
        options.dialect = Dialect::lmtp;
        options.starttls = false;
        auto ours = client();
        ours.lmtp = true;
        for (unsigned seed = 0; seed < 20; ++seed) {
            Both both(options, ours, seed);
            REQUIRE(both.run({}));
            both.refuse = "no";
            mail::Envelope envelope;
            envelope.body = body;
            for (const char* local : {"a", "full", "no", "b"})
                envelope.recipients.push_back({{local, "us.example"}, 0, ""});
            both.client().begin({&envelope, {0, 1, 2, 3}, 8, false});
            REQUIRE(both.run("A: b\r\n\r\n"));
            const auto results = both.client().take_results();
            REQUIRE(results.size() == 4);
            CHECK(results[0].outcome.code == 250);
            CHECK(results[1].outcome.code == 452);
            CHECK(results[2].outcome.code == 550);
            CHECK(results[3].outcome.code == 250);
            CHECK(both.client().reusable());
        }
    }
}
