#include "net/dns_message.hpp"

#include <doctest/doctest.h>

#include "net/impl/dns_cache.hpp"
#include "tests/unit/net/dns_text.hpp"

using namespace posthorn;
using namespace posthorn::net;
using namespace posthorn::net::testing;
using namespace std::chrono_literals;

namespace {

DnsAnswer parse(const std::string& message, std::string_view name, DnsType type) {
    return parse_dns_answer({reinterpret_cast<const std::uint8_t*>(message.data()), message.size()}, name, type);
}

}  // namespace

TEST_CASE("MX records come with their preference and the least TTL") {
    DnsText text("example.org", DnsType::mx);
    text.mx("example.org", 300, 10, "MX1.example.org").mx("example.org", 60, 20, "mx2.example.org");
    const auto answer = parse(text.text(), "example.org", DnsType::mx);
    CHECK(answer.status == DnsStatus::ok);
    CHECK(answer.mx == std::vector<MxRecord>{{10, "mx1.example.org"}, {20, "mx2.example.org"}});
    CHECK(answer.ttl == 60s);
    CHECK(answer.canonical == "example.org");
}

TEST_CASE("a null MX has the root as its host") {
    DnsText text("example.org", DnsType::mx);
    text.mx("example.org", 300, 0, "");
    CHECK(parse(text.text(), "example.org", DnsType::mx).mx == std::vector<MxRecord>{{0, ""}});
}

TEST_CASE("names are compressed by pointers that lead back") {
    DnsText text("example.org", DnsType::mx);
    // The owner points to the question at 12, the host is "mx" and then the same.
    text.answers.push_back(u16(0xC00C) + u16(15) + u16(1) + u32(100) + u16(7) + u16(5) + "\x02mx" + u16(0xC00C));
    const auto answer = parse(text.text(), "example.org", DnsType::mx);
    CHECK(answer.mx == std::vector<MxRecord>{{5, "mx.example.org"}});
}

TEST_CASE("pointers in a circle, forward or outside are refused") {
    for (const unsigned target : {29U, 30U, 31U, 100U, 0x3FFFU}) {
        CAPTURE(target);
        DnsText text("example.org", DnsType::a);  // the question is 17 bytes: the answer begins at 29
        text.answers.push_back(u16(0xC000U | target) + u16(1) + u16(1) + u32(1) + u16(4) + "abcd");
        const auto answer = parse(text.text(), "example.org", DnsType::a);
        CHECK(answer.status == DnsStatus::servfail);
        CHECK(answer.text.find("malformed") != std::string::npos);
    }
}

TEST_CASE("CNAMEs are followed, in any order, and their TTL counts") {
    DnsText text("www.example.org", DnsType::a);
    text.a("host.example.net", 500, "192.0.2.1")
        .cname("alias.example.org", 40, "host.example.net")
        .cname("www.example.org", 300, "alias.example.org")
        .a("stranger.example.org", 1, "192.0.2.66");
    const auto answer = parse(text.text(), "www.example.org", DnsType::a);
    CHECK(answer.status == DnsStatus::ok);
    REQUIRE(answer.addresses.size() == 1);
    CHECK(answer.addresses[0].to_string() == "192.0.2.1");
    CHECK(answer.ttl == 40s);
    CHECK(answer.canonical == "host.example.net");
    CHECK(answer.links == 2);
}

TEST_CASE("CNAMEs in a circle, or too many, are a server's failure") {
    DnsText circle("a.example", DnsType::a);
    circle.cname("a.example", 1, "b.example").cname("b.example", 1, "a.example");
    CHECK(parse(circle.text(), "a.example", DnsType::a).status == DnsStatus::servfail);
    DnsText chain("n0.example", DnsType::a);
    for (int i = 0; i < 9; ++i) {
        chain.cname("n" + std::to_string(i) + ".example", 1, "n" + std::to_string(i + 1) + ".example");
    }
    chain.a("n9.example", 1, "192.0.2.1");
    CHECK(parse(chain.text(), "n0.example", DnsType::a).status == DnsStatus::servfail);
    chain.answers.erase(chain.answers.begin());
    chain.question = DnsText("n1.example", DnsType::a).question;
    CHECK(parse(chain.text(), "n1.example", DnsType::a).status == DnsStatus::ok);
}

TEST_CASE("a CNAME without what it leads to is incomplete, unless the server says there is nothing") {
    DnsText text("www.example.org", DnsType::a);
    text.cname("www.example.org", 300, "host.example.net");
    auto answer = parse(text.text(), "www.example.org", DnsType::a);
    CHECK(answer.incomplete);
    CHECK(answer.canonical == "host.example.net");
    CHECK(answer.ttl == 300s);
    text.soa("example.net", 100, 50);
    answer = parse(text.text(), "www.example.org", DnsType::a);
    CHECK_FALSE(answer.incomplete);
    CHECK(answer.status == DnsStatus::no_data);
    CHECK(answer.ttl == 50s);
}

TEST_CASE("a negative answer lives for the lesser of the SOA's TTL and minimum") {
    DnsText text("none.example.org", DnsType::mx);
    text.rcode(3).soa("example.org", 100, 3600);
    auto answer = parse(text.text(), "none.example.org", DnsType::mx);
    CHECK(answer.status == DnsStatus::nxdomain);
    CHECK(answer.ttl == 100s);
    DnsText empty("example.org", DnsType::mx);
    answer = parse(empty.text(), "example.org", DnsType::mx);
    CHECK(answer.status == DnsStatus::no_data);
    CHECK(answer.ttl == 0s);
}

TEST_CASE("a TTL with its highest bit set counts as 0") {
    DnsText text("example.org", DnsType::a);
    text.a("example.org", 0x80000001U, "192.0.2.1");
    CHECK(parse(text.text(), "example.org", DnsType::a).ttl == 0s);
}

TEST_CASE("TXT strings are joined") {
    DnsText text("example.org", DnsType::txt);
    text.add("example.org", DnsType::txt, 9,
             std::string("\x05v=spf\x05") + "1 -al" + "\x01l" + std::string(1, '\0'));
    CHECK(parse(text.text(), "example.org", DnsType::txt).texts == std::vector<std::string>{"v=spf1 -all"});
    DnsText over("example.org", DnsType::txt);
    over.add("example.org", DnsType::txt, 9, "\x09short");
    CHECK(parse(over.text(), "example.org", DnsType::txt).status == DnsStatus::servfail);
}

TEST_CASE("data of the wrong length is refused") {
    DnsText text("example.org", DnsType::a);
    text.add("example.org", DnsType::a, 9, "abc");
    CHECK(parse(text.text(), "example.org", DnsType::a).status == DnsStatus::servfail);
    DnsText mx("example.org", DnsType::mx);
    mx.add("example.org", DnsType::mx, 9, u16(1) + wire_name("mx.example.org") + "x");
    CHECK(parse(mx.text(), "example.org", DnsType::mx).status == DnsStatus::servfail);
}

TEST_CASE("an answer to another question, a question, and a refusal are failures") {
    DnsText text("example.org", DnsType::a);
    text.a("example.org", 9, "192.0.2.1");
    CHECK(parse(text.text(), "example.net", DnsType::a).status == DnsStatus::servfail);
    CHECK(parse(text.text(), "example.org", DnsType::mx).status == DnsStatus::servfail);
    text.flags = 0x0100;
    CHECK(parse(text.text(), "example.org", DnsType::a).status == DnsStatus::servfail);
    text.flags = 0x8180 | 0x0200;
    CHECK(parse(text.text(), "example.org", DnsType::a).text == "example.org: malformed answer: truncated");
    text.flags = 0x8185;
    CHECK(parse(text.text(), "example.org", DnsType::a).text == "example.org: the server answered REFUSED");
}

TEST_CASE("cut at every byte, a message is refused") {
    DnsText text("example.org", DnsType::mx);
    text.mx("example.org", 300, 10, "mx1.example.org").soa("example.org", 1, 1);
    const auto whole = text.text();
    const auto without_soa = whole.size() - text.authorities[0].size();
    for (std::size_t size = 0; size < without_soa; ++size) {
        CAPTURE(size);
        CHECK(parse(whole.substr(0, size), "example.org", DnsType::mx).status == DnsStatus::servfail);
    }
}

TEST_CASE("a name to ask for is a host name, not an address") {
    CHECK(dns_name("Example.ORG.") == "example.org");
    CHECK(dns_name("_smtp._tls.example.org") == "_smtp._tls.example.org");
    CHECK(dns_name("xn--bcher-kva.example") == "xn--bcher-kva.example");
    const std::string label(63, 'a');
    CHECK(dns_name(label + "." + label + "." + label + "." + std::string(61, 'a')));
    for (const auto& bad :
         std::vector<std::string>{"", ".", "a..b", ".a", "a b",
                                  "b\xC3\xBC"
                                  "cher.example",
                                  "192.0.2.1", "::1", label + "a.example",
                                  label + "." + label + "." + label + "." + label, "a..", std::string("a\0b", 3)}) {
        CAPTURE(bad);
        CHECK_FALSE(dns_name(bad));
    }
}

TEST_CASE("the cache keeps answers for their TTL within its bounds, the least used goes first") {
    DnsConfig config;
    config.cache_entries = 2;
    config.min_ttl = 10s;
    config.max_ttl = 100s;
    config.max_negative_ttl = 30s;
    impl::DnsCache cache(config);
    const base::SteadyTime now{1h};
    const auto answer = [](DnsStatus status, std::chrono::seconds ttl) {
        DnsAnswer made;
        made.status = status;
        made.ttl = ttl;
        return made;
    };
    cache.keep({"a", DnsType::a}, answer(DnsStatus::ok, 1s), now);
    CHECK(cache.find({"a", DnsType::a}, now + 9s));
    CHECK_FALSE(cache.find({"a", DnsType::mx}, now));
    CHECK_FALSE(cache.find({"a", DnsType::a}, now + 10s));
    CHECK(cache.size() == 0);
    CHECK(cache.keep({"b", DnsType::a}, answer(DnsStatus::ok, 1h), now)->until == now + 100s);
    CHECK(cache.keep({"c", DnsType::a}, answer(DnsStatus::nxdomain, 1h), now)->until == now + 30s);
    CHECK(cache.find({"b", DnsType::a}, now));  // c is now the least used
    cache.keep({"d", DnsType::a}, answer(DnsStatus::ok, 50s), now);
    CHECK_FALSE(cache.find({"c", DnsType::a}, now));
    CHECK(cache.find({"b", DnsType::a}, now));
    for (const auto status : {DnsStatus::servfail, DnsStatus::timed_out, DnsStatus::local}) {
        cache.keep({"e", DnsType::a}, answer(status, 1h), now);
        CHECK_FALSE(cache.find({"e", DnsType::a}, now));
    }
    cache.keep({"f", DnsType::a}, answer(DnsStatus::no_data, 0s), now);
    CHECK_FALSE(cache.find({"f", DnsType::a}, now));
    cache.clear("b");
    CHECK_FALSE(cache.find({"b", DnsType::a}, now));
    cache.clear({});
    CHECK(cache.size() == 0);
}
