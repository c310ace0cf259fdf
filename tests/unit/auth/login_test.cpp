#include "auth/impl/login_service.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/log.hpp"
#include "net/sim_loop.hpp"
#include "tests/unit/auth/memory_backend.hpp"

using namespace posthorn;
using namespace posthorn::auth;
using auth::testing::MemoryBackend;
using namespace std::chrono_literals;
using Verdict = Login::Verdict;

namespace {

class Tokens final : public impl::TokenVerifier {
public:
    net::Task<base::Result<std::optional<std::string>>> verify(net::Loop&, std::string bearer) override {
        if (bearer == "down") co_return base::fail(base::ErrorKind::temporary, "no issuer");
        if (bearer != "good") co_return std::optional<std::string>{};
        co_return std::optional<std::string>("Ann@Example.org");
    }
};

Client from(const char* ip) {
    return {.ip = *net::IpAddress::parse(ip), .service = "submission", .mechanism = "PLAIN", .session = "s1"};
}

struct Told final : mail::EventSink {
    void record(const mail::Event& event) override { all.push_back(event); }
    std::vector<mail::Event> all;
};

struct World {
    World() {
        auto made = std::make_unique<MemoryBackend>();
        backend = made.get();
        std::vector<std::unique_ptr<impl::Backend>> all;
        all.push_back(std::move(made));
        lookup = std::make_unique<impl::Lookup>(std::move(all));
        pool = loops.make_pool("hash", 8, 30ms);
        backend->account("ann@example.org", "correct horse");
        service =
            std::make_unique<impl::LoginService>(*lookup, &tokens, *pool, metrics,
                                                 impl::LoginRules{.default_domain = "example.org",
                                                                  .cost = MemoryBackend::cheap(),
                                                                  .failure_delay = 2s,
                                                                  .throttle = {.per_client = 5, .per_account = 3},
                                                                  .scram_key = "server secret"},
                                                 &events);
    }

    Told events;
    net::Loop& loop() { return loops.at(0); }
    static net::Task<> keep(Login* out, net::Task<Login> task) { *out = co_await std::move(task); }
    Login run(net::Task<Login> task) {
        Login out;
        const auto began = loop().now();
        REQUIRE(loops.run(keep(&out, std::move(task))));
        took = loop().now() - began;
        return out;
    }
    Login password(std::string user, std::string secret, const char* ip = "192.0.2.1") {
        auto client = from(ip);
        return run(service->password(loop(), std::move(user), std::move(secret), std::move(client)));
    }
    static net::Task<> keep_begin(Provider::ScramBegin* out, net::Task<Provider::ScramBegin> task) {
        *out = co_await std::move(task);
    }
    Provider::ScramBegin scram(std::string user, const char* ip = "192.0.2.1") {
        Provider::ScramBegin out;
        auto client = from(ip);
        REQUIRE(loops.run(keep_begin(
            &out, service->scram_begin(loop(), std::move(user), ScramHash::sha_256, std::move(client)))));
        return out;
    }

    net::SimLoops loops;
    base::Metrics metrics;
    Tokens tokens;
    MemoryBackend* backend = nullptr;
    std::unique_ptr<impl::Lookup> lookup;
    std::unique_ptr<net::Pool> pool;
    std::unique_ptr<impl::LoginService> service;
    base::Duration took{};
};

}  // namespace

TEST_CASE("the right password logs in, with or without the domain, whatever the case of the name") {
    World w;
    for (const char* user : {"ann@example.org", "Ann@EXAMPLE.org", "ann"}) {
        const auto login = w.password(user, "correct horse");
        REQUIRE(login.verdict == Verdict::ok);
        CHECK(login.account.name.text() == "ann@example.org");
    }
    CHECK(w.took == 30ms);
}

TEST_CASE("a wrong password and an unknown user are one verdict, at the same time, after the same work") {
    World w;
    const auto no_account = [](const Login& login) { return login.account == Account{}; };
    auto login = w.password("ann", "wrong");
    CHECK(login.verdict == Verdict::wrong);
    CHECK(no_account(login));
    CHECK(w.took == 2s);
    for (const char* user :
         {"bob@example.org", "bob@elsewhere.example", "", "@", "not a name@", "ann\r\nx@example.org"}) {
        CAPTURE(user);
        login = w.password(user, "wrong", "192.0.2.7");
        CHECK(login.verdict ==
              (std::string_view(user) == "ann\r\nx@example.org" ? Verdict::throttled : Verdict::wrong));
        CHECK(no_account(login));
        if (login.verdict == Verdict::wrong) CHECK(w.took == 2s);
    }
}

TEST_CASE("an account without a password lets nobody in") {
    World w;
    w.backend->account("bob@example.org");
    CHECK(w.password("bob", "").verdict == Verdict::wrong);
    CHECK(w.password("bob", "x").verdict == Verdict::wrong);
}

TEST_CASE("a disabled account says so only to who has the password") {
    World w;
    w.backend->account("ann@example.org").disabled = true;
    CHECK(w.password("ann", "wrong").verdict == Verdict::wrong);
    CHECK(w.password("ann", "correct horse").verdict == Verdict::disabled);
}

TEST_CASE("an alias is no account") {
    World w;
    w.backend->alias("team@example.org", {"ann@example.org"});
    CHECK(w.password("team", "correct horse").verdict == Verdict::wrong);
}

TEST_CASE("app passwords work beside the password, some for one service only") {
    World w;
    auto& secrets = w.backend->passwords.at(*mail::parse_account_name("ann@example.org"));
    secrets.app_passwords = {{app_password_hash("abcdef-ghijkm"), ""},
                             {app_password_hash("npqrst-uvwxyz"), "pop3"}};
    CHECK(w.password("ann", "abcdefghijkm").verdict == Verdict::ok);
    CHECK(w.password("ann", "npqrst-uvwxyz").verdict == Verdict::wrong);
    CHECK(w.password("ann", "correct horse").verdict == Verdict::ok);
}

TEST_CASE("a backend that is down is unavailable, never wrong, and costs no failure") {
    World w;
    const base::log::Capture log;
    w.backend->down = true;
    for (int i = 0; i < 20; ++i) CHECK(w.password("ann", "wrong").verdict == Verdict::unavailable);
    CHECK(w.scram("ann").verdict == Verdict::unavailable);
    CHECK_FALSE(log.contains("auth.failed"));  // or fail2ban would punish for our outage
    w.backend->down = false;
    CHECK(w.password("ann", "correct horse").verdict == Verdict::ok);
}

TEST_CASE("a full hashing pool puts logins off") {
    World w;
    std::vector<Login> all(12);
    for (auto& one : all) {
        auto client = from("192.0.2.1");
        client.unix_socket = true;
        net::spawn(w.loop(), "login",
                   World::keep(&one, w.service->password(w.loop(), "ann", "correct horse", std::move(client))));
    }
    w.loops.run_for(10s);
    std::size_t ok = 0;
    std::size_t later = 0;
    for (const auto& one : all) {
        ok += one.verdict == Verdict::ok;
        later += one.verdict == Verdict::unavailable || one.verdict == Verdict::throttled;
    }
    CHECK(ok > 0);
    CHECK(later > 0);
    CHECK(ok + later == all.size());
}

TEST_CASE("too many failures are throttled before anything is checked, for known and unknown users alike") {
    World w;
    const base::log::Capture log;
    for (const char* user : {"ann@example.org", "bob@example.org"}) {
        CAPTURE(user);
        for (int i = 0; i < 3; ++i)
            CHECK(w.password(user, "wrong", ("192.0.2." + std::to_string(10 + i)).c_str()).verdict ==
                  Verdict::wrong);
        const int questions = w.backend->questions;
        const auto login = w.password(user, "correct horse", "192.0.2.99");
        CHECK(login.verdict == Verdict::throttled);
        CHECK(login.retry_after > 0s);
        CHECK(w.backend->questions == questions);
        CHECK(w.scram(user, "192.0.2.99").verdict == Verdict::throttled);
    }
    CHECK(log.contains("auth.failed"));
    CHECK(log.contains("192.0.2.99"));
}

TEST_CASE("attempts side by side do not get round the throttle") {
    World w;
    std::vector<Login> all(30);
    for (auto& one : all) {
        auto client = from("192.0.2.1");
        net::spawn(w.loop(), "login",
                   World::keep(&one, w.service->password(w.loop(), "ann", "no", std::move(client))));
    }
    w.loops.run_for(60s);
    CHECK(std::ranges::count_if(all, [](const Login& l) { return l.verdict == Verdict::wrong; }) == 3);
    CHECK(std::ranges::count_if(all, [](const Login& l) { return l.verdict == Verdict::throttled; }) == 27);
}

TEST_CASE("what is out of date is stored anew at a login, once, and not by a wrong password") {
    World w;
    const auto name = *mail::parse_account_name("ann@example.org");
    auto& stored = w.backend->passwords.at(name).password;
    stored = {.hash = "{SSHA}n0MgpE49UOlYSAptYLeZPpSboiVzYWx0eQ=="};
    CHECK(w.password("ann", "wrong").verdict == Verdict::wrong);
    CHECK(w.backend->replaced == 0);
    w.backend->is_ours = false;  // the hash is not even made
    CHECK(w.password("ann", "correct horse").verdict == Verdict::ok);
    w.loops.run_for(1s);
    CHECK(w.backend->replaced == 0);
    w.backend->is_ours = true;
    CHECK(w.password("ann", "correct horse").verdict == Verdict::ok);
    w.loops.run_for(1s);
    CHECK(w.backend->replaced == 1);
    CHECK(stored.hash.starts_with("$argon2id$"));
    CHECK_FALSE(stored.scram_sha_256.empty());
    CHECK(w.password("ann", "correct horse").verdict == Verdict::ok);
    w.loops.run_for(1s);
    CHECK(w.backend->replaced == 1);
}

TEST_CASE("SCRAM: the secrets come first, the verdict after the proof") {
    World w;
    auto begin = w.scram("ann");
    REQUIRE(begin.verdict == Verdict::ok);
    const auto right =
        scram_secrets("correct horse", begin.secrets.salt, begin.secrets.iterations, ScramHash::sha_256);
    CHECK(begin.secrets.stored_key == right.stored_key);
    CHECK(w.run(w.service->scram_end(w.loop(), begin.attempt, true)).verdict == Verdict::ok);
    begin = w.scram("ann");
    CHECK(w.run(w.service->scram_end(w.loop(), begin.attempt, false)).verdict == Verdict::wrong);
    CHECK(w.took == 2s);
}

TEST_CASE("SCRAM: a user that nobody is has a salt of its own, always the same, and no proof helps it") {
    World w;
    w.backend->account("bob@example.org");  // exists, but has no verifier
    for (const char* user : {"nobody@example.org", "bob@example.org", "x@elsewhere.example"}) {
        CAPTURE(user);
        auto begin = w.scram(user);
        REQUIRE(begin.verdict == Verdict::ok);
        CHECK(begin.secrets.salt.size() == 16);
        CHECK(begin.secrets.iterations == w.scram("ann").secrets.iterations);
        CHECK(w.scram(user).secrets.salt == begin.secrets.salt);
        CHECK(w.run(w.service->scram_end(w.loop(), begin.attempt, true)).verdict == Verdict::wrong);
    }
}

TEST_CASE("SCRAM: nobody's secrets are looked up like somebody's, so that the time tells nothing") {
    World w;
    w.backend->alias("team@example.org", {"ann@example.org"});
    for (const char* user : {"ann@example.org", "nobody@example.org", "team@example.org"}) {
        CAPTURE(user);
        const auto before = w.backend->secrets_asked;
        CHECK(w.scram(user).verdict == Verdict::ok);
        CHECK(w.backend->secrets_asked == before + 1);
    }
}

TEST_CASE("SCRAM: an exchange that breaks off before its proof is no failure") {
    World w;
    for (int i = 0; i < 50; ++i) CHECK(w.scram("ann").verdict == Verdict::ok);
    for (int i = 0; i < 3; ++i) {
        auto begin = w.scram("ann");
        CHECK(w.run(w.service->scram_end(w.loop(), begin.attempt, false)).verdict == Verdict::wrong);
    }
    CHECK(w.scram("ann").verdict == Verdict::throttled);
}

TEST_CASE("a token logs in whose it is, and nobody else") {
    World w;
    const auto token = [&](std::string user, std::string bearer) {
        auto client = from("192.0.2.1");
        return w.run(w.service->token(w.loop(), std::move(user), std::move(bearer), std::move(client)));
    };
    CHECK(token("ann@example.org", "good").verdict == Verdict::ok);
    CHECK(token("", "good").account.name.text() == "ann@example.org");
    CHECK(token("bob@example.org", "good").verdict == Verdict::wrong);
    CHECK(token("ann", "bad").verdict == Verdict::wrong);
    CHECK(token("ann", "down").verdict == Verdict::unavailable);
    w.backend->account("ann@example.org").disabled = true;
    CHECK(token("ann", "good").verdict == Verdict::disabled);
    w.backend->entries.clear();
    CHECK(token("", "good").verdict == Verdict::wrong);
}

TEST_CASE("a certificate logs in one of its names") {
    World w;
    const auto external = [&](std::string user, std::vector<std::string> names) {
        auto client = from("192.0.2.1");
        return w.run(w.service->external(w.loop(), std::move(user), std::move(names), std::move(client)));
    };
    CHECK(external("", {"ann@example.org"}).verdict == Verdict::ok);
    CHECK(external("ann", {"x@example.org", "Ann@example.org"}).verdict == Verdict::ok);
    CHECK(external("", {"ann@example.org", "x@example.org"}).verdict == Verdict::wrong);
    CHECK(external("ann", {"x@example.org"}).verdict == Verdict::wrong);
    CHECK(external("ann", {}).verdict == Verdict::wrong);
}

TEST_CASE("each attempt is counted by domain and status, and logged so that fail2ban finds client and user") {
    World w;
    const base::log::Capture log;
    w.password("ann", "correct horse");
    w.password("ann", "wrong");
    w.password("x@elsewhere.example", "wrong");
    w.password("evil\nclient=1.2.3.4@example.org", "wrong");
    const auto text = w.metrics.prometheus_text();
    CHECK(text.find("posthorn_auth_attempts_total{domain=\"example.org\",status=\"ok\"} 1") != std::string::npos);
    CHECK(text.find("posthorn_auth_attempts_total{domain=\"example.org\",status=\"wrong\"} 1") !=
          std::string::npos);
    CHECK(text.find("elsewhere") == std::string::npos);
    CHECK(log.contains("authentication failed"));
    CHECK_FALSE(log.contains("correct horse"));
    CHECK_FALSE(log.contains("\nclient=1.2.3.4"));
    INFO(log.text());
    CHECK(log.contains("client=192.0.2.1"));
    CHECK(log.contains("user=ann@example.org"));
}

TEST_CASE("what is offered is what every backend can serve") {
    World w;
    CHECK(w.service->mechanisms() == Mechanisms{true, true, true, true, true});
    w.backend->offered.scram_sha_1 = false;
    CHECK(w.service->mechanisms() == Mechanisms{true, false, true, true, true});
}

TEST_CASE("who was refused is an event, without what he gave as a password") {
    World w;
    CHECK(w.password("Ann", "correct horse").verdict == Verdict::ok);
    CHECK(w.events.all.empty());
    const auto before = w.loop().clock().wall();
    CHECK(w.password("Ann", "wrong secret").verdict == Verdict::wrong);
    REQUIRE(w.events.all.size() == 1);
    const auto& event = w.events.all.front();
    CHECK(event.kind == mail::EventKind::login_refused);
    CHECK(event.at == before);  // when it was tried, not when it was answered
    CHECK(event.sender == "ann@example.org");
    CHECK(event.client_ip == "192.0.2.1");
    CHECK(event.session == "s1");
    CHECK(event.text == "wrong");
    CHECK(event.extra ==
          std::vector<std::pair<std::string, std::string>>{{"service", "submission"}, {"mechanism", "PLAIN"}});
    CHECK(w.password("no such\nbody", "secret").verdict == Verdict::wrong);
    REQUIRE(w.events.all.size() == 2);
    CHECK(w.events.all.back().sender.find('\n') == std::string::npos);
}
