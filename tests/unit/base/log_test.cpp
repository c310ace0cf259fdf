#include "base/log.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("a JSON log line holds its fields by type and survives any bytes") {
    log::configure({log::Level::info, log::Format::json});
    log::Capture capture;
    log::info("test.event", {{"text", "a\"b\n\xFF"}, {"n", 7}, {"neg", -3}, {"yes", true}, {"x", 1.5}});
    CHECK(capture.contains(R"("event":"test.event","text":"a\"b\n\ufffd","n":7,"neg":-3,"yes":true,"x":1.5})"));
    log::configure({});
}

TEST_CASE("a text log line stays one line") {
    log::configure({log::Level::info, log::Format::text});
    log::Capture capture;
    log::warning("test.event", {{"msg", "two\nlines"}, {"word", "plain"}});
    CHECK(capture.contains("warning test.event msg=\"two\\nlines\" word=plain\n"));
}

TEST_CASE("levels below the threshold are not written") {
    log::configure({log::Level::warning, log::Format::text});
    log::Capture capture;
    log::info("quiet");
    log::error("loud");
    CHECK_FALSE(capture.contains("quiet"));
    CHECK(capture.contains("loud"));
    log::configure({});
}
