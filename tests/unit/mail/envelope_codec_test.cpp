#include "mail/envelope_codec.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using namespace posthorn::mail;

namespace {

Envelope full() {
    Envelope e;
    for (std::size_t i = 0; i < e.id.bytes.size(); ++i) e.id.bytes[i] = static_cast<std::uint8_t>(i * 17);
    e.reverse_path = {"j\xc3\xbcrgen o",
                      "b\xc3\xbc"
                      "cher.example"};
    e.recipients = {{{"a", "example.com"}, notify::success | notify::failure, "rfc822;user+40example.org"},
                    {{"x\"y", "[IPv6:2001:db8::1]"}, notify::never, "utf-8;\\x{E9}@example.org"},
                    {{"Postmaster", ""}, 0, ""}};
    e.body = BodyType::binary_mime;
    e.smtputf8 = true;
    e.ret = DsnReturn::headers;
    e.envid = "QQ+20314159";
    e.client = {"2001:db8::7", 65535, "client.example", true, "TLSv1.3", "TLS_AES_256_GCM_SHA384", "user"};
    e.listener = "smtp [::]:25";
    e.arrival = base::from_ms(1'795'000'000'123);
    e.body_size = 5'000'000'000;
    e.header_message_id = "<1@example.com>";
    e.trace_headers = "Received: from a\r\n\tby b; now\r\nReturn-Path: <>\r\n";
    e.trace = {"0123456789abcdef0123456789abcdef", "0123456789abcdef"};
    e.metadata = {{"service", "mx"}, {"k", std::string(70'000, 'v')}};
    return e;
}

// An envelope map of one key, whose value `value` writes.
template <class Value>
std::string with(std::string_view key, Value value) {
    base::MsgpackWriter out;
    out.map(2);
    out.str("v");
    out.uinteger(1);
    out.str(key);
    value(out);
    return out.take();
}

}  // namespace

TEST_CASE("envelope: comes back as it went") {
    const auto envelope = full();
    CHECK(decode_envelope(encode_envelope(envelope)).value() == envelope);
    CHECK(decode_envelope(encode_envelope(Envelope{})).value() == Envelope{});
    auto encrypted = full();
    encrypted.encryption = {"age-v1", true};
    CHECK(decode_envelope(encode_envelope(encrypted)).value() == encrypted);
    encrypted.hold_until = base::from_ms(1'795'000'600'000);
    encrypted.origin.bytes.fill(7);
    CHECK(decode_envelope(encode_envelope(encrypted)).value() == encrypted);
}

TEST_CASE("envelope: what LMTP promised is told by its field, and before there was one by the listener's name") {
    const auto old = with("l", [](auto& out) { out.str("lmtp unix:/run/posthorn/lmtp.sock"); });
    CHECK(decode_envelope(old).value().promised);
    const auto other = with("l", [](auto& out) { out.str("smtp [::]:25"); });
    CHECK_FALSE(decode_envelope(other).value().promised);
    Envelope e;
    e.listener = "lmtp unix:/run/posthorn/lmtp.sock";
    CHECK_FALSE(decode_envelope(encode_envelope(e)).value().promised);
    e.promised = true;
    e.listener = "handed over";
    CHECK(decode_envelope(encode_envelope(e)).value().promised);
}

TEST_CASE("envelope: cut anywhere it is refused") {
    auto envelope = full();
    envelope.metadata["k"] = "v";
    const auto bytes = encode_envelope(envelope);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(decode_envelope(std::string_view(bytes).substr(0, size)));
    }
}

TEST_CASE("envelope: a body may follow") {
    const auto bytes = encode_envelope(full());
    std::size_t used = 0;
    CHECK(decode_envelope_prefix(bytes + "Subject: x\r\n", used).value() == full());
    CHECK(used == bytes.size());
    CHECK_FALSE(decode_envelope(bytes + "x"));
}

TEST_CASE("envelope: unknown keys are skipped, newer versions refused") {
    const auto unknown = with("future", [](auto& out) {
        out.map(1);
        out.str("deep");
        out.array(3);
        out.nil();
        out.number(1.5);
        out.bin("\x01\x02");
    });
    CHECK(decode_envelope(unknown).value() == Envelope{});
    base::MsgpackWriter newer;
    newer.map(1);
    newer.str("v");
    newer.uinteger(2);
    const auto refused = decode_envelope(newer.take());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().log_text.find("newer version") != std::string::npos);
    CHECK_FALSE(decode_envelope("\x80"));  // no version at all
}

TEST_CASE("envelope: nothing decoded can break out of a command or a header") {
    const auto sender = [](std::string_view local, std::string_view domain) {
        return with("f", [=](auto& out) {
            out.array(2);
            out.str(local);
            out.str(domain);
        });
    };
    CHECK(decode_envelope(sender("a", "b.example")));
    CHECK_FALSE(decode_envelope(sender("a>\r\nRCPT TO:<b", "b.example")));
    CHECK_FALSE(decode_envelope(sender("a", "b.example\r\n")));
    CHECK_FALSE(decode_envelope(sender("a", "")));
    CHECK_FALSE(decode_envelope(sender(std::string(65, 'a'), "b")));
    const auto text = [](std::string_view key, std::string_view value) {
        return decode_envelope(with(key, [=](auto& out) { out.str(value); })).has_value();
    };
    CHECK(text("eid", "abc"));
    CHECK_FALSE(text("eid", "a b"));
    CHECK_FALSE(text("eid", "a\r\nb"));
    CHECK(text("h", "A: b\r\n"));
    for (const char* bad : {"A: b", "A: b\n", "A: b\r\n\r\n", "\r\n", "A\r: b\r\n", "A: b\r\nB\n: c\r\n"}) {
        CAPTURE(bad);
        CHECK_FALSE(text("h", bad));
    }
    const auto nobody = with("r", [](auto& out) {
        out.array(1);
        out.map(0);
    });
    CHECK_FALSE(decode_envelope(nobody));
}

TEST_CASE("envelope: counts larger than the bytes there are") {
    CHECK_FALSE(decode_envelope(std::string_view("\xdf\xff\xff\xff\xff", 5)));
    CHECK_FALSE(decode_envelope(with("r", [](auto& out) { out.array(0xFFFFFFFF); })));
    CHECK_FALSE(decode_envelope(with("zz", [](auto& out) {
        for (int i = 0; i < 100; ++i) out.array(1);
        out.nil();
    })));
}

TEST_CASE("recipient state: comes back as it went") {
    RecipientState state;
    CHECK(decode_state(encode_state(state)).value() == state);
    state = {RecipientStatus::expired,
             25,
             base::from_ms(1'795'000'000'000),
             {Outcome::Kind::permanent, 550, "5.1.1", "no such user", "mx.example.com", "192.0.2.1", "TLSv1.3 X",
              base::from_ms(1'795'000'000'999)},
             true,
             true};
    const auto bytes = encode_state(state);
    CHECK(decode_state(bytes).value() == state);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_state(std::string_view(bytes).substr(0, size)));
    }
    CHECK_FALSE(decode_state(bytes + "x"));
}
