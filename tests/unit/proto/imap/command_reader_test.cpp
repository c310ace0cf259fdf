#include "proto/imap/command_reader.hpp"

#include <doctest/doctest.h>

#include "proto/imap/limits.hpp"

using namespace posthorn::imap;
using State = CommandReader::State;

namespace {

// Feeds all of it in pieces of `step` octets, strings taken as they come; what is left over.
std::string_view feed(CommandReader& reader, std::string_view bytes, std::size_t step) {
    while (!bytes.empty()) {
        if (reader.state() == State::literal && !reader.take_literal()) reader.refuse_literal();
        if (reader.state() != State::reading) break;
        bytes.remove_prefix(reader.feed(bytes.substr(0, step)));
    }
    return bytes;
}

}  // namespace

TEST_CASE("commands, however they arrive") {
    const std::string wire = "a LOGIN {5}\r\nfr\r\ned {3+}\r\n\"x\\\r\nb NOOP\r\n";
    for (std::size_t step = 1; step < wire.size(); ++step) {
        CommandReader reader;
        auto rest = feed(reader, wire, step);
        REQUIRE(reader.state() == State::complete);
        CHECK(reader.text() == "a LOGIN {5}\r\nfr\r\ned {3+}\r\n\"x\\");
        CHECK(rest == "b NOOP\r\n");
        reader.reset();
        CHECK(reader.idle());
        feed(reader, rest, step);
        CHECK(reader.text() == "b NOOP");
    }
}

TEST_CASE("what announces a literal") {
    const auto mark = [](std::string_view line) {
        CommandReader reader;
        reader.feed(std::string(line) + "\r\n");
        return reader;
    };
    CHECK(mark("a APPEND x {310}").mark().size == 310);
    CHECK(mark("a APPEND x {310}").mark().waits);
    CHECK_FALSE(mark("a APPEND x {310+}").mark().waits);
    CHECK(mark("a APPEND x ~{310+}").mark().binary);
    CHECK(mark("a APPEND x ~{310}").before_mark() == "a APPEND x ");
    CHECK(mark("a APPEND x {99999999999999999999}").mark().size == INT64_MAX);
    for (const std::string_view plain :
         {"a LOGIN x \"{3}\"", "a x {}", "a x {+}", "a x {3-}", "}", "3}", "a {x3}"}) {
        CHECK(mark(plain).state() == State::complete);
    }
    CHECK(mark("{3}").state() == State::literal);
}

TEST_CASE("a message's octets are the caller's to read") {
    CommandReader reader;
    reader.feed("a APPEND x {3}\r\n");
    REQUIRE(reader.state() == State::literal);
    reader.hand_over();
    CHECK(reader.feed(" {4}\r\n") == 6);
    CHECK(reader.state() == State::literal);
    CHECK(reader.before_mark() == " ");
}

TEST_CASE("what does not fit is read past") {
    CommandReader reader;
    const std::string much(Limits::command, 'x');
    SUBCASE("a long line") {
        const std::string wire = "tag1 LOGIN " + much + much + "\r\nb NOOP\r\n";
        const auto rest = feed(reader, wire, 1000);
        CHECK(reader.state() == State::too_long);
        CHECK(reader.text().starts_with("tag1 LOGIN "));
        CHECK(reader.text().size() <= Limits::command + Limits::tag);
        CHECK(rest == "b NOOP\r\n");
    }
    SUBCASE("a long line with a literal that does not wait at its end") {
        const std::string wire = "tag1 LOGIN " + much + " {6+}\r\n1\r\n3\r\n rest\r\nb NOOP\r\n";
        CHECK(feed(reader, wire, 1000) == "b NOOP\r\n");
        CHECK(reader.state() == State::too_long);
    }
    SUBCASE("a long line with one that waits: it will not come") {
        const std::string wire = "tag1 LOGIN " + much + " {6}\r\nb NOOP\r\n";
        CHECK(feed(reader, wire, 1000) == "b NOOP\r\n");
        CHECK(reader.state() == State::too_long);
    }
    SUBCASE("a literal too large") {
        const std::string wire = "tag1 LOGIN a {70000+}\r\n" + std::string(70000, '\n') + " b\r\nb NOOP\r\n";
        CHECK(feed(reader, wire, 777) == "b NOOP\r\n");
        CHECK(reader.state() == State::too_long);
    }
    SUBCASE("many literals") {
        std::string wire = "tag1 LOGIN";
        for (int i = 0; i < 40; ++i) wire += " {4000+}\r\n" + std::string(4000, 'y');
        wire += "\r\nb NOOP\r\n";
        CHECK(feed(reader, wire, 5000) == "b NOOP\r\n");
        CHECK(reader.state() == State::too_long);
        CHECK(reader.text().size() <= Limits::command + Limits::tag);
    }
    reader.reset();
    feed(reader, "b NOOP\r\n", 3);
    CHECK(reader.state() == State::complete);
    CHECK(reader.text() == "b NOOP");
}

TEST_CASE("a line that ends in LF alone is a line") {
    CommandReader reader;
    reader.feed("a NOOP\n");
    CHECK(reader.text() == "a NOOP");
}
