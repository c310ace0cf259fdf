#include "observe/history.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/log.hpp"
#include "observe/history_search.hpp"
#include "tests/support/fault_disk.hpp"

using namespace posthorn;
using namespace posthorn::observe;
using namespace std::chrono_literals;
using mail::Event;
using mail::EventKind;

namespace {

class TestClock final : public base::Clock {
public:
    base::SteadyTime steady() const override { return base::SteadyTime(now.time_since_epoch()); }
    base::WallTime wall() const override { return now; }
    base::WallTime now = base::from_ms(1'700'000'000'000);
};

// A history in a folder of its own. reopen() is a restart of the daemon.
struct World {
    World() {
        char name[] = "/tmp/posthorn-history-XXXXXX";
        folder = ::mkdtemp(name);
        config.directory = folder + "/history";
    }
    ~World() {
        history.reset();
        std::filesystem::remove_all(folder);
    }
    void open() {
        history.reset();
        history = std::make_unique<History>(config, *disk, clock, metrics);
    }
    std::vector<std::string> files() {
        std::vector<std::string> out;
        for (const auto& entry : std::filesystem::directory_iterator(config.directory))
            out.push_back(entry.path().string());
        std::ranges::sort(out);
        return out;
    }
    std::vector<Event> find(const std::string& what, std::size_t limit = 50) {
        auto search = HistorySearch::make(*disk, config.directory, {.what = what, .limit = limit});
        REQUIRE(search);
        std::vector<Event> out;
        for (bool more = true; more;) {
            auto step = search->step(out);
            REQUIRE(step);
            more = *step;
        }
        stories = search->stories();
        damaged = search->damaged();
        return out;
    }

    std::string folder;
    HistoryConfig config;
    std::unique_ptr<base::Disk> disk = base::posix_disk();
    TestClock clock;
    base::Metrics metrics;
    std::unique_ptr<History> history;
    std::uint64_t stories = 0;
    std::uint64_t damaged = 0;
};

base::Ulid id(std::uint8_t n) {
    base::Ulid out;
    out.bytes[15] = n;
    return out;
}

Event event(EventKind kind, std::uint8_t message, std::string session = {}) {
    Event out{.kind = kind, .at = base::from_ms(1'700'000'000'000)};
    if (message != 0) out.message_id = id(message);
    out.session = std::move(session);
    return out;
}

std::vector<EventKind> kinds(const std::vector<Event>& events) {
    std::vector<EventKind> out;
    for (const auto& one : events) out.push_back(one.kind);
    return out;
}

// One session that brought two messages; another that was turned away.
void tell_a_day(History& history) {
    auto connected = event(EventKind::connected, 0, "aaaaaaaaaa");
    connected.client_ip = "192.0.2.1";
    history.record(connected);
    auto refused = event(EventKind::rejected, 0, "aaaaaaaaaa");
    refused.recipient = "nobody@example.net";
    history.record(refused);
    for (const std::uint8_t n : {1, 2}) {
        auto accepted = event(EventKind::accepted, n, "aaaaaaaaaa");
        accepted.sender = "a@example.com";
        accepted.header_message_id = "<m" + std::to_string(n) + "@example.com>";
        accepted.recipients = {"first@example.net", "Second" + std::to_string(n) + "@example.net"};
        history.record(accepted);
    }
    auto other = event(EventKind::connected, 0, "bbbbbbbbbb");
    other.client_ip = "192.0.2.2";
    history.record(other);
    auto delivered = event(EventKind::delivered, 1);
    delivered.recipient = "first@example.net";
    history.record(delivered);
    history.record(event(EventKind::done, 2));
    history.flush();
}

using K = EventKind;

}  // namespace

TEST_CASE("a message's story is told with the session it came by, without its neighbours") {
    World w;
    w.open();
    tell_a_day(*w.history);
    const std::vector expected{K::connected, K::rejected, K::accepted, K::delivered};
    CHECK(kinds(w.find(id(1).to_string())) == expected);
    CHECK(kinds(w.find("<m1@example.com>")) == expected);
    CHECK(kinds(w.find("m1@example.com")) == expected);
    CHECK(kinds(w.find("second1@EXAMPLE.net")) == expected);
    CHECK(w.stories == 1);
}

TEST_CASE("an address, a client and a session have all that is theirs") {
    World w;
    w.open();
    tell_a_day(*w.history);
    CHECK(w.find("<a@example.com>").size() == 6);
    CHECK(w.stories == 2);
    CHECK(kinds(w.find("nobody@example.net")) == std::vector{K::connected, K::rejected});
    CHECK(kinds(w.find("192.0.2.2")) == std::vector{K::connected});
    CHECK(w.find("AAAAAAAAAA").size() == 6);
    CHECK(w.find("nobody-knows@example.org").empty());
    CHECK(HistorySearch::make(*w.disk, w.config.directory, {.what = "what is that"}) == nullptr);
}

TEST_CASE("the newest stories are told when there are too many") {
    World w;
    w.open();
    for (std::uint8_t n = 1; n <= 9; ++n) {
        auto one = event(K::accepted, n);
        one.sender = "a@example.com";
        w.history->record(one);
    }
    w.history->flush();
    const auto found = w.find("a@example.com", 2);
    REQUIRE(found.size() == 2);
    CHECK(found.front().message_id == id(8));
    CHECK(w.stories == 9);
}

TEST_CASE("it goes on after a restart, in the same file while that is short") {
    World w;
    w.open();
    w.history->record(event(K::accepted, 1));
    w.open();
    w.history->record(event(K::delivered, 1));
    w.open();
    CHECK(kinds(w.find(id(1).to_string())) == std::vector{K::accepted, K::delivered});
    CHECK(w.files().size() == 1);
}

TEST_CASE("a torn tail is cut off, what comes after it is written whole") {
    World w;
    w.open();
    w.history->record(event(K::accepted, 1));
    w.history->record(event(K::delivered, 1));
    w.history.reset();
    const auto file = w.files().front();
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 3);
    CHECK(kinds(w.find(id(1).to_string())) == std::vector{K::accepted});
    CHECK(w.damaged > 0);
    w.open();
    w.history->record(event(K::done, 1));
    w.history->flush();
    CHECK(kinds(w.find(id(1).to_string())) == std::vector{K::accepted, K::done});
    CHECK(w.damaged == 0);
}

TEST_CASE("damage in the middle costs what was there and no more") {
    World w;
    w.open();
    for (const auto kind : {K::accepted, K::attempt, K::delivered}) {
        w.history->record(event(kind, 1));
        w.history->flush();
    }
    w.history.reset();
    const auto file = w.files().front();
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(file) / 2);
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(middle).put('!');
    CHECK(kinds(w.find(id(1).to_string())) == std::vector{K::accepted, K::delivered});
}

TEST_CASE("beyond its size the oldest files go") {
    World w;
    w.config.max_size = 1U << 20U;
    w.open();
    auto big = event(K::rejected, 0, "cccccccccc");
    big.text.assign(4000, 'x');
    for (std::uint8_t n = 1; n <= 200; ++n) {
        w.history->record(event(K::accepted, n));
        for (int i = 0; i < 4; ++i) w.history->record(big);
        w.history->flush();
    }
    for (int i = 0; i < 200; ++i) {
        w.history->record(big);
        w.history->flush();
    }
    std::uint64_t total = 0;
    for (const auto& file : w.files()) total += std::filesystem::file_size(file);
    CHECK(total <= w.config.max_size);
    CHECK(total > w.config.max_size / 2);
    CHECK(w.find(id(1).to_string()).empty());
    CHECK(w.find(id(200).to_string()).size() == 1);
}

TEST_CASE("what is older than its age goes") {
    World w;
    w.config.max_age = 24h * 7;
    w.open();
    w.history->record(event(K::accepted, 1));
    w.history->flush();
    w.clock.now += 24h * 5;
    w.history->record(event(K::accepted, 2));
    w.history->flush();
    CHECK(w.files().size() == 2);
    w.clock.now += 24h * 3;
    w.history->record(event(K::accepted, 3));
    w.history->flush();
    CHECK(w.find(id(1).to_string()).empty());
    CHECK(w.find(id(2).to_string()).size() == 1);
    CHECK(w.find(id(3).to_string()).size() == 1);
}

TEST_CASE("a full disk drops events and counts them, and it goes on when there is room") {
    base::log::Capture capture;
    test::FaultDisk disk;
    TestClock clock;
    base::Metrics metrics;
    History history({.directory = "/h"}, disk, clock, metrics);
    history.record(event(K::accepted, 1));
    history.flush();
    disk.fail_if([](test::DiskOp op, const std::string&) { return op == test::DiskOp::write ? ENOSPC : 0; });
    for (int i = 0; i < 3; ++i) {
        history.record(event(K::accepted, 2));
        history.flush();
    }
    CHECK(history.dropped() == 3);
    CHECK(capture.contains("history.write_failed"));
    disk.fail_if({});
    history.record(event(K::accepted, 3));
    history.flush();
    CHECK(history.dropped() == 3);
    CHECK(capture.contains("history.works_again"));
    std::vector<Event> out;
    const auto names = disk.list("/h");
    REQUIRE(names);
    REQUIRE(names->size() == 1);
    const auto content = disk.content("/h/" + names->front());
    std::string_view rest(content);
    rest.remove_prefix(kHistoryHead.size());
    while (!rest.empty()) {
        const auto record = next_event_record(rest);
        REQUIRE(record.state == EventRecord::State::good);
        out.push_back(*decode_event(record.payload));
        rest.remove_prefix(record.size);
    }
    REQUIRE(out.size() == 2);
    CHECK(out.back().message_id == id(3));
}

TEST_CASE("a disk that does not answer holds nobody up: the buffer is bounded") {
    test::FaultDisk disk;
    TestClock clock;
    base::Metrics metrics;
    std::mutex gate;
    gate.lock();
    disk.fail_if([&](test::DiskOp op, const std::string&) {
        if (op == test::DiskOp::write) const std::lock_guard wait(gate);
        return 0;
    });
    History history({.directory = "/h"}, disk, clock, metrics);
    auto big = event(K::rejected, 0, "cccccccccc");
    big.text.assign(4000, 'x');
    const auto count = 3 * kHistoryBuffer / 4000;
    for (std::size_t i = 0; i < count; ++i) history.record(big);
    CHECK(history.dropped() > 0);
    gate.unlock();
    history.flush();
}
