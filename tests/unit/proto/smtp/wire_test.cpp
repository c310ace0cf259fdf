// PROXY headers, XCLIENT, replies, and what is seen of a header in passing.
#include <doctest/doctest.h>

#include "proto/smtp/header_watch.hpp"
#include "proto/smtp/proxy_header.hpp"
#include "proto/smtp/server_reply.hpp"
#include "proto/smtp/xclient.hpp"

using namespace posthorn::smtp;
using Status = ProxyParse::Status;
using namespace std::string_literals;

namespace {

// Reads `octets` as a session would: only what the parser asks for. Behind it stands more that must be left alone.
ProxyParse read_exactly(const std::string& octets) {
    const auto wire = octets + "\x16\x03\x01 next";
    std::size_t taken = 0;
    while (true) {
        auto parse = parse_proxy_header(std::string_view(wire).substr(0, taken));
        if (parse.status == Status::done) CHECK(taken == octets.size());
        if (parse.status != Status::more) return parse;
        REQUIRE(parse.more > 0);
        taken += parse.more;
        REQUIRE(taken <= wire.size());
    }
}

std::string v2(char command, char family, std::string_view body) {
    auto out = "\r\n\r\n\0\r\nQUIT\n"s;
    out += command;
    out += family;
    out += static_cast<char>(body.size() >> 8);
    out += static_cast<char>(body.size() & 255);
    return out += body;
}

}  // namespace

TEST_CASE("PROXY version 1") {
    const auto tcp4 = read_exactly("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n");
    REQUIRE(tcp4.status == Status::done);
    CHECK(tcp4.header.source == ProxyAddress{"192.0.2.7", 56324});
    CHECK(tcp4.header.destination == ProxyAddress{"198.51.100.1", 25});
    CHECK(read_exactly("PROXY TCP6 2001:db8::7 2001:db8::1 1 25\r\n").header.source->ip == "2001:db8::7");
    CHECK(read_exactly("PROXY UNKNOWN\r\n").status == Status::done);
    CHECK_FALSE(read_exactly("PROXY UNKNOWN ffff:f...f:ffff ffff 1 2\r\n").header.source);
    for (const char* bad :
         {"PROXY TCP4 192.0.2.7 198.51.100.1 56324 65536\r\n", "PROXY TCP4 999.0.2.7 198.51.100.1 1 2\r\n",
          "PROXY TCP4 2001:db8::7 2001:db8::1 1 25\r\n", "PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
          "PROXY TCP4 192.0.2.7\r\nEHLO x\r\n", "EHLO example.org\r\n",
          "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\rx"}) {
        CAPTURE(bad);
        CHECK(read_exactly(bad).status == Status::bad);
    }
    CHECK(parse_proxy_header("PROXY UNKNOWN " + std::string(100, 'x')).status == Status::bad);
}

TEST_CASE("PROXY version 2") {
    const auto tcp4 = read_exactly(v2('\x21', '\x11', "\xc0\0\2\7\xc6\x33\x64\1\xdc\4\0\x19"s));
    REQUIRE(tcp4.status == Status::done);
    CHECK(tcp4.header.source == ProxyAddress{"192.0.2.7", 56324});
    CHECK(tcp4.header.destination == ProxyAddress{"198.51.100.1", 25});
    const auto ip6 = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"s;
    const auto tcp6 = read_exactly(v2('\x21', '\x21', ip6 + ip6 + "\0\1\0\2"s + "\4\0\0"s));
    REQUIRE(tcp6.status == Status::done);
    CHECK(tcp6.header.source == ProxyAddress{"2001:db8::7", 1});
    CHECK_FALSE(read_exactly(v2('\x20', '\0', "")).header.source);
    CHECK_FALSE(read_exactly(v2('\x21', '\x31', std::string(216, 'x'))).header.source);
    CHECK(read_exactly(v2('\x21', '\x11', "short")).status == Status::bad);
    CHECK(read_exactly(v2('\x31', '\x11', std::string(12, 'x'))).status == Status::bad);
    CHECK(parse_proxy_header(v2('\x21', '\x11', std::string(kMaxProxyHeader, 'x')).substr(0, 16)).status ==
          Status::bad);
}

TEST_CASE("XCLIENT") {
    const auto given = parse_xclient(
        "NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PORT=25 PROTO=esmtp HELO=mail+2Eexample LOGIN=a+40b");
    REQUIRE(given);
    CHECK(given->name == "");
    CHECK(given->addr == "2001:db8::1");
    CHECK(given->port == "25");
    CHECK(given->proto == "ESMTP");
    CHECK(given->helo == "mail.example");
    CHECK(given->login == "a@b");
    CHECK_FALSE(given->destaddr);
    for (const char* bad : {"", "NAME", "NAME=", "FOO=x", "ADDR=x", "PORT=70000", "PROTO=HTTP", "HELO=a+0Ab",
                            "HELO=a+3Cb", "NAME=a NAME=b", "LOGIN=+zz"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_xclient(bad));
    }
}

TEST_CASE("replies") {
    std::string out;
    append_reply(out, 250, "2.1.0", "Ok");
    append_reply(out, 250, "", "a\nb");
    append_reply(out, {550, "5.7.1", "bad\r\x01text"});
    CHECK(out == "250 2.1.0 Ok\r\n250-a\r\n250 b\r\n550 5.7.1 bad  text\r\n");
    out.clear();
    append_reply(out, 550, "5.7.1", std::string(2000, 'x'));
    CHECK(out.size() <= 512);
}

TEST_CASE("the header in passing, whatever the pieces") {
    const std::string message =
        "Received: from a\r\n\tby b\r\nReceived : by c\r\nX-Received: no\r\nmessage-ID:\r\n <folded@example.org> "
        "\r\n"
        "Message-Id: <second@example.org>\r\n\r\nReceived: in the body\r\n";
    for (std::size_t size = 1; size <= message.size(); ++size) {
        HeaderWatch watch;
        for (std::size_t at = 0; at < message.size(); at += size)
            watch.feed(std::string_view(message).substr(at, size));
        CHECK(watch.received() == 2);
        CHECK(watch.message_id() == "<folded@example.org>");
        CHECK(watch.over());
    }
    HeaderWatch watch;
    watch.feed("Message-ID: " + std::string(100'000, 'x'));
    watch.feed("\r\n");
    CHECK(watch.message_id().size() == HeaderWatch::kMaxMessageId);
}
