#include "base/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <vector>

using namespace posthorn::base;

namespace {

// Standard error goes to a file that may grow to `octets`: writes beyond fail as on a full disk.
class FullDisk {
public:
    explicit FullDisk(rlim_t octets) : kept_(::dup(STDERR_FILENO)) {
        const int fd = ::mkstemp(path_);
        ::dup2(fd, STDERR_FILENO);
        ::close(fd);
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit limit{octets, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FullDisk() {
        log::flush();
        has_room();
        ::dup2(kept_, STDERR_FILENO);
        ::close(kept_);
        ::unlink(path_);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

    void has_room() const { ::setrlimit(RLIMIT_FSIZE, &before_); }
    std::vector<std::string> lines() const {
        std::ifstream in(path_);
        std::vector<std::string> all;
        for (std::string line; std::getline(in, line);) all.push_back(line);
        return all;
    }

private:
    char path_[32] = "/tmp/posthorn-log-XXXXXX";
    int kept_;
    rlimit before_{};
};

}  // namespace

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

TEST_CASE("a line that a full disk has cut off does not spoil the next one") {
    log::configure({log::Level::info, log::Format::json});
    const auto before = log::dropped();
    {
        const FullDisk disk(100);
        log::info("test.cut", {{"text", std::string(200, 'x')}});
        log::flush();
        disk.has_room();
        log::info("test.whole");
        log::flush();
        const auto lines = disk.lines();
        REQUIRE(lines.size() >= 2);
        CHECK(lines[0].size() == 100);
        CHECK(lines[1].starts_with("{\"timestamp\":"));
        CHECK(lines[1].find("test.whole") != std::string::npos);
    }
    CHECK(log::dropped() == before + 1);
    log::configure({});
}
