// The backends behind which another server stands, held to the contract. tests/e2e/test_backends.py starts the servers,
// fills them, and names them in the environment; without it these cases are skipped.
#include <doctest/doctest.h>

#include <cstdlib>

#include "auth/impl/ldap_backend.hpp"
#include "auth/impl/sql_backend.hpp"
#include "tests/unit/auth/backend_contract.hpp"

using namespace posthorn;
using namespace posthorn::auth;
using auth::testing::answer_of;

namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}
bool missing(const char* name) { return environment(name).empty(); }

SqlConfig sql(SqlEngine engine) {
    SqlConfig out;
    out.engine = engine;
    out.domains = {"example.org", "example.com"};
    out.host = environment("POSTHORN_TEST_SQL_HOST");
    out.port = static_cast<std::uint16_t>(std::atoi(environment("POSTHORN_TEST_SQL_PORT").c_str()));
    out.user = environment("POSTHORN_TEST_SQL_USER");
    out.password = environment("POSTHORN_TEST_SQL_PASSWORD");
    out.database = "mail";
    out.scram = true;
    out.account_query =
        "SELECT name, password, disabled, quota, max_messages, scram_sha_1, scram_sha_256 FROM account"
        " WHERE local = :local AND domain = :domain";
    return out;
}

// Nobody listens there.
SqlConfig nowhere(SqlEngine engine) {
    auto out = sql(engine);
    out.host = "127.0.0.1";
    out.port = 1;
    return out;
}

LdapConfig ldap() {
    LdapConfig out;
    out.url = environment("POSTHORN_TEST_LDAP");
    out.ca_file = environment("POSTHORN_TEST_LDAP_CA");
    out.starttls = !missing("POSTHORN_TEST_LDAP_STARTTLS");
    out.domains = {"example.org", "example.com"};
    out.bind_dn = "cn=admin,dc=example,dc=org";
    out.bind_password = "ldap secret";
    out.base = "dc=example,dc=org";
    out.filter = "(&(objectClass=inetOrgPerson)(mail=%a))";
    out.quota_attribute = "departmentNumber";
    out.max_messages_attribute = "roomNumber";
    out.disabled_attribute = "employeeType";
    out.alias_filter = "(&(objectClass=nisMailAlias)(cn=%a))";
    out.alias_attribute = "rfc822MailMember";
    return out;
}

struct World {
    net::SimLoops loops;
    std::unique_ptr<net::Pool> pool = loops.make_pool("auth", 10);
};

void temporary(World& w, impl::Backend& backend) {
    const mail::AccountName ann{"ann", "example.org"};
    const auto found = answer_of(w.loops, backend.find(w.loops.at(0), ann));
    REQUIRE_FALSE(found);
    CHECK(found.error().kind == base::ErrorKind::temporary);
    CHECK_FALSE(found.error().log_text.empty());
}

}  // namespace

TEST_CASE("contract: sqlite" * doctest::skip(missing("POSTHORN_TEST_SQLITE"))) {
    World w;
    auto config = sql(SqlEngine::sqlite);
    config.database = environment("POSTHORN_TEST_SQLITE");
    impl::SqlBackend backend(config, *w.pool);
    auth::testing::backend_contract(w.loops, backend);
}

TEST_CASE("contract: postgresql" * doctest::skip(missing("POSTHORN_TEST_POSTGRESQL"))) {
    World w;
    impl::SqlBackend backend(sql(SqlEngine::postgresql), *w.pool);
    auth::testing::backend_contract(w.loops, backend);
}

TEST_CASE("contract: mariadb" * doctest::skip(missing("POSTHORN_TEST_MARIADB"))) {
    World w;
    impl::SqlBackend backend(sql(SqlEngine::mariadb), *w.pool);
    auth::testing::backend_contract(w.loops, backend);
}

TEST_CASE("contract: ldap" * doctest::skip(missing("POSTHORN_TEST_LDAP"))) {
    World w;
    impl::LdapBackend backend(ldap(), *w.pool);
    auth::testing::backend_contract(w.loops, backend);
}

TEST_CASE("ldap: an entry that tells its address is nobody else's" * doctest::skip(missing("POSTHORN_TEST_LDAP"))) {
    World w;
    auto config = ldap();
    config.filter = "(mail=ann@example.org)";  // as a matching rule that finds more than it should
    config.address_attribute = "mail";
    impl::LdapBackend backend(config, *w.pool);
    const auto found = [&](const char* local) {
        const auto entry = answer_of(w.loops, backend.find(w.loops.at(0), {local, "example.org"}));
        REQUIRE(entry);
        return *entry && (*entry)->account.has_value();
    };
    CHECK(found("ann"));
    CHECK_FALSE(found("\xc3\xa4nn"));
    CHECK_FALSE(auth::testing::right_password(w.loops, backend, {"\xc3\xa4nn", "example.org"}, "correct horse"));
}

TEST_CASE("ldap: an entry that tells several addresses is each one's" *
          doctest::skip(missing("POSTHORN_TEST_LDAP"))) {
    World w;
    auto config = ldap();
    config.filter = "(uid=bob)";
    config.address_attribute = "mail";
    impl::LdapBackend backend(config, *w.pool);
    for (const auto* local : {"bob", "robert", "ann"}) {
        CAPTURE(local);
        const auto entry = answer_of(w.loops, backend.find(w.loops.at(0), {local, "example.org"}));
        REQUIRE(entry);
        CHECK(entry->has_value() == (std::string_view(local) != "ann"));
    }
}

TEST_CASE("contract: ldap, by name and group" * doctest::skip(missing("POSTHORN_TEST_LDAP"))) {
    World w;
    auto config = ldap();
    config.user_dn = "uid=%u,ou=people,dc=example,dc=org";
    config.group = "cn=mail,dc=example,dc=org";
    impl::LdapBackend backend(config, *w.pool);
    const mail::AccountName ann{"ann", "example.org"};
    const mail::AccountName bob{"bob", "example.org"};
    CHECK(auth::testing::right_password(w.loops, backend, ann, "correct horse"));
    CHECK_FALSE(auth::testing::right_password(w.loops, backend, ann, "battery staple"));
    CHECK_FALSE(auth::testing::right_password(w.loops, backend, bob, "battery staple"));  // not in the group
}

TEST_CASE("ldap: a certificate that nobody we trust has signed is an outage" *
          doctest::skip(missing("POSTHORN_TEST_LDAP_CA"))) {
    World w;
    auto config = ldap();
    config.ca_file = "";
    impl::LdapBackend backend(config, *w.pool);
    temporary(w, backend);
}

TEST_CASE("a server that is not there is a temporary failure, never an unknown user or a wrong password") {
    World w;
    for (const auto engine : {SqlEngine::postgresql, SqlEngine::mariadb, SqlEngine::sqlite}) {
        auto config = nowhere(engine);
        if (engine == SqlEngine::sqlite) config.database = "/nowhere/at/all";
        impl::SqlBackend backend(config, *w.pool);
        temporary(w, backend);
    }
    auto config = ldap();
    config.url = "ldap://127.0.0.1:1";
    impl::LdapBackend backend(config, *w.pool);
    temporary(w, backend);
    const mail::AccountName ann{"ann", "example.org"};
    const auto right = answer_of(w.loops, backend.check(w.loops.at(0), ann, "x"));
    REQUIRE_FALSE(right);
    CHECK(right.error().kind == base::ErrorKind::temporary);
}

TEST_CASE("sql: a row with another address than was asked for is nobody's") {
    World w;
    const auto finds = [&](const std::string& address) {
        auto config = sql(SqlEngine::sqlite);
        config.database = ":memory:";
        config.account_query = "SELECT 'Ann' AS name, " + address + " AS address";
        config.alias_query.clear();
        impl::SqlBackend backend(config, *w.pool);
        const mail::AccountName ann{"ann", "example.org"};
        const auto found = answer_of(w.loops, backend.find(w.loops.at(0), ann));
        const auto secrets = answer_of(w.loops, backend.secrets(w.loops.at(0), ann));
        REQUIRE((found && secrets));
        CHECK(found->has_value() == secrets->has_value());
        return found->has_value();
    };
    CHECK(finds("'ann@example.org'"));
    CHECK(finds("'Ann@Example.ORG'"));
    CHECK_FALSE(finds("'änn@example.org'"));
    CHECK_FALSE(finds("'ann@example.com'"));
    CHECK_FALSE(finds("NULL"));
}

TEST_CASE("named parameters become the engine's marks, but not in quotes and casts") {
    const auto one = impl::with_marks("SELECT ':no', x::text FROM t WHERE a = :local AND b=:domain OR c = :local",
                                      impl::SqlMarks::dollar);
    CHECK(one.text == "SELECT ':no', x::text FROM t WHERE a = $1 AND b=$2 OR c = $3");
    CHECK(one.parameters == std::vector<std::string>{"local", "domain", "local"});
    CHECK(impl::with_marks("a = :x", impl::SqlMarks::question).text == "a = ?");
    CHECK(impl::with_marks("a : b 'open", impl::SqlMarks::question).text == "a : b 'open");
}

TEST_CASE("RFC 4515 §3, RFC 4514 §2.4: a name means nothing in a filter or a DN") {
    const mail::AccountName odd{"a*)(uid=\\", "example.org"};
    CHECK(impl::filter_for("(mail=%a)", odd) == "(mail=a\\2a\\29\\28uid=\\5c@example.org)");
    CHECK(impl::filter_for("(x=%u)(y=%d)(z=%%%q)", {"ann", "example.org"}) == "(x=ann)(y=example.org)(z=%%q)");
    CHECK(impl::dn_for("uid=%u,dc=x", {"ann,dc=y+a=\"b\"", "example.org"}) ==
          "uid=ann\\2cdc\\3dy\\2ba\\3d\\22b\\22,dc=x");
    CHECK(impl::dn_for("uid=%u", {"#a ", "example.org"}) == "uid=\\23a\\20");
}
