#include "mail/address.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace posthorn::mail;

TEST_CASE("parse_address: plain") {
    const auto a = parse_address("Jo.Public+tag@Mail.Example.COM");
    REQUIRE(a);
    CHECK(a->local == "Jo.Public+tag");
    CHECK(a->domain == "Mail.Example.COM");
    CHECK(a->to_string() == "Jo.Public+tag@Mail.Example.COM");
    CHECK(a->ascii());
    CHECK_FALSE(a->literal());
    CHECK(parse_address("!#$%&'*+-/=?^_`{|}~@example.com"));
    CHECK(parse_address("a@b"));
}

TEST_CASE("parse_address: refused") {
    for (const char* text : {"",
                             "@",
                             "a",
                             "a@",
                             "@b",
                             "postmaster",
                             ".a@b",
                             "a.@b",
                             "a..b@c",
                             "a b@c",
                             "a@b c",
                             "a@b@c",
                             "<a@b>",
                             "a@-b",
                             "a@b-",
                             "a@b..c",
                             "a@.b",
                             "a@b.",
                             "a@b_c",
                             "a(c)@b",
                             "a@[",
                             "a@[]",
                             "a@[1.2.3]",
                             "a@[1.2.3.4",
                             "a@[256.1.1.1]",
                             "a@[IPv6:1.2.3.4]",
                             "a@[::1]",
                             "a@[IPv6:::1%eth0]",
                             "a@[IPv6:12345::]",
                             "\"a@b",
                             "\"a\"b@c",
                             "\"a\\\"@b",
                             "\"\x01\"@b",
                             "a\xff@b",
                             "a\xc2\x9b@b",
                             "a@b\xc3",
                             "a@\xc3\xa9.",
                             "a@exa\xe3\x80\x82\xe3\x80\x82mple"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text));
    }
    CHECK_FALSE(parse_address(std::string_view("a\0b@c", 5)));
    CHECK_FALSE(parse_address(std::string_view("a@[1.2.3.4\0]", 12)));
}

TEST_CASE("parse_address: lengths") {
    const std::string l63(63, 'a');
    CHECK(parse_address(std::string(64, 'x') + "@b"));
    CHECK_FALSE(parse_address(std::string(65, 'x') + "@b"));
    CHECK(parse_address("a@" + l63));
    CHECK_FALSE(parse_address("a@" + l63 + "a"));
    // RFC 5321 §4.5.3.1.3: 256 with the angle brackets.
    const std::string domain = l63 + "." + l63 + "." + l63;  // 191
    CHECK(parse_address(std::string(62, 'x') + "@" + domain));
    CHECK_FALSE(parse_address(std::string(63, 'x') + "@" + domain));
}

TEST_CASE("parse_address: quoted strings print quoted only where needed") {
    struct Case {
        const char* text;
        const char* local;
        const char* printed;
    };
    for (const auto& c :
         {Case{"\"a b\"@c", "a b", "\"a b\"@c"}, Case{"\"ab\"@c", "ab", "ab@c"}, Case{"\"\"@c", "", "\"\"@c"},
          Case{"\"a\\\"b\\\\\"@c", "a\"b\\", "\"a\\\"b\\\\\"@c"}, Case{"\"a@b\"@c", "a@b", "\"a@b\"@c"},
          Case{"\".a\"@c", ".a", "\".a\"@c"}, Case{"\"\\a\"@c", "a", "a@c"}}) {
        CAPTURE(c.text);
        const auto a = parse_address(c.text);
        REQUIRE(a);
        CHECK(a->local == c.local);
        CHECK(a->to_string() == c.printed);
        CHECK(parse_address(a->to_string()) == a);
    }
}

TEST_CASE("parse_address: UTF-8") {
    const char* text =
        "\xe7\x94\xb2\xe6\x96\x90@b\xc3\xbc"
        "cher.example";
    const auto a = parse_address(text);
    REQUIRE(a);
    CHECK_FALSE(a->ascii());
    CHECK(a->to_string() == text);
    CHECK_FALSE(parse_address(text, false));
    CHECK_FALSE(parse_address("a@b\xc3\xbc.example", false));
    CHECK(parse_address("\"\xc3\xa9 \xc3\xa9\"@b"));
}

TEST_CASE("parse_address: literals") {
    CHECK(parse_address("a@[192.0.2.1]")->literal());
    CHECK(parse_address("a@[IPv6:2001:db8::1]"));
    CHECK(parse_address("a@[ipv6:2001:DB8:0:0::1]"));
    CHECK(parse_address("a@[IPv6:::ffff:192.0.2.1]"));
}

TEST_CASE("Address: the null path and postmaster") {
    CHECK(Address{}.empty());
    CHECK(Address{}.to_string().empty());
    CHECK(Address{"postmaster", ""}.to_string() == "postmaster");
    CHECK_FALSE(Address{"", "b"}.empty());
}

TEST_CASE("domain_key") {
    CHECK(domain_key("Example.COM") == "example.com");
    CHECK(domain_key("example.com.") == "example.com");
    CHECK(domain_key("B\xc3\x9c"
                     "CHER.example") == "xn--bcher-kva.example");
    CHECK(domain_key("XN--BCHER-KVA.example") == "xn--bcher-kva.example");
    CHECK(domain_key("fa\xc3\x9f.de") == "xn--fa-hia.de");  // non-transitional
    CHECK(domain_key("[192.0.2.1]") == "[192.0.2.1]");
    CHECK(domain_key("[ipv6:2001:DB8:0:0::1]") == "[IPv6:2001:db8::1]");
    for (const char* bad : {"", ".", "..", "a..b", "a b", "a_b", "[x]", "a@b", "\xff", "a/\xc3\xa9"}) {
        CAPTURE(bad);
        CHECK(domain_key(bad).empty());
    }
    CHECK(domain_key(std::string(254, 'a')).empty());
}

TEST_CASE("literal_address") {
    CHECK(literal_address("[192.0.2.1]") == "192.0.2.1");
    CHECK(literal_address("[IPv6:2001:DB8::0:1]") == "2001:db8::1");
    CHECK_FALSE(literal_address("192.0.2.1"));
    CHECK_FALSE(literal_address("[IPv6:]"));
}

TEST_CASE("same_mailbox") {
    CHECK(same_mailbox({"a", "Example.com"}, {"a", "example.COM"}));
    CHECK_FALSE(same_mailbox({"A", "example.com"}, {"a", "example.com"}));
    CHECK(same_mailbox({"a",
                        "b\xc3\xbc"
                        "cher.example"},
                       {"a", "xn--bcher-kva.example"}));
    CHECK_FALSE(same_mailbox({"a", "b c"}, {"a", "d e"}));
    CHECK(same_mailbox({}, {}));
}

TEST_CASE("domain_matches") {
    CHECK(domain_matches("example.com", "example.com"));
    CHECK_FALSE(domain_matches("example.com", "a.example.com"));
    CHECK(domain_matches("*.example.com", "a.example.com"));
    CHECK(domain_matches("*.example.com", "a.b.example.com"));
    CHECK_FALSE(domain_matches("*.example.com", "example.com"));
    CHECK_FALSE(domain_matches("*.example.com", "badexample.com"));
    CHECK_FALSE(domain_matches("*.example.com", ".example.com"));
    CHECK(domain_matches("*", "anything"));
}
