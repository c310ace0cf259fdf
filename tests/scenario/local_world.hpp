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

    FakeDirectory people;
    test::MemoryStore stored;
};

}  // namespace posthorn::testing
