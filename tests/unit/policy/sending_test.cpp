#include "policy/sending.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace posthorn;
using namespace posthorn::policy;
using namespace std::chrono_literals;

namespace {

const base::SteadyTime kStart{1000h};

}  // namespace

TEST_CASE("messages an hour: at most so many in any hour") {
    SendingCounter counter(10);
    const SendingLimits limits{.messages_per_hour = 3};
    std::vector<base::SteadyTime> times;
    for (auto now = kStart; now < kStart + 10h; now += 1min) {
        if (counter.take("a", 1, limits, now) == SendingDecision::yes) times.push_back(now);
    }
    for (std::size_t i = 3; i < times.size(); ++i) CHECK(times[i] - times[i - 3] >= 1h);
    CHECK(times.size() >= 27);  // and not much fewer: the hour is at most a slot longer
    CHECK(times.size() <= 30);
}

TEST_CASE("recipients a day, counted together") {
    SendingCounter counter(10);
    const SendingLimits limits{.recipients_per_day = 100};
    CHECK(counter.take("a", 60, limits, kStart) == SendingDecision::yes);
    CHECK(counter.look("a", 41, limits, kStart) == SendingDecision::too_many_recipients);
    CHECK(counter.take("a", 41, limits, kStart + 1h) == SendingDecision::too_many_recipients);
    CHECK(counter.take("a", 40, limits, kStart + 1h) == SendingDecision::yes);
    CHECK(counter.take("a", 1, limits, kStart + 23h) == SendingDecision::too_many_recipients);
    CHECK(counter.take("a", 60, limits, kStart + 25h) == SendingDecision::yes);
    CHECK(counter.take("b", 100, limits, kStart) == SendingDecision::yes);
}

TEST_CASE("what was refused or only looked at is not counted") {
    SendingCounter counter(10);
    const SendingLimits limits{.messages_per_hour = 1, .recipients_per_day = 5};
    for (int i = 0; i < 10; ++i) {
        CHECK(counter.look("a", 5, limits, kStart) == SendingDecision::yes);
        CHECK(counter.take("a", 6, limits, kStart) == SendingDecision::too_many_recipients);
    }
    CHECK(counter.take("a", 5, limits, kStart) == SendingDecision::yes);
    CHECK(counter.take("a", 0, limits, kStart) == SendingDecision::too_many_messages);
}

TEST_CASE("the table is bounded: who sent least recently is forgotten") {
    SendingCounter counter(2);
    const SendingLimits limits{.messages_per_hour = 2};
    counter.take("a", 1, limits, kStart);
    counter.take("b", 1, limits, kStart);
    counter.take("a", 1, limits, kStart);
    counter.take("c", 1, limits, kStart);
    CHECK(counter.size() == 2);
    CHECK(counter.look("a", 1, limits, kStart) == SendingDecision::too_many_messages);
    CHECK(counter.take("b", 1, limits, kStart) == SendingDecision::yes);
    CHECK(counter.take("b", 1, limits, kStart) == SendingDecision::yes);  // it began anew
}

TEST_CASE("without limits nothing is kept") {
    SendingCounter counter(10);
    CHECK(counter.take("a", 1'000'000, {}, kStart) == SendingDecision::yes);
    CHECK(counter.size() == 0);
}
