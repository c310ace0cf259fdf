#include "health/spool_probe.hpp"

#include <doctest/doctest.h>

#include "health/readiness.hpp"
#include "net/sim_loop.hpp"

using namespace posthorn;
using namespace posthorn::health;
using namespace std::chrono_literals;

namespace {

// A probe whose answer and slowness are the test's.
struct Disk {
    bool good = true;
    int probes = 0;
    base::Result<void> operator()() {
        ++probes;
        if (good) return {};
        return base::fail(base::ErrorKind::temporary, "disk full");
    }
};

struct World {
    explicit World(base::Duration latency)
        : pool(loops.make_pool("probe", 4, latency)), probe(loops.at(0), *pool, [this] { return disk(); }) {}

    static net::Task<> ask(SpoolProbe& probe, base::Result<void>& into) {
        base::Result<void> answer = co_await probe.check();
        into = std::move(answer);
    }
    base::Result<void> check() {
        base::Result<void> answer = base::fail(base::ErrorKind::internal, "no answer");
        REQUIRE(loops.run(ask(probe, answer)));
        return answer;
    }

    net::SimLoops loops;
    Disk disk;
    std::unique_ptr<net::Pool> pool;
    SpoolProbe probe;
};

}  // namespace

TEST_CASE("an answer is good for a second, then the disk is asked again") {
    World world(10ms);
    CHECK(world.check());
    CHECK(world.check());
    CHECK(world.disk.probes == 1);
    world.disk.good = false;
    world.loops.run_for(1s);
    CHECK_FALSE(world.check());
    CHECK(world.disk.probes == 2);
    world.disk.good = true;
    world.loops.run_for(1s);
    CHECK(world.check());
}

TEST_CASE("nobody waits longer than the bound for a slow disk; its last answer holds for a while") {
    World world(5s);
    const auto before = world.loops.clock().steady();
    const auto first = world.check();
    CHECK(world.loops.clock().steady() - before == kProbeWait);
    CHECK(first.error().log_text == "writing to the spool takes too long");
    world.loops.run_for(6s);  // the first probe has ended well
    CHECK(world.check());     // the second is under way
    world.loops.run_for(5s);
    CHECK(world.disk.probes == 2);
}

TEST_CASE("an answer that has become stale is no answer") {
    World world(60s);
    CHECK_FALSE(world.check());
    world.loops.run_for(60s);
    CHECK(world.check());  // the minute's probe has come back just now
    world.loops.run_for(kProbeStale + 1s);
    CHECK_FALSE(world.check());
    CHECK_FALSE(world.check());
    world.loops.run_for(60s);
    CHECK(world.disk.probes == 2);  // one at a time
}

TEST_CASE("readiness is the sum of its parts") {
    Readiness readiness{.smtp = true, .spool = true, .delivery = true, .dns = true, .max_queue_size = 10};
    CHECK(readiness.ready());
    CHECK(
        to_json(readiness) ==
        R"({"alive":true,"ready":true,"smtp_ready":true,"spool_ready":true,"delivery_ready":true,"dns_ready":true,)"
        R"("queue_size":0,"max_queue_size":10,"reasons":[]})"
        "\n");
    readiness.queue_size = 10;
    CHECK_FALSE(readiness.ready());
    readiness = {.smtp = true, .spool = false, .delivery = true, .dns = true, .max_queue_size = 10};
    readiness.reasons = {"disk full"};
    CHECK_FALSE(readiness.ready());
    CHECK(to_json(readiness).find(R"("spool_ready":false)") != std::string::npos);
    CHECK(to_json(readiness).find(R"("reasons":["disk full"])") != std::string::npos);
}
