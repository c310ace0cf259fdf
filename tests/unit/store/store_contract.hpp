// What every backend of the store port must do. A harness gives a store under simulated loops and can start it again
// as after a crash: see store_test.cpp.
#pragma once

#include <doctest/doctest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "net/sim_loop.hpp"
#include "store/store.hpp"

namespace posthorn::store {

class StoreHarness {
public:
    virtual ~StoreHarness() = default;
    virtual Store& store() = 0;
    virtual void restart() = 0;
    virtual bool survives() const { return true; }  // a restart

    template <class T>
    base::Result<T> await(net::Task<base::Result<T>> task) {
        std::optional<base::Result<T>> result;
        net::spawn(loops.at(0), "call", keep(std::move(task), result));
        REQUIRE(loops.run_until_real([&] { return result.has_value(); }));
        return *std::move(result);
    }
    // The same, and it must go well.
    template <class T>
    T get(net::Task<base::Result<T>> task) {
        auto result = await(std::move(task));
        if (!result) FAIL(result.error().log_text);
        if constexpr (!std::is_void_v<T>) return *std::move(result);
    }
    template <class T>
    int code(net::Task<base::Result<T>> task) {
        const auto result = await(std::move(task));
        return result ? 0 : result.error().code;
    }

    base::Ulid new_id() {
        base::Ulid id;
        for (auto& octet : id.bytes) octet = static_cast<std::uint8_t>(random.next());
        return id;
    }
    static NewMessage message(std::string text) {
        NewMessage out;
        out.body = std::make_shared<MemorySource>(std::move(text));
        out.received = base::from_ms(1'700'000'000'123);
        return out;
    }
    Delivery delivery(std::string text) {
        Delivery out;
        out.id = new_id();
        out.message = message(std::move(text));
        return out;
    }
    Added deliver(std::string text) { return get(store().deliver(loop(), jane, delivery(std::move(text)))); }
    Mailbox box(const std::string& name = "INBOX") { return get(store().mailbox(loop(), jane, name)); }
    // As it is now; of a mailbox that is not there, too.
    UidScope scope(MailboxId id) {
        for (const auto& box : get(store().mailboxes(loop(), jane))) {
            if (box.id == id) return box.scope();
        }
        return {id, 0};
    }
    Snapshot snapshot(MailboxId id) { return get(store().snapshot(loop(), jane, id)); }
    Snapshot inbox() { return snapshot(box().id); }
    std::string bytes(EmailId email) {
        const auto body = get(store().open(loop(), jane, email));
        std::string all;
        while (true) {
            const auto piece = get(body->read(loop(), all.size(), 70'000));
            if (piece.empty()) break;
            all += piece;
        }
        CHECK(all.size() == body->size());
        if (body->memory()) CHECK(*body->memory() == all);
        return all;
    }
    FlagsChanged flags(MailboxId id, UidSet uids, FlagChange change) {
        return get(store().store_flags(loop(), jane, scope(id), std::move(uids), std::move(change)));
    }
    net::Loop& loop() { return loops.at(0); }

    net::SimLoops loops;
    base::SeededRandom random{42};
    const mail::AccountName jane{"jane", "example.org"};
    const mail::AccountName john{"john", "example.org"};

private:
    template <class T>
    static net::Task<> keep(net::Task<base::Result<T>> task, std::optional<base::Result<T>>& result) {
        base::Result<T> got = co_await std::move(task);
        result.emplace(std::move(got));
    }
};

std::string uids_of(const std::vector<Entry>& entries);

// The whole contract.
void check_store_contract(const std::function<std::unique_ptr<StoreHarness>()>& make);

}  // namespace posthorn::store
