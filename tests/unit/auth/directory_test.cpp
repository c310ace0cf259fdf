#include "auth/directory.hpp"

#include <doctest/doctest.h>

#include "auth/impl/directory_service.hpp"
#include "base/log.hpp"
#include "net/sim_loop.hpp"
#include "tests/support/fake_directory.hpp"
#include "tests/unit/auth/memory_backend.hpp"

using namespace posthorn;
using namespace posthorn::auth;
using auth::testing::MemoryBackend;
using Kind = Resolution::Kind;

namespace {

struct World {
    World() {
        auto a = std::make_unique<MemoryBackend>("first");
        auto b = std::make_unique<MemoryBackend>("second");
        first = a.get();
        second = b.get();
        std::vector<std::unique_ptr<impl::Backend>> all;
        all.push_back(std::move(a));
        all.push_back(std::move(b));
        lookup = std::make_unique<impl::Lookup>(std::move(all));
        directory = std::make_unique<impl::DirectoryService>(
            *lookup, impl::DirectoryService::Rules{"+", "example.org", "root@example.org"});
    }

    static net::Task<> ask(World* self, mail::Address address) {
        self->answer = co_await self->directory->resolve(self->loops.at(0), std::move(address));
    }
    Resolution resolve(std::string local, std::string domain = "example.org") {
        mail::Address address{std::move(local), std::move(domain)};
        REQUIRE(loops.run(ask(this, std::move(address))));
        REQUIRE(answer);
        return *answer;
    }
    static net::Task<> ask_owner(World* self, mail::AccountName account, mail::Address address) {
        self->owned = co_await owns(self->loops.at(0), *self->directory, std::move(account), std::move(address));
    }
    bool owns_address(const std::string& account, const std::string& address) {
        auto parsed = address.empty() ? mail::Address{} : *mail::parse_address(address);
        REQUIRE(loops.run(ask_owner(this, *mail::parse_account_name(account), std::move(parsed))));
        REQUIRE(owned);
        return *owned;
    }

    net::SimLoops loops;
    MemoryBackend* first = nullptr;
    MemoryBackend* second = nullptr;
    std::unique_ptr<impl::Lookup> lookup;
    std::unique_ptr<impl::DirectoryService> directory;
    base::Result<Resolution> answer = base::fail(base::ErrorKind::internal, "not asked");
    base::Result<bool> owned = base::fail(base::ErrorKind::internal, "not asked");
};

}  // namespace

TEST_CASE("an address leads to its account, however its case and domain are written") {
    World w;
    w.first->account("ann@example.org");
    w.first->account("bob@xn--bcher-kva.example");
    CHECK(w.resolve("ann").account.name.text() == "ann@example.org");
    CHECK(w.resolve("ANN", "Example.ORG").account.name.text() == "ann@example.org");
    CHECK(w.resolve("bob", "bücher.example").account.name.text() == "bob@xn--bcher-kva.example");
    CHECK(w.resolve("nobody").kind == Kind::unknown);
    CHECK(w.resolve("ann", "example.net").kind == Kind::not_local);
    CHECK(w.resolve("ann", "[192.0.2.1]").kind == Kind::not_local);
    CHECK(w.resolve("ann", "not a domain").kind == Kind::not_local);
}

TEST_CASE("a tag is cut off and told, unless somebody has that very name") {
    World w;
    w.first->account("ann@example.org");
    w.first->account("ann+work@example.org");
    const auto tagged = w.resolve("Ann+Lists+c");
    CHECK(tagged.account.name.local == "ann");
    CHECK(tagged.tag == "Lists+c");
    const auto exact = w.resolve("ann+work");
    CHECK(exact.account.name.local == "ann+work");
    CHECK(exact.tag.empty());
    CHECK(w.resolve("+ann").kind == Kind::unknown);
    CHECK(w.resolve("bob+x").kind == Kind::unknown);
}

TEST_CASE("aliases lead to many, and take a tag too") {
    World w;
    w.first->account("ann@example.org");
    w.first->alias("team@example.org", {"ann@example.org", "carl@example.net"});
    const auto found = w.resolve("team+x");
    REQUIRE(found.kind == Kind::alias);
    CHECK(found.targets.size() == 2);
    CHECK(found.tag == "x");
    CHECK_FALSE(found.catch_all);
}

TEST_CASE("a catch-all takes what nobody else has") {
    World w;
    w.first->account("ann@example.org");
    w.first->alias("@example.org", {"ann@example.org"});
    const auto found = w.resolve("whoever");
    REQUIRE(found.kind == Kind::alias);
    CHECK(found.catch_all);
    CHECK(found.targets.front().to_string() == "ann@example.org");
    CHECK_FALSE(w.resolve("ann+x").catch_all);
}

TEST_CASE("RFC 5321 §4.5.1: every local domain has a postmaster") {
    World w;
    w.first->account("root@example.org");
    w.first->account("ann@example.com");
    CHECK(w.resolve("postmaster", "").targets.front().to_string() == "root@example.org");
    CHECK(w.resolve("PostMaster", "example.com").targets.front().to_string() == "root@example.org");
    w.first->account("postmaster@example.com");
    CHECK(w.resolve("postmaster", "example.com").account.name.text() == "postmaster@example.com");
}

TEST_CASE("the first backend that knows a name answers, and both serve their domains") {
    World w;
    w.first->account("ann@example.org").display_name = "first";
    w.second->account("ann@example.org").display_name = "second";
    w.second->account("bob@example.com");
    CHECK(w.resolve("ann").account.display_name == "first");
    CHECK(w.resolve("bob", "example.com").kind == Kind::account);
    CHECK(w.directory->local_domains() == std::vector<std::string>{"example.com", "example.org"});
    CHECK(w.directory->is_local_domain("example.com"));
    CHECK_FALSE(w.directory->is_local_domain("example.net"));
}

TEST_CASE("a backend that is down is a temporary failure, logged once for each outage") {
    World w;
    const base::log::Capture log;
    w.first->account("ann@example.org");
    w.second->account("bob@example.org");
    w.first->down = true;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(w.loops.run(World::ask(&w, {"bob", "example.org"})));
        REQUIRE_FALSE(w.answer);
        CHECK(w.answer.error().kind == base::ErrorKind::temporary);
        CHECK(w.answer.error().status == "4.3.0");
        CHECK(w.answer.error().peer_text.find("database") == std::string::npos);
    }
    w.first->down = false;
    CHECK(w.resolve("bob").kind == Kind::account);
    CHECK(w.resolve("bob").kind == Kind::account);
    const auto text = log.text();
    const auto count = [&](std::string_view what) {
        std::size_t n = 0;
        for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
        return n;
    };
    CHECK(count("auth.backend_down") == 1);
    CHECK(count("no route to the database") == 1);
    CHECK(count("auth.backend_up") == 1);
}

TEST_CASE("an account owns its name with any tag and the aliases that lead to it, but nothing of a catch-all") {
    World w;
    w.first->account("ann@example.org");
    w.first->account("bob@example.org");
    w.first->alias("team@example.org", {"both@example.org", "loop@example.org"});
    w.first->alias("both@example.org", {"bob@example.org", "ann@example.org"});
    w.first->alias("loop@example.org", {"team@example.org"});
    w.first->alias("@example.com", {"ann@example.org"});
    CHECK(w.owns_address("ann@example.org", "Ann@Example.org"));
    CHECK(w.owns_address("ann@example.org", "ann+x@example.org"));
    CHECK(w.owns_address("ann@example.org", "team@example.org"));
    CHECK(w.owns_address("ann@example.org", ""));
    CHECK_FALSE(w.owns_address("ann@example.org", "bob@example.org"));
    CHECK_FALSE(w.owns_address("ann@example.org", "loop@example.net"));
    CHECK_FALSE(w.owns_address("ann@example.org", "anything@example.com"));
    CHECK_FALSE(w.owns_address("carl@example.org", "loop@example.org"));
}

TEST_CASE("the fake directory answers as the real one does") {
    World w;
    posthorn::testing::FakeDirectory fake;
    w.first->account("ann@example.org");
    fake.add_account("ann@example.org");
    w.first->alias("team@example.org", {"ann@example.org", "x@example.net"});
    fake.add_alias("team@example.org", {"ann@example.org", "x@example.net"});
    w.first->alias("@example.com", {"ann@example.org"});
    fake.add_domain("example.com", "ann@example.org");
    struct Ask {
        static net::Task<> run(net::Loop* loop, Directory* directory, mail::Address address, Resolution* out) {
            const auto answer = co_await directory->resolve(*loop, std::move(address));
            *out = answer.value();
        }
    };
    for (const char* text : {"ann@example.org", "ANN@EXAMPLE.ORG", "ann+t@example.org", "team@example.org",
                             "no@example.org", "any@example.com", "x@example.net"}) {
        CAPTURE(text);
        Resolution real;
        Resolution faked;
        REQUIRE(w.loops.run(Ask::run(&w.loops.at(0), w.directory.get(), *mail::parse_address(text), &real)));
        REQUIRE(w.loops.run(Ask::run(&w.loops.at(0), &fake, *mail::parse_address(text), &faked)));
        CHECK(real.kind == faked.kind);
        CHECK(real.account.name == faked.account.name);
        CHECK(real.tag == faked.tag);
        CHECK(real.targets == faked.targets);
        CHECK(real.catch_all == faked.catch_all);
    }
}
