#include "proto/pop3/transparency.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using posthorn::pop3::Transparency;

namespace {

std::string sent(std::string_view message, std::optional<std::uint32_t> lines = std::nullopt,
                 std::size_t piece = 1) {
    Transparency sender(lines);
    std::string out;
    for (; !message.empty() && !sender.done(); message.remove_prefix(std::min(piece, message.size())))
        sender.feed(message.substr(0, piece), out);
    sender.finish(out);
    return out;
}

}  // namespace

TEST_CASE("dots and line ends of a message") {
    for (const std::size_t piece : {1UL, 2UL, 3UL, 100UL}) {
        CAPTURE(piece);
        const auto whole = [&](std::string_view text) { return sent(text, std::nullopt, piece); };
        CHECK(whole("") == ".\r\n");
        CHECK(whole("a") == "a\r\n.\r\n");
        CHECK(whole("a\r\n") == "a\r\n.\r\n");
        CHECK(whole("a\r") == "a\r\n.\r\n");
        CHECK(whole("a\nb\r\nc") == "a\r\nb\r\nc\r\n.\r\n");
        CHECK(whole(".\r\n..\r\n.a\n a.\n") == "..\r\n...\r\n..a\r\n a.\r\n.\r\n");
        CHECK(whole("a\r.b\r\n") == "a\r.b\r\n.\r\n");
        CHECK(whole("\n\n") == "\r\n\r\n.\r\n");
    }
}

TEST_CASE("the first lines of a message") {
    const std::string message = "A: b\r\nC: d\r\n\r\n1\r\n\r\n.3\r\n4";
    for (const std::size_t piece : {1UL, 5UL, 100UL}) {
        CAPTURE(piece);
        CHECK(sent(message, 0, piece) == "A: b\r\nC: d\r\n\r\n.\r\n");
        CHECK(sent(message, 1, piece) == "A: b\r\nC: d\r\n\r\n1\r\n.\r\n");
        CHECK(sent(message, 3, piece) == "A: b\r\nC: d\r\n\r\n1\r\n\r\n..3\r\n.\r\n");
        CHECK(sent(message, 1000, piece) == "A: b\r\nC: d\r\n\r\n1\r\n\r\n..3\r\n4\r\n.\r\n");
        CHECK(sent("A: b\n\nx\ny\n", 1, piece) == "A: b\r\n\r\nx\r\n.\r\n");
        CHECK(sent("A: b\r\n", 5, piece) == "A: b\r\n.\r\n");
    }
}
