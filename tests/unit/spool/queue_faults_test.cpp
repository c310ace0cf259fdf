// One script of all that the durable queue does (small and large bodies, states, DSNs of both kinds, sealing,
// cleaning, spare segments) and at each operation of the disk in turn a failure, or the loss of power.
//
// POSTHORN_SWEEP=K/N: every operation, of these the Kth of N parts; without it some of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>

#include "base/log.hpp"
#include "spool/impl/log_queue.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/unit/spool/queue_contract.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

constexpr std::size_t kLarge = 24'000;  // beyond memory_body: a file of its own
constexpr std::size_t kAllSubsets = 6;  // so many unsynced things have all their subsets tried

class Harness final : public QueueHarness {
public:
    Harness() : QueueHarness(2) {
        const Directories dirs("/spool");
        for (const auto& dir : {dirs.root, dirs.log, dirs.big, dirs.corrupt, dirs.incoming})
            (void)disk->make_directory(dir, 0700);
        config.directory = "/spool";
        config.segment_size = 128 << 10;
        config.memory_body = 16 << 10;
    }
    ~Harness() override { close(); }
    Queue& queue() override { return *queue_; }
    void restart() override {
        close();
        REQUIRE(open());
    }
    bool open() {
        auto opened = LogQueue::open(config, {loops, *pool, loops.clock(), metrics, disk,
                                              std::make_unique<base::SeededRandom>(++opens_), nullptr, nullptr});
        if (!opened) return false;
        queue_ = std::move(*opened);
        attach();
        return true;
    }
    void close() {
        if (queue_ == nullptr) return;
        queue_->stop();
        loops.run_until_idle();
        owners.clear();  // and the bodies that they hold
        queue_.reset();
    }

    base::log::Capture quiet;
    Config config;
    std::shared_ptr<test::FaultDisk> disk = std::make_shared<test::FaultDisk>(5);
    std::unique_ptr<net::Pool> pool = loops.make_pool("disk", 1000);
    base::Metrics metrics;

private:
    std::uint64_t opens_ = 100;
    std::unique_ptr<LogQueue> queue_;
};

constexpr std::uint32_t kNever = UINT32_MAX;

// A message as the answers say it is: the version of its state stands in the attempts of its first recipient.
struct Known {
    base::Ulid id;
    std::string body;
    bool promised = false;
    std::uint32_t version = 0;
    std::vector<std::uint32_t> maybe;  // versions whose record was answered no: after a crash they may be there
    bool done = false;
    bool maybe_done = false;
    std::optional<base::Ulid> child;
    std::uint32_t child_since = kNever;  // the version it was born with
    bool child_maybe = false;            // its birth was answered no
    std::string child_body;
};

class Script {
public:
    explicit Script(Harness& harness) : h_(harness) {}

    void run() {
        auto& a = commit(100);
        auto& b = commit(9'000);
        auto& c = commit(kLarge);
        change(a);
        change(c);
        with_birth(a, 300);
        with_birth(c, kLarge - 1'000);
        fill(14);
        change(b, true);
        finish(c);
        auto& d = commit(kLarge);
        fill(14);
        finish(d);
        change(a);
        commit(50);
        // What lives in the oldest segment is carried forward, and the segment becomes a spare one.
        h_.until(
            [&] { return h_.disk->cut() || h_.queue().stats().segments <= 3 || !h_.queue().stats().writable; });
        fill(6);
    }

    // While the queue lives, what was answered no did not happen.
    void check_running() {
        for (const auto& one : known_) {
            const auto found = h_.load(one.id);
            REQUIRE(found.has_value() == (one.promised && !one.done));
            if (found) REQUIRE(found->recipients[0].attempts == one.version);
        }
    }

    // After a crash.
    void check() {
        std::size_t present = 0;
        std::set<std::string> large;
        const auto note = [&](const base::Ulid& id, const std::string& body) {
            ++present;
            if (body.size() > h_.config.memory_body) large.insert(id.to_string());
        };
        for (auto& one : known_) {
            const auto found = h_.load(one.id);
            if (found) {
                REQUIRE_FALSE(one.done);
                REQUIRE(QueueHarness::bytes(*found->body) == one.body);
                const auto version = found->recipients[0].attempts;
                REQUIRE((version == one.version || std::ranges::count(one.maybe, version) > 0));
                one.version = version;
                one.promised = true;
                note(one.id, one.body);
            } else {
                REQUIRE((!one.promised || one.done || one.maybe_done));
                one.done = one.done || one.promised;
            }
            if (one.child) check_child(one, found.has_value(), note);
            one.maybe.clear();
            one.maybe_done = false;
        }
        REQUIRE(h_.queue().stats().messages == present);
        REQUIRE(h_.queue().stats().quarantined == 0);
        REQUIRE(h_.disk->list("/spool/corrupt")->empty());
        const auto names = *h_.disk->list("/spool/big");
        REQUIRE(std::set<std::string>(names.begin(), names.end()) == large);
    }

    // It goes on, and what it takes now is kept.
    void check_recovered() {
        REQUIRE(h_.until([&] { return h_.queue().stats().writable; }));
        const auto before = known_.size();
        commit(70);
        commit(kLarge);
        REQUIRE(known_[before].promised);
        REQUIRE(known_[before + 1].promised);
    }

private:
    Known& commit(std::size_t size) {
        auto& one = known_.emplace_back();
        one.id = h_.new_id();
        one.body.assign(size, '\0');
        for (auto& c : one.body) c = static_cast<char>(h_.random.next());
        one.promised = h_.commit(one.id, one.body).has_value();
        if (one.promised) h_.told(one.id);
        return one;
    }

    void record(Known& one, StateChange change) {
        if (!one.promised || one.done) return;
        const auto version = one.version + 1 + static_cast<std::uint32_t>(one.maybe.size());
        auto state = attempt(one.id, 0, version);
        change.id = one.id;
        change.recipients = state.recipients;
        const bool done = change.done;
        const bool birth = !change.births.empty();
        if (birth) one.child_since = version;
        if (h_.record(std::move(change)).has_value()) {
            one.version = version;
            one.maybe.clear();
            one.done = done;
            // A round later than the failed one is durable: the failed one never happened.
            if (one.child_maybe) one.child_since = kNever;
            one.child_maybe = false;
        } else {
            one.child_maybe = one.child_maybe || birth;
            one.maybe.push_back(version);
            one.maybe_done = one.maybe_done || done;
        }
    }
    void change(Known& one, bool freeze = false) {
        StateChange change;
        if (freeze) change.frozen = true;
        record(one, std::move(change));
    }
    void finish(Known& one) {
        StateChange change;
        change.done = true;
        record(one, std::move(change));
    }
    void with_birth(Known& one, std::size_t returned) {
        if (!one.promised) return;
        const auto parent = h_.load(one.id);
        if (!parent) return;
        returned = std::min(returned, one.body.size());
        one.child = one.id.child(1);
        one.child_body = "head\r\n" + one.body.substr(0, returned) + "tail\r\n";
        StateChange change;
        change.births.push_back(birth(*one.child, "head\r\n", parent->body, returned, "tail\r\n"));
        record(one, std::move(change));
    }
    // Enough to fill segments: most of it is done at once.
    void fill(int count) {
        for (int i = 0; i < count; ++i) {
            auto& one = commit(12'000);
            if (i % 7 != 0) finish(one);
        }
    }

    template <class Note>
    void check_child(Known& one, bool parent_here, const Note& note) {
        const auto child = h_.load(*one.child);
        if (parent_here)
            REQUIRE(child.has_value() == (one.child_since != kNever && one.version >= one.child_since));
        else if (!one.child_maybe)
            REQUIRE(child.has_value() == (one.child_since != kNever));
        one.child_maybe = false;
        if (!child) {
            one.child_since = kNever;
            return;
        }
        REQUIRE(QueueHarness::bytes(*child->body) == one.child_body);
        note(*one.child, one.child_body);
    }

    Harness& h_;
    std::deque<Known> known_;
};

struct Sweep {
    std::size_t first = 0;
    std::size_t step = 1;
    bool all = false;
};

Sweep sweep(std::size_t otherwise) {
    const char* text = std::getenv("POSTHORN_SWEEP");  // NOLINT(concurrency-mt-unsafe)
    unsigned part = 0;
    unsigned parts = 0;
    if (text == nullptr || std::sscanf(text, "%u/%u", &part, &parts) != 2 || parts == 0) return {.step = otherwise};
    return {part, parts, true};
}

std::size_t operations_of_the_script() {
    Harness h;
    REQUIRE(h.open());
    const auto before = h.disk->operations();
    Script script(h);
    script.run();
    const auto count = h.disk->operations() - before;
    script.check_running();
    h.disk->kill();
    h.restart();
    script.check();
    return count;
}

void crash(Harness& h, bool power) {
    // The dead disk is what its last writers talk to.
    if (power)
        h.disk->power_loss();
    else
        h.disk->kill();
    h.close();
}

}  // namespace

TEST_CASE("each operation of the disk fails in turn: nothing promised is lost, and the queue recovers") {
    const auto part = sweep(37);
    const auto operations = operations_of_the_script();
    std::size_t runs = 0;
    for (std::size_t nth = part.first; nth < operations; nth += part.step) {
        for (const int code : {EIO, ENOSPC}) {
            CAPTURE(nth);
            CAPTURE(code);
            Harness h;
            Script script(h);
            REQUIRE(h.open());
            h.disk->fail_at(nth, code, 1 + nth % 3);
            script.run();
            h.disk->fail_never();
            script.check_running();
            if (nth % 2 == 0) script.check_recovered();
            crash(h, (nth / 2 + static_cast<std::size_t>(code)) % 2 == 0);
            // A start may fail, too; the next one must not.
            h.disk->fail_at(nth % 16, code);
            if (h.open()) crash(h, nth % 3 == 0);
            h.disk->fail_never();
            REQUIRE(h.open());
            script.check();
            script.check_recovered();
            crash(h, true);
            REQUIRE(h.open());
            script.check();
            ++runs;
        }
    }
    if (part.all) std::printf("figures {\"operations\": %zu, \"runs\": %zu}\n", operations, runs);
}

TEST_CASE("the power goes at each operation in turn and any subset of what was not synced is lost") {
    const auto part = sweep(11);
    const auto operations = operations_of_the_script();
    base::SeededRandom random(operations);
    std::size_t cuts = 0;
    std::size_t subsets = 0;
    for (std::size_t nth = part.first; nth < operations; nth += part.step) {
        CAPTURE(nth);
        Harness h;
        Script before(h);
        REQUIRE(h.open());
        h.disk->cut_at(nth);
        before.run();
        if (!h.disk->cut()) continue;  // this run took fewer
        const auto left = h.disk;
        h.close();
        const auto open = left->unsynced();
        const std::size_t tries = open <= kAllSubsets ? std::size_t{1} << open : part.all ? 24 : 8;
        for (std::size_t subset = 0; subset < tries; ++subset) {
            CAPTURE(subset);
            h.disk = left->copy();
            if (open <= kAllSubsets)
                h.disk->power_loss([bits = subset]() mutable {
                    const bool yes = (bits & 1U) != 0;
                    bits >>= 1U;
                    return yes;
                });
            else
                h.disk->power_loss([&random, of = 1 + subset % 4] { return random.below(5) >= of; });
            Script after(before);
            REQUIRE(h.open());
            after.check();
            if (subset % 8 == 0) after.check_recovered();
            h.close();
            ++subsets;
        }
        ++cuts;
    }
    if (part.all)
        std::printf("figures {\"operations\": %zu, \"cuts\": %zu, \"subsets\": %zu}\n", operations, cuts, subsets);
}
