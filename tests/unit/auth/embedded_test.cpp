#include "auth/impl/embedded.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "tests/unit/auth/backend_contract.hpp"
#include "tests/unit/auth/memory_backend.hpp"

using namespace posthorn;
using namespace posthorn::auth;
using auth::testing::answer_of;

namespace {

mail::AccountName name_of(const std::string& text) { return *mail::parse_account_name(text); }
mail::Address address(const std::string& text) { return *mail::parse_address(text); }

struct World {
    World() {
        std::string made = (std::filesystem::temp_directory_path() / "posthorn-auth-XXXXXX").string();
        REQUIRE(::mkdtemp(made.data()) != nullptr);
        folder = made;
        disk = loops.make_pool("disk", 100);
        hashing = loops.make_pool("hash", 100);
        open();
    }
    ~World() {
        embedded.reset();
        std::filesystem::remove_all(folder);
    }
    void open() {
        embedded.reset();
        auto opened = impl::Embedded::open(folder + "/directory.sqlite", loops.clock(),
                                           {*disk, *hashing, auth::testing::MemoryBackend::cheap()});
        REQUIRE(opened);
        embedded = *std::move(opened);
    }
    net::Loop& loop() { return loops.at(0); }
    template <class T>
    T ask(net::Task<T> task) {
        return answer_of(loops, std::move(task));
    }
    void fill() {
        REQUIRE(ask(embedded->add_domain(loop(), "example.org")));
        REQUIRE(ask(embedded->add_domain(loop(), "example.com")));
        AccountChange ann{.display_name = "Ann", .quota_bytes = 1U << 20U, .quota_messages = 100};
        REQUIRE(ask(embedded->add_account(loop(), name_of("ann@example.org"), "correct horse", ann)));
        AccountChange bob{.disabled = true};
        REQUIRE(ask(embedded->add_account(loop(), name_of("bob@example.org"), "battery staple", bob)));
        std::vector<mail::Address> team{address("ann@example.org"), address("carl@example.net")};
        REQUIRE(ask(embedded->add_alias(loop(), name_of("team@example.org"), team)));
        std::vector<mail::Address> all{address("ann@example.org")};
        REQUIRE(ask(embedded->set_catch_all(loop(), "example.com", all)));
    }
    std::optional<impl::Entry> find(const std::string& text) { return *ask(embedded->find(loop(), name_of(text))); }

    net::SimLoops loops;
    std::string folder;
    std::unique_ptr<net::Pool> disk;
    std::unique_ptr<net::Pool> hashing;
    std::unique_ptr<impl::Embedded> embedded;
};

template <class R>
int code(const R& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == base::ErrorKind::permanent);
    return result.error().code;
}

}  // namespace

TEST_CASE("the embedded directory keeps the contract, also after it was opened anew") {
    World w;
    w.fill();
    auth::testing::backend_contract(w.loops, *w.embedded);
    w.open();
    auth::testing::backend_contract(w.loops, *w.embedded);
    struct ::stat at{};
    REQUIRE(::stat((w.folder + "/directory.sqlite").c_str(), &at) == 0);
    CHECK((at.st_mode & 0777U) == 0600U);
}

TEST_CASE("a memory backend keeps the contract") {
    net::SimLoops loops;
    auth::testing::MemoryBackend backend;
    auto& ann = backend.account("ann@example.org", "correct horse");
    ann.display_name = "Ann";
    ann.quota = {1U << 20U, 100};
    backend.account("bob@example.org", "battery staple").disabled = true;
    backend.alias("team@example.org", {"ann@example.org", "carl@example.net"});
    backend.alias("@example.com", {"ann@example.org"});
    auth::testing::backend_contract(loops, backend);
}

TEST_CASE("what is changed is seen at once, and after a restart") {
    World w;
    w.fill();
    AccountChange change{.disabled = false, .messages_per_hour = 7};
    REQUIRE(w.ask(w.embedded->set_account(w.loop(), name_of("bob@example.org"), change)));
    for (int i = 0; i < 2; ++i) {
        const auto bob = w.find("bob@example.org");
        CHECK_FALSE(bob->account->disabled);
        CHECK(bob->account->send.messages_per_hour == 7);
        CHECK(w.find("ann@example.org")->account->display_name == "Ann");
        w.open();
    }
    std::vector<mail::Address> carl{address("carl@example.net")};
    REQUIRE(w.ask(w.embedded->remove_alias(w.loop(), name_of("team@example.org"), carl)));
    CHECK(w.find("team@example.org")->targets.size() == 1);
    REQUIRE(w.ask(w.embedded->set_alias(w.loop(), name_of("team@example.org"), carl)));
    CHECK(w.find("team@example.org")->targets == carl);
    REQUIRE(w.ask(w.embedded->remove_alias(w.loop(), name_of("team@example.org"), std::vector<mail::Address>())));
    CHECK_FALSE(w.find("team@example.org"));
    REQUIRE(w.ask(w.embedded->remove_account(w.loop(), name_of("bob@example.org"))));
    CHECK_FALSE(w.find("bob@example.org"));
    REQUIRE(w.ask(w.embedded->remove_domain(w.loop(), "example.org", true)));
    CHECK_FALSE(w.embedded->serves("example.org"));
    CHECK_FALSE(w.find("ann@example.org"));
    w.open();
    CHECK(w.embedded->domains() == std::vector<std::string>{"example.com"});
    CHECK_FALSE(w.find("ann@example.org"));
}

TEST_CASE("what cannot be done says why and changes nothing") {
    World w;
    w.fill();
    auto& e = *w.embedded;
    auto& loop = w.loop();
    const std::vector<mail::Address> some{address("x@example.net")};
    CHECK(code(w.ask(e.add_domain(loop, "example.org"))) == EEXIST);
    CHECK(code(w.ask(e.remove_domain(loop, "example.net", false))) == ENOENT);
    CHECK(code(w.ask(e.remove_domain(loop, "example.org", false))) == ENOTEMPTY);
    CHECK(code(w.ask(e.set_catch_all(loop, "example.net", some))) == ENOENT);
    CHECK(code(w.ask(e.add_account(loop, name_of("ann@example.org"), "x", AccountChange()))) == EEXIST);
    CHECK(code(w.ask(e.add_account(loop, name_of("team@example.org"), "x", AccountChange()))) == EEXIST);
    CHECK(code(w.ask(e.add_account(loop, name_of("x@example.net"), "x", AccountChange()))) == ENOENT);
    CHECK(code(w.ask(e.set_account(loop, name_of("x@example.org"), AccountChange()))) == ENOENT);
    CHECK(code(w.ask(e.set_password(loop, name_of("x@example.org"), "x"))) == ENOENT);
    CHECK(code(w.ask(e.set_password(loop, name_of("ann@example.org"), std::string(2000, 'x')))) == EINVAL);
    CHECK(code(w.ask(e.set_hash(loop, name_of("ann@example.org"), "plain"))) == EINVAL);
    CHECK(code(w.ask(e.remove_account(loop, name_of("x@example.org")))) == ENOENT);
    CHECK(code(w.ask(e.account_info(loop, name_of("x@example.org")))) == ENOENT);
    CHECK(code(w.ask(e.accounts(loop, "example.net"))) == ENOENT);
    CHECK(code(w.ask(e.add_alias(loop, name_of("ann@example.org"), some))) == EEXIST);
    CHECK(code(w.ask(e.add_alias(loop, name_of("x@example.net"), some))) == ENOENT);
    CHECK(code(w.ask(e.remove_alias(loop, name_of("team@example.org"), some))) == ENOENT);
    CHECK(code(w.ask(e.add_app_password(loop, name_of("x@example.org"), "", ""))) == ENOENT);
    CHECK(code(w.ask(e.remove_app_password(loop, name_of("ann@example.org"), 1))) == ENOENT);
    auth::testing::backend_contract(w.loops, e);
}

TEST_CASE("a password is stored anew only where it is still the old one") {
    World w;
    w.fill();
    const auto ann = name_of("ann@example.org");
    const auto old = (*w.ask(w.embedded->secrets(w.loop(), ann)))->password;
    const StoredPassword fresh{.hash = "$6$x$y"};
    const auto changed = w.ask(w.embedded->account_info(w.loop(), ann))->password_changed;
    REQUIRE(w.ask(w.embedded->replace(w.loop(), ann, "another", fresh)));
    CHECK((*w.ask(w.embedded->secrets(w.loop(), ann)))->password == old);
    REQUIRE(w.ask(w.embedded->replace(w.loop(), ann, old.hash, fresh)));
    CHECK((*w.ask(w.embedded->secrets(w.loop(), ann)))->password == fresh);
    w.loops.run_for(std::chrono::seconds(5));
    CHECK(w.ask(w.embedded->account_info(w.loop(), ann))->password_changed == changed);  // the same password
    REQUIRE(w.ask(w.embedded->set_password(w.loop(), ann, "new")));
    CHECK(w.ask(w.embedded->account_info(w.loop(), ann))->password_changed > changed);
}

TEST_CASE("app passwords are listed without themselves, checked, and removed one by one") {
    World w;
    w.fill();
    const auto ann = name_of("ann@example.org");
    const auto phone = w.ask(w.embedded->add_app_password(w.loop(), ann, "phone", "imap"));
    const auto laptop = w.ask(w.embedded->add_app_password(w.loop(), ann, "laptop", ""));
    REQUIRE((phone && laptop));
    const auto info = w.ask(w.embedded->account_info(w.loop(), ann));
    REQUIRE(info->app_passwords.size() == 2);
    CHECK(info->app_passwords[0].label == "phone");
    CHECK(info->app_passwords[0].service == "imap");
    CHECK(info->scheme == "argon2id");
    CHECK(info->scram);
    auto kept = (*w.ask(w.embedded->secrets(w.loop(), ann)))->app_passwords;
    REQUIRE(kept.size() == 2);
    CHECK(kept[0] == impl::AppPassword{app_password_hash(*phone), "imap"});
    REQUIRE(w.ask(w.embedded->remove_app_password(w.loop(), ann, info->app_passwords[0].id)));
    kept = (*w.ask(w.embedded->secrets(w.loop(), ann)))->app_passwords;
    REQUIRE(kept.size() == 1);
    CHECK(kept[0].hash == app_password_hash(*laptop));
    REQUIRE(w.ask(w.embedded->remove_account(w.loop(), ann)));
    REQUIRE(w.ask(w.embedded->add_account(w.loop(), ann, "x", AccountChange())));
    CHECK((*w.ask(w.embedded->secrets(w.loop(), ann)))->app_passwords.empty());
}

TEST_CASE("high marks only rise, and outlive their account and a restart") {
    World w;
    w.fill();
    const auto ann = name_of("ann@example.org");
    CHECK(*w.embedded->marks().mark(ann) == HighMark{});
    REQUIRE(w.embedded->marks().raise_mark(ann, {100, 7}));
    REQUIRE(w.embedded->marks().raise_mark(ann, {50, 9}));
    CHECK(*w.embedded->marks().mark(ann) == HighMark{100, 9});
    REQUIRE(w.ask(w.embedded->remove_domain(w.loop(), "example.org", true)));
    w.open();
    CHECK(*w.embedded->marks().mark(ann) == HighMark{100, 9});
}

TEST_CASE("the key of unknown users' salts is made once") {
    World w;
    const auto key = w.embedded->scram_key();
    REQUIRE(key);
    CHECK(key->size() == 32);
    w.open();
    CHECK(*w.embedded->scram_key() == *key);
}

TEST_CASE("a directory of a newer version is refused with a remedy") {
    World w;
    w.embedded.reset();
    const auto path = w.folder + "/directory.sqlite";
    {
        auto db = base::sqlite::Database::open(path);
        (*db)->script("PRAGMA user_version=99");
    }
    auto opened =
        impl::Embedded::open(path, w.loops.clock(), {*w.disk, *w.hashing, auth::testing::MemoryBackend::cheap()});
    REQUIRE_FALSE(opened);
    CHECK(opened.error().log_text.find("newer") != std::string::npos);
}

TEST_CASE("a thousand names stand side by side") {
    World w;
    REQUIRE(w.ask(w.embedded->add_domain(w.loop(), "example.org")));
    impl::Book book;
    for (int i = 0; i < 1000; ++i) {
        const auto name = name_of("u" + std::to_string(i) + "@example.org");
        book.set(name, impl::Entry{.account = Account{.name = name}});
    }
    book.set_domain("example.org", true);
    for (int i = 0; i < 1000; ++i) CHECK(book.find(name_of("u" + std::to_string(i) + "@example.org")));
    book.set(name_of("u7@example.org"), std::nullopt);
    CHECK_FALSE(book.find(name_of("u7@example.org")));
    book.set_domain("example.org", false);
    for (int i = 0; i < 1000; ++i) CHECK_FALSE(book.find(name_of("u" + std::to_string(i) + "@example.org")));
}
