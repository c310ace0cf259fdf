#include "proto/smtp/dot_stuffer.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace posthorn::smtp;

namespace {

std::string stuffed(std::string_view message, std::size_t piece) {
    DotStuffer stuffer;
    std::string out;
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < message.size(); at += piece) {
        pieces.clear();
        stuffer.stuff(message.substr(at, piece), pieces);
        for (const auto view : pieces) out += view;
    }
    return out += stuffer.end();
}

}  // namespace

TEST_CASE("dot-stuffing, whatever the pieces") {
    const char* cases[][2] = {
        {"", ".\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r", "a\r\r\n.\r\n"},
        {"a\n", "a\n\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"..\r\n", "...\r\n.\r\n"},
        {"a.b\r\n.c\r\n..\r\n", "a.b\r\n..c\r\n...\r\n.\r\n"},
        {"\r\n.\r\n", "\r\n..\r\n.\r\n"},
        // Nobody else's end of data gets through.
        {"a\n.\nb\r\n", "a\n..\nb\r\n.\r\n"},
        {"a\n.\r\nb\r\n", "a\n..\r\nb\r\n.\r\n"},
        {"a\r.\rb\r\n", "a\r..\rb\r\n.\r\n"},
        {"a\r\n.\rb\r\n", "a\r\n..\rb\r\n.\r\n"},
    };
    for (const auto& [message, wire] : cases) {
        for (std::size_t piece = 1; piece < 8; ++piece) {
            CAPTURE(message);
            CAPTURE(piece);
            CHECK(stuffed(message, piece) == wire);
        }
    }
}
