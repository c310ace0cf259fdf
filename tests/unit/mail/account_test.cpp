#include "mail/account.hpp"

#include <doctest/doctest.h>

using namespace posthorn::mail;

TEST_CASE("an account's name is its address in canonical form") {
    const auto name = account_name({"Jane.Doe", "EXAMPLE.Org"});
    REQUIRE(name);
    CHECK(name->text() == "jane.doe@example.org");
    CHECK(name->path() == "example.org/jane.doe");
    CHECK(account_name({"x",
                        "b\xc3\xbc"
                        "cher.example"})
              ->domain == "xn--bcher-kva.example");
    CHECK_FALSE(account_name({"", "example.org"}));
    CHECK_FALSE(account_name({"x", "not a domain"}));
}

TEST_CASE("an account's name is read back from its text") {
    for (const char* text : {"a@b.example", "with space@b.example", "at@sign@b.example", "../x@b.example"}) {
        CAPTURE(text);
        const auto name = parse_account_name(text);
        REQUIRE(name);
        CHECK(name->text() == text);
    }
    for (const char* text : {"", "a", "@b.example", "a@", "a@b c"}) CHECK_FALSE(parse_account_name(text));
}

TEST_CASE("a path component is safe, and its name can be had back") {
    CHECK(path_component("a+b_c-d.e9") == "a+b_c-d.e9");
    CHECK(path_component(".") == "%2E");
    CHECK(path_component("..") == "%2E.");
    CHECK(path_component("A/b%") == "%41%2Fb%25");
    CHECK(path_component("") == "%empty");
    std::string all;
    for (int c = 0; c < 60; ++c) all += static_cast<char>(c * 4 + 1);
    CHECK(from_path_component(path_component(all)) == all);
    CHECK(path_component(std::string(200, 'a')) == std::string(200, 'a'));
    CHECK(path_component(std::string(201, 'a')).starts_with("%sha256-"));
    CHECK(path_component(std::string(201, 'a')) != path_component(std::string(202, 'a')));
    for (const char* bad : {"%", "%4", "%zz", "%61", "A", "%2e", "a b", "%sha256-00"}) {
        CAPTURE(bad);
        CHECK_FALSE(from_path_component(bad));
    }
}
