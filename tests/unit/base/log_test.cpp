#include "base/log.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("a JSON log line holds its fields by type and survives any bytes") {
    log::configure({log::Level::info, log::Format::json});
    log::Capture capture;
    log::info("test.event", {{"text", "a\"b\n\xFF"}, {"n", 7}, {"neg", -3}, {"yes", true}, {"x", 1.5}});
    CHECK(capture.contains(R"("text":"a\"b\n\ufffd","n":7,"neg":-3,"yes":true,"x":1.5})"));
    CHECK(capture.contains(
        R"("level":"info","component":"test","event":"test.event","file":"tests/unit/base/log_test.cpp","line":)"));
    const auto text = capture.text();
    CHECK(text.starts_with(R"({"timestamp":"20)"));
    CHECK(text[std::string_view(R"({"timestamp":"2026-11-21T10:00:00.123456)").size()] == 'Z');
    log::configure({});
}

TEST_CASE("a text log line stays one line") {
    log::configure({log::Level::info, log::Format::text});
    log::Capture capture;
    log::warning("test.event", {{"msg", "two\nlines"}, {"word", "plain"}});
    CHECK(capture.contains("warning test.event message=\"two\\nlines\" word=plain\n"));
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

TEST_CASE("a component may have a level of its own") {
    log::configure(
        {log::Level::warning, log::Format::text, {{"delivery", log::Level::debug}, {"spool", log::Level::error}}});
    log::Capture capture;
    log::debug("delivery.detail");
    log::info("smtp.quiet");
    log::warning("spool.quiet");
    log::error("spool.loud");
    log::warning("smtp.loud");
    CHECK(capture.contains("delivery.detail"));
    CHECK(capture.contains("spool.loud"));
    CHECK(capture.contains("smtp.loud"));
    CHECK_FALSE(capture.contains("quiet"));
    log::configure({});
    log::debug("delivery.later");
    CHECK_FALSE(capture.contains("later"));
}

TEST_CASE("levels are read from one line of text, all of it or nothing") {
    log::Levels levels;
    CHECK(log::apply_levels("warning,delivery=debug,spool=error", levels));
    CHECK(levels ==
          log::Levels{log::Level::warning, {{"delivery", log::Level::debug}, {"spool", log::Level::error}}});
    CHECK(log::apply_levels("smtp=info", levels));
    CHECK(levels.components.size() == 3);
    for (const auto* bad : {"loud", "delivery=loud", "=debug", "info,,debug", "delivery="}) {
        CHECK_FALSE(log::apply_levels(bad, levels));
        CHECK(levels.level == log::Level::warning);
    }
}
