// What every backend of the queue port must do. A harness gives a queue under simulated loops and can start it again
// as after a crash: see queue_test.cpp.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/sim_loop.hpp"
#include "spool/queue.hpp"

namespace posthorn::spool {

// An owner of one shard that keeps what it is told.
class KeepingOwner final : public QueueOwner {
public:
    explicit KeepingOwner(net::Loop& loop) : loop_(loop) {}
    void on_message(QueuedMessage message) override {
        CHECK(loop_.in_loop());
        told.push_back(std::move(message));
    }
    std::vector<QueuedMessage> told;

private:
    net::Loop& loop_;
};

class QueueHarness {
public:
    explicit QueueHarness(std::size_t shards = 3) : loops(shards) {}
    virtual ~QueueHarness() = default;
    virtual Queue& queue() = 0;
    virtual void restart() = 0;  // the owners are new ones, attached

    void attach() {
        owners.clear();
        std::vector<QueueOwner*> list;
        for (std::size_t i = 0; i < loops.size(); ++i) {
            owners.push_back(std::make_unique<KeepingOwner>(loops.at(i)));
            list.push_back(owners.back().get());
        }
        queue().attach(list);
    }
    base::Ulid new_id() {
        base::Ulid id;
        for (auto& octet : id.bytes) octet = static_cast<std::uint8_t>(random.next());
        return id;
    }
    static mail::Envelope envelope(const base::Ulid& id) {
        mail::Envelope e;
        e.id = id;
        e.reverse_path = {"sender", "example.org"};
        e.arrival = base::from_ms(1'700'000'000'000);
        for (const auto* domain : {"one.example", "two.example"}) {
            mail::Recipient recipient;
            recipient.address = {"r", domain};
            e.recipients.push_back(recipient);
        }
        e.metadata["service"] = "mx";
        return e;
    }
    bool until(const std::function<bool()>& condition) { return loops.run_until_real(condition); }

    base::Result<void> commit(const base::Ulid& id, const std::string& body) { return commit(envelope(id), body); }
    base::Result<void> commit(mail::Envelope envelope, const std::string& body) {
        std::optional<base::Result<void>> result;
        net::spawn(loops.at(0), "commit", commit_task(*this, std::move(envelope), body, result));
        REQUIRE(until([&] { return result.has_value(); }));
        return *result;
    }
    base::Result<void> record(StateChange change) {
        std::optional<base::Result<void>> result;
        auto& loop = loops.at(queue().shard_of(change.id));
        queue().record(std::move(change), [&](base::Result<void> r) {
            CHECK(loop.in_loop());
            result = std::move(r);
        });
        REQUIRE(until([&] { return result.has_value(); }));
        return *result;
    }
    base::Result<StoredMessage> load(const base::Ulid& id) {
        std::optional<base::Result<StoredMessage>> result;
        net::spawn(loops.at(0), "load", load_task(*this, id, result));
        REQUIRE(until([&] { return result.has_value(); }));
        return *result;
    }
    // What its owner was told of it, once it was.
    const QueuedMessage& told(const base::Ulid& id) {
        const auto& all = owners[queue().shard_of(id)]->told;
        const auto find = [&] {
            return std::ranges::find_if(all, [&](const QueuedMessage& m) { return m.id == id; });
        };
        REQUIRE(until([&] { return find() != all.end(); }));
        return *find();
    }
    std::size_t told_in_all() const {
        std::size_t sum = 0;
        for (const auto& owner : owners) sum += owner->told.size();
        return sum;
    }
    static std::string bytes(const Body& body) {
        std::string all(body.size(), '\0');
        std::size_t done = 0;
        while (done < all.size()) {
            const auto got =
                body.read_at(done, std::span(all).subspan(done, std::min<std::size_t>(7000, all.size() - done)));
            REQUIRE(got.has_value());
            if (*got == 0) break;
            done += *got;
        }
        char more = 0;
        CHECK(body.read_at(all.size(), {&more, 1}) == 0);
        if (const auto memory = body.memory()) CHECK(*memory == all);
        return all;
    }

    net::SimLoops loops;
    std::vector<std::unique_ptr<KeepingOwner>> owners;
    base::SeededRandom random{42};

private:
    static net::Task<> commit_task(QueueHarness& h, mail::Envelope envelope, std::string body,
                                   std::optional<base::Result<void>>& result) {
        auto intake = h.queue().begin(h.loops.at(0), 0);
        if (!intake) {
            result.emplace(std::unexpected(intake.error()));
            co_return;
        }
        for (std::size_t at = 0; at < body.size(); at += 5000) {
            const bool flush = (*intake)->append(std::string_view(body).substr(at, 5000));
            if (!flush) continue;
            base::Result<void> flushed = co_await (*intake)->flush();
            if (!flushed) {
                result.emplace(std::move(flushed));
                co_return;
            }
        }
        CHECK((*intake)->size() == body.size());
        base::Result<void> done = co_await h.queue().commit(h.loops.at(0), std::move(envelope), std::move(*intake));
        result.emplace(std::move(done));
    }
    static net::Task<> load_task(QueueHarness& h, base::Ulid id,
                                 std::optional<base::Result<StoredMessage>>& result) {
        base::Result<StoredMessage> loaded = co_await h.queue().load(h.loops.at(0), id);
        result.emplace(std::move(loaded));
    }
};

inline StateChange attempt(const base::Ulid& id, std::uint32_t index, std::uint32_t attempts) {
    StateChange change;
    change.id = id;
    RecipientUpdate update;
    update.index = index;
    update.state.attempts = attempts;
    update.state.next_try = base::from_ms(1'700'000'100'000 + attempts);
    update.state.last.status = "4.2.1";
    update.state.last.text = "busy";
    change.recipients.push_back(update);
    return change;
}

inline StateChange::Birth birth(const base::Ulid& id, std::string prefix, std::shared_ptr<const Body> middle,
                                std::uint64_t size, std::string suffix) {
    StateChange::Birth made;
    made.envelope = QueueHarness::envelope(id);
    made.envelope.reverse_path = {};
    made.body_prefix = std::move(prefix);
    made.middle = std::move(middle);
    made.middle_size = size;
    made.body_suffix = std::move(suffix);
    return made;
}

inline void contract_commit(QueueHarness& h) {
    h.attach();
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{100}, std::size_t{4096}, std::size_t{100'000}, std::size_t{700'000}}) {
        CAPTURE(size);
        const auto id = h.new_id();
        std::string body(size, '\0');
        for (auto& c : body) c = static_cast<char>(h.random.next());
        REQUIRE(h.commit(id, body).has_value());
        const auto& told = h.told(id);
        CHECK(told.size == size);
        CHECK(told.recipients.size() == 2);
        CHECK(told.recipients[1].domain == "two.example");
        CHECK(told.recipients[1].status == mail::RecipientStatus::pending);
        REQUIRE(told.envelope != nullptr);
        REQUIRE(told.body != nullptr);
        CHECK(told.envelope->metadata.at("service") == "mx");
        CHECK(QueueHarness::bytes(*told.body) == body);
        const auto loaded = h.load(id);
        REQUIRE(loaded.has_value());
        CHECK(loaded->envelope == *told.envelope);
        CHECK(loaded->envelope.body_size == size);
        CHECK(loaded->recipients.size() == 2);
        CHECK(QueueHarness::bytes(*loaded->body) == body);
    }
    CHECK(h.queue().stats().messages == 5);
    CHECK(h.queue().stats().accepted == 5);
    CHECK(h.told_in_all() == 5);
}

inline void contract_states(QueueHarness& h) {
    h.attach();
    const auto id = h.new_id();
    REQUIRE(h.commit(id, "body").has_value());
    REQUIRE(h.record(attempt(id, 0, 1)).has_value());
    auto freeze = attempt(id, 1, 7);
    freeze.frozen = true;
    REQUIRE(h.record(freeze).has_value());
    REQUIRE(h.record(attempt(id, 0, 2)).has_value());
    const auto loaded = h.load(id);
    REQUIRE(loaded.has_value());
    CHECK(loaded->frozen);
    CHECK(loaded->recipients[0] == attempt(id, 0, 2).recipients[0].state);
    CHECK(loaded->recipients[1] == attempt(id, 1, 7).recipients[0].state);
    h.restart();
    const auto& told = h.told(id);
    CHECK(told.frozen);
    CHECK(told.size == 4);
    CHECK(told.recipients[0].attempts == 2);
    CHECK(told.recipients[1].attempts == 7);
    CHECK(told.recipients[1].next_try == base::from_ms(1'700'000'100'007));
    CHECK(told.arrival == base::from_ms(1'700'000'000'000));
    CHECK(h.load(id)->recipients[0].last.text == "busy");
}

inline void contract_many_records_in_order(QueueHarness& h) {
    h.attach();
    const auto id = h.new_id();
    REQUIRE(h.commit(id, "body").has_value());
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 1; i <= 50; ++i) {
        h.queue().record(attempt(id, 0, i), [&order, i](const base::Result<void>& r) {
            CHECK(r.has_value());
            order.push_back(i);
        });
    }
    REQUIRE(h.until([&] { return order.size() == 50; }));
    CHECK(std::ranges::is_sorted(order));
    CHECK(h.load(id)->recipients[0].attempts == 50);
}

inline void contract_births(QueueHarness& h) {
    h.attach();
    const auto id = h.new_id();
    const std::string body(300'000, 'm');
    REQUIRE(h.commit(id, body).has_value());
    const auto parent = h.load(id);
    auto change = attempt(id, 0, 1);
    change.births.push_back(birth(id.child(1), "head\r\n", nullptr, 0, "tail\r\n"));
    change.births.push_back(birth(id.child(2), "head\r\n", parent->body, 200'000, "tail\r\n"));
    change.births.push_back(birth(id.child(3), "head\r\n", parent->body, 1000, "tail\r\n"));
    std::vector<int> order;
    h.queue().record(std::move(change), [&](const base::Result<void>& r) {
        CHECK(r.has_value());
        order.push_back(1);
    });
    // Later changes of the message do not overtake it.
    h.queue().record(attempt(id, 0, 2), [&](const base::Result<void>&) { order.push_back(2); });
    REQUIRE(h.until([&] { return order.size() == 2; }));
    CHECK(order == std::vector{1, 2});
    CHECK(QueueHarness::bytes(*h.told(id.child(1)).body) == "head\r\ntail\r\n");
    CHECK(QueueHarness::bytes(*h.told(id.child(2)).body) == "head\r\n" + body.substr(0, 200'000) + "tail\r\n");
    CHECK(QueueHarness::bytes(*h.told(id.child(3)).body) == "head\r\n" + body.substr(0, 1000) + "tail\r\n");
    CHECK(h.told(id.child(1)).null_sender);
    // A replay names a child again.
    auto again = attempt(id, 0, 3);
    again.births.push_back(birth(id.child(1), "other", nullptr, 0, ""));
    REQUIRE(h.record(std::move(again)).has_value());
    CHECK(QueueHarness::bytes(*h.load(id.child(1))->body) == "head\r\ntail\r\n");
    CHECK(h.queue().stats().messages == 4);
    CHECK(h.told_in_all() == 4);
    h.restart();
    CHECK(h.load(id.child(2))->body->size() == 200'012);
    CHECK(h.load(id)->recipients[0].attempts == 3);
}

inline void contract_done(QueueHarness& h) {
    h.attach();
    const auto small = h.new_id();
    const auto large = h.new_id();
    REQUIRE(h.commit(small, "body").has_value());
    REQUIRE(h.commit(large, std::string(300'000, 'x')).has_value());
    const auto reading = h.load(large);
    for (const auto& id : {small, large}) {
        auto change = attempt(id, 0, 1);
        change.done = true;
        REQUIRE(h.record(std::move(change)).has_value());
        const auto gone = h.load(id);
        REQUIRE_FALSE(gone.has_value());
        CHECK(gone.error().kind == base::ErrorKind::permanent);
        const auto late = h.record(attempt(id, 0, 2));
        REQUIRE_FALSE(late.has_value());
        CHECK(late.error().kind == base::ErrorKind::permanent);
    }
    CHECK(h.queue().stats().messages == 0);
    CHECK(h.queue().stats().finished == 2);
    CHECK(QueueHarness::bytes(*reading->body) == std::string(300'000, 'x'));
    h.restart();
    h.loops.run_until_idle();
    CHECK(h.told_in_all() == 0);
    CHECK(h.queue().stats().messages == 0);
}

inline void contract_attach_later(QueueHarness& h) {
    const auto id = h.new_id();
    REQUIRE(h.commit(id, "early").has_value());
    h.attach();
    CHECK(h.told(id).size == 5);
    for (int i = 0; i < 1000; ++i) REQUIRE(h.commit(h.new_id(), "x").has_value());
    h.restart();
    REQUIRE(h.until([&] { return h.told_in_all() == 1001; }));
    h.loops.run_until_idle();
    CHECK(h.told_in_all() == 1001);
    CHECK(h.told(id).size == 5);
}

// What the walk finds, some places at a time.
inline std::vector<base::Ulid> walk_all(const Queue& queue, std::size_t places) {
    std::vector<base::Ulid> found;
    for (std::uint64_t from = 0; from != Queue::kWalked;) {
        const auto walked = queue.walk(from, places);
        CHECK(walked.ids.size() <= places);
        found.insert(found.end(), walked.ids.begin(), walked.ids.end());
        from = walked.next;
    }
    std::ranges::sort(found);
    return found;
}

inline void contract_walk(QueueHarness& h) {
    h.attach();
    CHECK(walk_all(h.queue(), 10).empty());
    std::vector<base::Ulid> here;
    for (int i = 0; i < 300; ++i) {
        here.push_back(h.new_id());
        REQUIRE(h.commit(here.back(), "x").has_value());
    }
    const auto done = here.back();
    here.pop_back();
    auto change = attempt(done, 0, 1);
    change.done = true;
    REQUIRE(h.record(std::move(change)).has_value());
    std::ranges::sort(here);
    CHECK(walk_all(h.queue(), 7) == here);
    CHECK(walk_all(h.queue(), 100'000) == here);
    CHECK(h.queue().knows(here.front()));
    CHECK_FALSE(h.queue().knows(done));
    h.restart();
    REQUIRE(h.until([&] { return h.told_in_all() == 299; }));
    CHECK(walk_all(h.queue(), 7) == here);
}

inline void contract_stop(QueueHarness& h) {
    h.attach();
    REQUIRE(h.commit(h.new_id(), "before").has_value());
    h.queue().stop();
    const auto after = h.commit(h.new_id(), "after");
    REQUIRE_FALSE(after.has_value());
    CHECK(after.error().kind == base::ErrorKind::temporary);
}

}  // namespace posthorn::spool
