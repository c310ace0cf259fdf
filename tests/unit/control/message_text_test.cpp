#include "control/message_text.hpp"

#include <doctest/doctest.h>

using posthorn::control::HeaderEnd;

namespace {

std::string header_of(std::string_view message, std::size_t step) {
    HeaderEnd end;
    std::string out;
    while (!message.empty() && !end.found()) {
        const auto piece = message.substr(0, step);
        out += piece.substr(0, end.take(piece));
        message.remove_prefix(piece.size());
    }
    return out;
}

}  // namespace

TEST_CASE("a header section ends with its empty line, wherever the message is cut") {
    for (std::size_t step = 1; step < 30; ++step) {
        CAPTURE(step);
        CHECK(header_of("A: b\r\nC: d\r\n\r\nbody\r\n\r\n", step) == "A: b\r\nC: d\r\n\r\n");
        CHECK(header_of("A: b\n\nbody", step) == "A: b\n\n");
        CHECK(header_of("\r\nbody", step) == "\r\n");
        CHECK(header_of("A: b\r\n c\r\n", step) == "A: b\r\n c\r\n");
    }
}
