#include "mail/address_list.hpp"

#include <doctest/doctest.h>

using namespace posthorn::mail;

namespace {

std::string parse(std::string_view field) {
    const auto list = parse_address_list(field, "host.example");
    if (!list) return list.error();
    std::string out;
    for (const auto& address : *list) out += (out.empty() ? "" : " ") + address.to_string();
    return out;
}

}  // namespace

TEST_CASE("lists of addresses in all their forms") {
    CHECK(parse("a@example.com") == "a@example.com");
    CHECK(parse(" a@example.com ,\r\n\tB <b@example.com>,, c@example.com, ") ==
          "a@example.com b@example.com c@example.com");
    CHECK(parse("\"Doe, John\" <john@example.com>") == "john@example.com");
    CHECK(parse("John (a comment, (nested) with \\) signs) <john@example.com> (more)") == "john@example.com");
    CHECK(parse("friends: a@example.com, B <b@example.com>;, c@example.com") ==
          "a@example.com b@example.com c@example.com");
    CHECK(parse("undisclosed-recipients:;") == "");
    CHECK(parse("<@relay.example,@other.example:a@example.com>") == "a@example.com");
    CHECK(parse("\"odd, local\"@example.com") == "\"odd, local\"@example.com");
    CHECK(parse("a@[192.0.2.1], x@[IPv6:2001:db8::1]") == "a@[192.0.2.1] x@[IPv6:2001:db8::1]");
    CHECK(parse("root, J\xC3\xBCrgen <j\xC3\xBCrgen@example.com>") ==
          "root@host.example j\xC3\xBCrgen@example.com");
    CHECK(parse("") == "");
}

TEST_CASE("what is no address is quoted in the error") {
    CHECK(parse("a@example.com, not an address") == "\"not an address\" is not a mail address");
    CHECK(parse("<>") == "\"<>\" is not a mail address");
    CHECK(parse("a@b@c") == "\"a@b@c\" is not a mail address");
    CHECK(parse("a\r\nb@example.com").find("is not a mail address") != std::string::npos);
    CHECK(parse("\"unclosed").find("is not a mail address") != std::string::npos);
    CHECK_FALSE(parse_mailbox("a@example.com, b@example.com", "h.example"));
    CHECK(parse_mailbox("Me <me@example.com>", "h.example")->to_string() == "me@example.com");
}
