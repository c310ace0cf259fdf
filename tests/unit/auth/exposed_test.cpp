#include "auth/exposed.hpp"

#include <doctest/doctest.h>

using namespace posthorn::auth;

TEST_CASE("a backend on another machine without TLS is told of") {
    Config config;
    const auto told = [&] { return exposed_backends(config).size(); };
    config.ldap.url = "ldap://ldap.example.org";
    config.sql.host = "db.example.org";
    CHECK(told() == 0);  // neither is in use
    config.backends = {BackendKind::ldap};
    for (const auto* url : {"ldap://ldap.example.org", "LDAP://192.0.2.1:389/",
                            "ldapi:/// ldap://[2001:db8::1]:389", "ldap://localhost.example.org"}) {
        config.ldap.url = url;
        CAPTURE(url);
        CHECK(told() == 1);
    }
    for (const auto* url : {"ldaps://ldap.example.org", "ldapi:///", "ldap://localhost:389", "ldap://127.0.0.1",
                            "ldap://[::1]:389/dc=example"}) {
        config.ldap.url = url;
        CAPTURE(url);
        CHECK(told() == 0);
    }
    config.ldap.url = "ldap://ldap.example.org";
    config.ldap.starttls = true;
    CHECK(told() == 0);
    config.backends = {BackendKind::embedded, BackendKind::sql};
    CHECK(told() == 1);
    config.sql.verify_tls = true;
    CHECK(told() == 0);
    config.sql.verify_tls = false;
    for (const auto* host : {"localhost", "/run/postgresql", "127.0.0.1", "::1"}) {
        config.sql.host = host;
        CAPTURE(host);
        CHECK(told() == 0);
    }
    config.sql.host = "db.example.org";
    config.sql.engine = SqlEngine::sqlite;
    CHECK(told() == 0);
}
