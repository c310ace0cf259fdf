#include "server/signals.hpp"

#include <doctest/doctest.h>

#include <csignal>

using namespace posthorn::server;
using namespace std::chrono_literals;

TEST_CASE("an end that waits is told before a reload that waits") {
    block_signals();
    for (const int end : {SIGTERM, SIGINT}) {
        std::raise(SIGHUP);
        std::raise(end);
        CHECK(wait_signal(10s) == Signal::stop);
        CHECK(wait_signal(0s) == Signal::reload);
        CHECK(wait_signal(0s) == Signal::none);
    }
}
