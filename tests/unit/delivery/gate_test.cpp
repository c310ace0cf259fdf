#include "delivery/gate.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <thread>

#include "net/sim_loop.hpp"

using namespace posthorn;
using namespace posthorn::delivery;
using namespace std::chrono_literals;

namespace {

net::Task<> come(Gate* gate, std::optional<base::SteadyTime> until, std::optional<bool>* passed) {
    const bool through = co_await gate->pass(until);
    *passed = through;
}

struct Scene {
    net::SimLoops loops;
    net::Loop& loop = loops.at(0);
    std::unique_ptr<Gate> gate = std::make_unique<Gate>(loop);
    std::optional<bool> passed;

    void start(std::optional<base::Duration> patience = std::nullopt) {
        std::optional<base::SteadyTime> until;
        if (patience) until = loop.now() + *patience;
        net::spawn(loop, "test", come(gate.get(), until, &passed));
        loops.run_until_idle();
    }
};

}  // namespace

TEST_CASE("gate: open from the start, shut while its ticket lives") {
    Scene s;
    CHECK(s.gate->open());
    s.start();
    CHECK(s.passed == true);
    Ticket ticket = s.gate->shut();
    const Ticket copy = ticket;
    s.passed.reset();
    s.start();
    ticket.reset();
    s.loops.run_for(24h);
    CHECK_FALSE(s.gate->open());
    CHECK_FALSE(s.passed);
}

TEST_CASE("gate: who waits passes when the ticket goes, on whatever thread") {
    Scene s;
    Ticket ticket = s.gate->shut();
    s.start(1min);
    CHECK_FALSE(s.passed);
    std::thread([&] { ticket.reset(); }).join();
    CHECK_FALSE(s.passed);  // told by a post, not inline
    s.loops.run_until_idle();
    CHECK(s.passed == true);
    ticket = s.gate->shut();  // and again
    CHECK_FALSE(s.gate->open());
    CHECK_THROWS(s.gate->shut());
}

TEST_CASE("gate: patience ends, and it can be interrupted") {
    Scene s;
    const Ticket ticket = s.gate->shut();
    SUBCASE("patience") {
        s.start(30s);
        s.loops.run_for(29s);
        CHECK_FALSE(s.passed);
        s.loops.run_for(2s);
    }
    SUBCASE("interrupted while waiting") {
        s.start();
        s.gate->interrupt();
        s.loops.run_until_idle();
    }
    SUBCASE("interrupted before") {
        s.gate->interrupt();
        s.start();
    }
    CHECK(s.passed == false);
}

TEST_CASE("gate: a ticket may outlive gate and loop") {
    auto s = std::make_unique<Scene>();
    Ticket ticket = s->gate->shut();
    s->start();
    SUBCASE("with nobody waiting") { s = std::make_unique<Scene>(); }
    SUBCASE("with the one who waits cut off") { s->loops.stop(); }
    s.reset();
    ticket.reset();
}
