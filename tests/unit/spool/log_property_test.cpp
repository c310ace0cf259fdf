// The log against a model of it, on a disk that fails and loses power, by seeds.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "base/log.hpp"
#include "tests/unit/spool/log_fixture.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

struct Truth {
    std::string body;
    std::vector<std::uint32_t> attempts{0, 0};
    bool operator==(const Truth&) const = default;
};
using Picture = std::map<base::Ulid, Truth>;

class Run {
public:
    explicit Run(std::uint64_t seed) : fixture_(seed), random_(seed * 31 + 7) {}

    void go(int steps) {
        REQUIRE(fixture_.open().has_value());
        for (int i = 0; i < steps; ++i) step();
        fixture_.disk.fail_never();
        crash();
    }

private:
    void step() {
        const auto dice = random_.below(100);
        if (dice < 6) return crash();
        if (dice < 14) return fault();
        if (dice < 16) return fixture_.disk.fail_never();
        if (dice < 30) return clean();
        if (dice < 34) return (void)fixture_.log->restore();
        round();
    }

    void fault() {
        static constexpr int kCodes[] = {EIO, ENOSPC};
        fixture_.disk.fail_at(random_.below(12), kCodes[random_.below(2)], 1 + random_.below(6));
    }

    void clean() {
        for (int i = 0; i < 20; ++i) {
            const auto report = fixture_.clean();
            if (!report || !report->progress) break;
            REQUIRE(report->damaged.empty());
        }
        check_running();
    }

    // A round of several operations; what the answers say becomes the truth.
    void round() {
        std::vector<Op> ops;
        std::vector<Picture> after;  // per operation: the truth of what it touches, once it happened
        std::vector<std::set<base::Ulid>> gone;
        std::set<base::Ulid> used;
        const auto count = 1 + random_.below(5);
        for (std::uint64_t i = 0; i < count; ++i) {
            Picture changed;
            std::set<base::Ulid> done;
            if (truth_.empty() || random_.below(2) == 0) {
                ops.emplace_back(make_message(fixture_.new_id(), changed));
            } else {
                auto at = truth_.begin();
                std::advance(at, static_cast<long>(random_.below(truth_.size())));
                if (!used.insert(at->first).second) continue;
                ops.emplace_back(make_state(*at, changed, done));
            }
            after.push_back(std::move(changed));
            gone.push_back(std::move(done));
        }
        if (ops.empty()) return;
        const auto results = fixture_.log->write(ops);
        bool any = false;
        for (std::size_t i = 0; i < ops.size(); ++i) {
            if (results[i]) {
                any = true;
                for (auto& [id, truth] : after[i]) truth_[id] = truth;
                for (const auto& id : gone[i]) truth_.erase(id), done_.insert(id);
            }
        }
        if (any) maybe_.clear(), maybe_gone_.clear();
        for (std::size_t i = 0; i < ops.size(); ++i) {
            if (results[i]) continue;
            for (auto& [id, truth] : after[i]) maybe_[id].push_back(truth);
            maybe_gone_.insert(gone[i].begin(), gone[i].end());
        }
        check_running();
    }

    MessageOp make_message(const base::Ulid& id, Picture& changed) {
        std::string body(random_.below(6000), '\0');
        for (auto& c : body) c = static_cast<char>(random_.next());
        auto& truth = changed[id];
        truth.body = body;
        return fixture_.message(id, std::move(body));
    }

    StateOp make_state(const Picture::value_type& one, Picture& changed, std::set<base::Ulid>& gone) {
        const auto index = static_cast<std::uint32_t>(random_.below(2));
        auto truth = one.second;
        truth.attempts[index] += 1;
        const bool done = random_.below(2) == 0;
        auto op = LogFixture::state(one.first, index, truth.attempts[index], done);
        if (random_.below(4) == 0) {
            const auto child = one.first.child(truth.attempts[0] * 100 + truth.attempts[1]);
            op.births.push_back(make_message(child, changed));
        }
        if (done)
            gone.insert(one.first);
        else
            changed[one.first] = truth;
        return op;
    }

    // What is in the log now is exactly the truth.
    void check_running() {
        const auto stats = fixture_.log->stats();
        REQUIRE(stats.messages == truth_.size());
    }

    void crash() {
        if (random_.below(2) == 0) {
            if (random_.below(2) == 0) fixture_.log->close();
            fixture_.disk.kill();
        } else {
            fixture_.disk.power_loss();
        }
        // A start may fail too; the next one must find all there is.
        for (int tries = 0; tries < 3; ++tries) {
            if (random_.below(4) == 0) fault();
            if (fixture_.open()) break;
            if (random_.below(2) == 0) fixture_.disk.power_loss();
        }
        fixture_.disk.fail_never();
        REQUIRE(fixture_.open().has_value());
        compare();
    }

    void compare() {
        REQUIRE(fixture_.recovered.damages == 0);
        Picture found;
        fixture_.recovered.table = {};
        for (const auto& [id, truth] : truth_) look(id, found);
        for (const auto& [id, truths] : maybe_) look(id, found);
        for (const auto& id : done_) REQUIRE_FALSE(fixture_.log->knows(id));
        for (const auto& [id, truth] : truth_) {
            if (!found.contains(id)) {
                REQUIRE(maybe_gone_.contains(id));
                continue;
            }
            bool good = found[id] == truth;
            for (const auto& other : maybe_[id]) good = good || found[id] == other;
            REQUIRE(good);
        }
        for (const auto& [id, truth] : found) {
            if (truth_.contains(id)) continue;
            bool good = false;
            for (const auto& other : maybe_[id]) good = good || truth == other;
            REQUIRE(good);
        }
        REQUIRE(fixture_.log->stats().messages == found.size());
        for (const auto& [id, truth] : truth_) {
            if (!found.contains(id)) done_.insert(id);
        }
        truth_ = std::move(found);
        maybe_.clear();
        maybe_gone_.clear();
    }

    void look(const base::Ulid& id, Picture& found) {
        if (!fixture_.log->knows(id)) return;
        const auto message = fixture_.log->load(id);
        REQUIRE(message.has_value());
        found[id] = {fixture_.body(*message), {message->recipients[0].attempts, message->recipients[1].attempts}};
    }

    LogFixture fixture_;
    base::SeededRandom random_;
    Picture truth_;
    std::set<base::Ulid> done_;
    // Was answered no: while the log lives it did not happen; after a crash it may have.
    std::map<base::Ulid, std::vector<Truth>> maybe_;
    std::set<base::Ulid> maybe_gone_;
};

}  // namespace

constexpr int kSteps = 150;

// POSTHORN_SEEDS: how many, for a longer run by hand.
TEST_CASE("what was promised is there after any failure, power loss and restart") {
    const char* more = std::getenv("POSTHORN_SEEDS");  // NOLINT(concurrency-mt-unsafe)
    const std::uint64_t seeds = more == nullptr ? 40 : std::strtoull(more, nullptr, 10);
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        CAPTURE(seed);
        const base::log::Capture quiet;
        Run(seed).go(kSteps);
    }
    if (more != nullptr)
        std::printf("figures {\"seeds\": %llu, \"steps_each\": %d}\n", static_cast<unsigned long long>(seeds),
                    kSteps);
}
