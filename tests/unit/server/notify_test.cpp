#include "server/notify.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "net/sim_loop.hpp"
#include "server/watchdog.hpp"

using namespace posthorn;
using namespace posthorn::server;
using namespace std::chrono_literals;

namespace {

// The service manager's end, in the abstract namespace.
struct Manager {
    Manager() {
        fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        name = "@posthorn-notify-" + std::to_string(::getpid());
        std::memcpy(at.sun_path, name.data(), name.size());
        at.sun_path[0] = '\0';
        REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&at),
                       static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
    }
    ~Manager() { ::close(fd); }

    // What was told since the last call.
    std::vector<std::string> heard() const {
        std::vector<std::string> out;
        char buffer[4096];
        while (true) {
            const auto size = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size < 0) return out;
            out.emplace_back(buffer, static_cast<std::size_t>(size));
        }
    }

    int fd;
    std::string name;
};

struct HandClock final : base::Clock {
    base::SteadyTime steady() const override { return now; }
    base::WallTime wall() const override { return {}; }
    base::SteadyTime now{};
};

using Heard = std::vector<std::string>;

}  // namespace

TEST_CASE("the service manager is told in its own words") {
    const Manager manager;
    const Notifier notifier(manager.name, 0s);
    notifier.ready();
    notifier.reloading(base::SteadyTime(1'234'567'890ns));
    notifier.stopping(40s);
    notifier.alive();
    notifier.status("3 messages queued");
    CHECK(manager.heard() == Heard{"READY=1", "RELOADING=1\nMONOTONIC_USEC=1234567",
                                   "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000", "WATCHDOG=1",
                                   "STATUS=3 messages queued"});
}

TEST_CASE("what the environment says of the service manager is for us alone") {
    const Manager manager;
    ::setenv("NOTIFY_SOCKET", manager.name.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "30000000", 1);
    SUBCASE("for our pid") {
        ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
        CHECK(Notifier::from_environment().watchdog() == 30s);
    }
    SUBCASE("for whoever asks") { CHECK(Notifier::from_environment().watchdog() == 30s); }
    SUBCASE("for another process") {
        ::setenv("WATCHDOG_PID", "1", 1);
        const auto notifier = Notifier::from_environment();
        CHECK(notifier.wanted());
        CHECK(notifier.watchdog() == 0s);
    }
    SUBCASE("without sense") {
        ::setenv("WATCHDOG_USEC", "soon", 1);
        CHECK(Notifier::from_environment().watchdog() == 0s);
    }
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) CHECK(std::getenv(name) == nullptr);
}

TEST_CASE("a service manager that is not there, or nowhere, is no reason to fail") {
    Notifier("", 30s).ready();
    CHECK_FALSE(Notifier("", 30s).wanted());
    CHECK(Notifier("", 30s).watchdog() == 0s);
    Notifier("/nowhere/notify", 30s).ready();
    CHECK_FALSE(Notifier("relative", 30s).wanted());
    CHECK_FALSE(Notifier("/" + std::string(200, 'x'), 30s).wanted());
}

TEST_CASE("the watchdog is fed only while every loop answers") {
    const Manager manager;
    const Notifier notifier(manager.name, 40s);
    const Heard fed{"WATCHDOG=1", "STATUS=well"};
    net::SimLoops one, other;  // each runs what was posted to it only when told to
    HandClock clock;
    Watchdog watchdog(notifier, {&one.at(0), &other.at(0)}, clock, [] { return "well"; });
    CHECK(watchdog.pause() == 10s);
    const auto after = [&](base::Duration span) {
        clock.now += span;
        watchdog.look();
        return manager.heard();
    };

    one.run_until_idle();
    other.run_until_idle();
    CHECK(after(9s) == Heard{});  // not yet time
    CHECK(watchdog.pause() == 1s);
    CHECK(after(1s) == fed);

    one.run_until_idle();
    CHECK(after(10s) == Heard{});  // the other one hangs
    CHECK(after(10s) == Heard{});
    other.run_until_idle();
    CHECK(after(10s) == fed);
    CHECK(after(10s) == Heard{});  // nobody has answered what was asked just then
}

TEST_CASE("without a watchdog the manager hears how we are") {
    const Manager manager;
    const Notifier notifier(manager.name, 0s);
    HandClock clock;
    Watchdog watchdog(notifier, {}, clock, [] { return "two\nlines"; });
    clock.now += watchdog.pause();
    watchdog.look();
    CHECK(manager.heard() == Heard{"STATUS=two lines"});
}
