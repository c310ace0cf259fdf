// The one contract of the store port, for every backend.
#include <doctest/doctest.h>

#include "tests/support/memory_store.hpp"
#include "tests/unit/store/file_store.hpp"
#include "tests/unit/store/store_contract.hpp"

using namespace posthorn;
using namespace posthorn::store;

namespace {

class MemoryHarness final : public StoreHarness {
public:
    Store& store() override { return store_; }
    void restart() override {}
    bool survives() const override { return false; }

private:
    test::MemoryStore store_;
};

}  // namespace

TEST_CASE("a store in memory keeps the contract") {
    check_store_contract([] { return std::make_unique<MemoryHarness>(); });
}

TEST_CASE("a store on files keeps the contract") {
    check_store_contract([] { return std::make_unique<FileHarness>(); });
}

TEST_CASE("a store on files keeps the contract with one account open at a time") {
    Config config;
    config.max_open_accounts = 1;
    config.pack_limit = 5;
    config.pack_size = 100;
    check_store_contract([&] { return std::make_unique<FileHarness>(config); });
}

TEST_CASE("a store on Maildirs keeps the contract") {
    Config config;
    config.backend = BackendKind::maildir;
    check_store_contract([&] { return std::make_unique<FileHarness>(config); });
}

TEST_CASE("a store on Maildirs keeps the contract with one account open at a time") {
    Config config;
    config.backend = BackendKind::maildir;
    config.max_open_accounts = 1;
    check_store_contract([&] { return std::make_unique<FileHarness>(config); });
}
