// A store on files in a folder of its own, for the tests.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>

#include "store/impl/sqlite_store.hpp"
#include "tests/unit/store/store_contract.hpp"

namespace posthorn::store {

struct TempFolder {
    TempFolder() {
        char name[] = "/tmp/store-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~TempFolder() { std::filesystem::remove_all(path); }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    std::string path;
};

class MapHighWater final : public HighWater {
public:
    base::Result<Mark> get(const mail::AccountName& account) override {
        ++gets;
        return marks[account];
    }
    base::Result<void> raise(const mail::AccountName& account, Mark mark) override {
        if (broken) return base::fail(base::ErrorKind::temporary, "the directory is down", "4.3.0");
        ++raises;
        auto& known = marks[account];
        known.modseq = std::max(known.modseq, mark.modseq);
        known.uid_validity = std::max(known.uid_validity, mark.uid_validity);
        return {};
    }
    std::map<mail::AccountName, Mark> marks;
    int gets = 0;
    int raises = 0;
    bool broken = false;
};

class FileHarness : public StoreHarness {
public:
    explicit FileHarness(Config given = {}) : config(std::move(given)) {
        config.directory = folder.path + "/data";
        open();
    }
    ~FileHarness() override { loops.run_until_idle(); }

    Store& store() override { return *store_; }
    // As a kill: the files as they are, and nobody had the time to say goodbye.
    void restart() override {
        crash();
        open();
    }
    void crash() {
        loops.run_until_idle();
        const auto left = folder.path + "/left";
        std::filesystem::copy(config.directory, left, std::filesystem::copy_options::recursive);
        store_.reset();
        std::filesystem::remove_all(config.directory);
        std::filesystem::rename(left, config.directory);
    }
    void close() {
        loops.run_until_idle();
        store_.reset();
    }
    void open() {
        auto opened = SqliteStore::open(config, {*disk, *pool, loops.clock(), metrics, &high_water});
        if (!opened) FAIL(opened.error().log_text);
        store_ = std::move(*opened);
    }
    std::string account_folder() const { return config.directory + "/example.org/jane"; }

    TempFolder folder;
    Config config;
    std::unique_ptr<base::Disk> disk = base::posix_disk();
    std::unique_ptr<net::Pool> pool = loops.make_pool("store", 10'000);
    base::Metrics metrics;
    MapHighWater high_water;

protected:
    std::unique_ptr<SqliteStore> store_;
};

}  // namespace posthorn::store
