// The decoder against a plain statement of the rules, over every short text of the octets that matter.
#include "proto/smtp/text_decoder.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

using namespace posthorn::smtp;
using namespace std::string_literals;

namespace {

struct Decoded {
    std::string body;
    TextFault fault = TextFault::none;
    std::optional<std::size_t> end;  // octets of input up to and with the final dot's line
    bool operator==(const Decoded&) const = default;
};

using Framing = TextDecoder::Framing;

Decoded decode(const std::vector<std::string>& segments, TextDecoder::Limits limits,
               Framing framing = Framing::data) {
    TextDecoder decoder(framing, limits);
    Decoded out;
    std::size_t taken = 0;
    for (const auto& segment : segments) {
        std::string_view input = segment;
        while (!input.empty() && !out.end) {
            const auto before = input.size();
            const auto piece = decoder.next(input);
            taken += before - input.size();
            out.body += piece.body;
            if (piece.end) out.end = taken;
        }
    }
    if (framing != Framing::data) {
        for (auto piece = decoder.finish(); !piece.body.empty(); piece = decoder.finish()) out.body += piece.body;
    }
    out.fault = decoder.fault();
    if (out.fault != TextFault::none) out.body.clear();
    return out;
}

// The rules, said plainly: CRLF.CRLF ends (the CRLF of the command before counts); what stands before it is lines.
Decoded expect(const std::string& wire, BareNewline bare) {
    Decoded out;
    const auto text = "\r\n" + wire;
    const auto stop = text.find("\r\n.\r\n");
    if (stop == std::string::npos) return out;
    out.end = stop + 3;
    bool line_start = true;
    for (std::size_t i = 2; i < stop + 2;) {
        const auto octet = text[i];
        if (line_start && octet == '.') {
            line_start = false;
            ++i;
            continue;
        }
        line_start = octet == '\r' || octet == '\n';
        if (line_start && text.compare(i, 2, "\r\n") == 0) {
            out.body += "\r\n";
            i += 2;
        } else if (line_start) {
            if (bare == BareNewline::reject) out.fault = TextFault::bare_newline;
            out.body += "\r\n";
            ++i;
        } else {
            out.body += octet;
            ++i;
        }
    }
    if (out.fault != TextFault::none) out.body.clear();
    return out;
}

std::vector<std::string> octet_by_octet(const std::string& text) {
    std::vector<std::string> out;
    for (const char c : text) out.emplace_back(1, c);
    return out;
}

}  // namespace

TEST_CASE("every text of up to seven octets, in every two pieces and octet by octet") {
    static constexpr std::string_view alphabet = "\r\n.a";
    for (const auto bare : {BareNewline::reject, BareNewline::normalise}) {
        for (std::size_t length = 0; length <= 7; ++length) {
            for (std::size_t code = 0; code < (1U << (2 * length)); ++code) {
                std::string text;
                for (std::size_t i = 0; i < length; ++i) text += alphabet[(code >> (2 * i)) & 3];
                for (const auto& wire : {text, text + "\r\n.\r\n"}) {
                    const auto wanted = expect(wire, bare);
                    const TextDecoder::Limits limits{.bare_newline = bare};
                    bool same = true;
                    const auto check = [&](const std::vector<std::string>& segments) {
                        const auto got = decode(segments, limits);
                        same &= got.end == wanted.end;
                        // An unfinished text has no verdict yet.
                        if (wanted.end) same &= got == wanted;
                    };
                    check({wire});
                    check(octet_by_octet(wire));
                    for (std::size_t cut = 1; cut < wire.size(); ++cut)
                        check({wire.substr(0, cut), wire.substr(cut)});
                    if (!same) {
                        CAPTURE(octet_by_octet(wire));
                        REQUIRE(same);
                    }
                }
            }
        }
    }
}

TEST_CASE("smuggling: nothing but CRLF.CRLF ends a message") {
    for (const char* trick :
         {"\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\n.\r", "\r\n..\r\n", "\r\n.\n\r\n"}) {
        const auto wire = "text"s + trick + "MAIL FROM:<evil@example.org>\r\n.\r\n";
        CAPTURE(octet_by_octet(trick));
        for (const auto bare : {BareNewline::reject, BareNewline::normalise}) {
            CHECK(decode({wire}, {.bare_newline = bare}).end == wire.size());
            CHECK(decode(octet_by_octet(wire), {.bare_newline = bare}).end == wire.size());
        }
        const auto fault = decode({wire}, {}).fault;
        CHECK((fault == TextFault::bare_newline) == (trick != "\r\n..\r\n"s));
    }
}

TEST_CASE("NUL, 8-bit and long lines") {
    CHECK(decode({"a\0b\r\n.\r\n"s}, {}).fault == TextFault::nul);
    for (std::size_t at = 0; at < 20; ++at) {
        auto text = std::string(20, 'x');
        text[at] = '\0';
        CHECK(decode({text + "\r\n.\r\n"}, {}).fault == TextFault::nul);
        text[at] = '\x80';
        std::string_view input = text;
        TextDecoder decoder(Framing::data, {});
        decoder.next(input);
        CHECK(decoder.eight_bit());
        CHECK(decoder.fault() == TextFault::none);
    }
    const TextDecoder::Limits limits{.max_line = 10};
    CHECK(decode({"12345678\r\n.\r\n"}, limits).fault == TextFault::none);
    CHECK(decode({"..2345678\r\n.\r\n"}, limits).fault == TextFault::none);
    CHECK(decode({"123456789\r\n.\r\n"}, limits).fault == TextFault::line_too_long);
    CHECK(decode({"123456789\r\n.\r\n"}, limits).end == 14);
    CHECK(decode(octet_by_octet("12345678\r\n12345678\r\n.\r\n"), limits).fault == TextFault::none);
    CHECK(decode(octet_by_octet("123456789\r\n.\r\n"), limits).fault == TextFault::line_too_long);
    CHECK(decode({std::string(1000, 'x'), std::string(1000, 'x')}, {}).fault == TextFault::line_too_long);
}

TEST_CASE("chunks keep their dots and their last line") {
    const TextDecoder::Limits strict{};
    const TextDecoder::Limits lenient{.bare_newline = BareNewline::normalise};
    CHECK(decode({".a\r", "\n.\r\n", "..b"}, strict, Framing::chunks).body == ".a\r\n.\r\n..b");
    CHECK(decode({"a\r"}, strict, Framing::chunks).fault == TextFault::bare_newline);
    CHECK(decode({"a\r"}, lenient, Framing::chunks).body == "a\r\n");
    CHECK(decode({"a\nb\rc"}, lenient, Framing::chunks).body == "a\r\nb\r\nc");
    CHECK(decode({"a\nb"}, strict, Framing::chunks).fault == TextFault::bare_newline);
    CHECK(decode({"\n\r\0\xff"s}, strict, Framing::binary).body == "\n\r\0\xff"s);
}

TEST_CASE("good text passes without a copy") {
    std::string wire;
    for (int i = 0; i < 100; ++i) wire += "a line of an ordinary message, nothing to see here\r\n";
    TextDecoder decoder(Framing::data, {});
    std::string_view input = wire;
    const auto piece = decoder.next(input);
    CHECK(piece.body.data() == wire.data());
    CHECK(piece.body.size() == wire.size());
    CHECK(input.empty());
}
