// A delivery world with accounts: mail for local.test stays here.
#pragma once

#include "tests/scenario/delivery_world.hpp"
#include "tests/support/fake_directory.hpp"
#include "tests/support/memory_store.hpp"

namespace posthorn::testing {

class LocalWorld : public DeliveryWorld {
public:
    LocalWorld() {
        directory = &people;
        store = &stored;
        people.add_domain("local.test");
    }
    ~LocalWorld() { stop(std::chrono::seconds(0)); }

    static mail::AccountName name(std::string_view address) { return *mail::parse_account_name(address); }
    void add(std::initializer_list<std::string_view> addresses) {
        for (const auto address : addresses) people.add_account(address);
    }
    std::vector<std::string> inbox(std::string_view address, std::string_view mailbox = "INBOX") const {
        return stored.content(name(address), mailbox);
    }

    void reserve(std::string_view address, const base::Ulid& id, std::uint64_t octets) {
        net::spawn(loops.at(0), "reserve", do_reserve(&stored, &loops.at(0), name(address), id, octets));
        loops.run_until_idle();
    }
    std::uint64_t reserved(std::string_view address) {
        std::uint64_t out = 0;
        net::spawn(loops.at(0), "state", look(&stored, &loops.at(0), name(address), &out));
        loops.run_until_idle();
        return out;
    }

    FakeDirectory people;
    test::MemoryStore stored;

private:
    static net::Task<> do_reserve(store::Store* store, net::Loop* loop, mail::AccountName account, base::Ulid id,
                                  std::uint64_t octets) {
        const auto kept = co_await store->reserve(*loop, account, id, octets, {});
        if (!kept) throw std::logic_error("not reserved");
    }
    static net::Task<> look(store::Store* store, net::Loop* loop, mail::AccountName account, std::uint64_t* out) {
        const auto state = co_await store->state(*loop, account);
        if (state) *out = state->reserved_bytes;
    }
};

}  // namespace posthorn::testing
