// What becomes of mail when the disk under the bodies fails: at each operation in turn.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "tests/support/fault_disk.hpp"
#include "tests/unit/store/file_store.hpp"

using namespace posthorn;
using namespace posthorn::store;

namespace {

// Bodies on a disk in memory that fails; the index, which SQLite keeps, on a real one.
class FaultHarness final : public StoreHarness {
public:
    FaultHarness() {
        Config config;
        config.directory = folder.path;
        config.pack_limit = 1000;
        config.pack_size = 3000;
        const auto account = folder.path + "/example.org/jane";
        std::filesystem::create_directories(account);
        (void)disk.make_directory(folder.path, 0700);
        auto opened = SqliteStore::open(config, {disk, *pool, loops.clock(), metrics, &high_water});
        REQUIRE(opened.has_value());
        store_ = std::move(*opened);
        deliver_one("first");
        // As it is on the real one.
        disk.put(account + "/index.sqlite", "there");
        disk.put(account + "/bodies", "a folder");
    }
    ~FaultHarness() override { loops.run_until_idle(); }
    Store& store() override { return *store_; }
    SqliteStore& keeper() { return *store_; }
    void restart() override {}

    void deliver_one(const std::string& text) {
        const auto added = await(store().deliver(loop(), jane, delivery(text)));
        if (added) kept.emplace_back(added->uid, text);
    }
    void append_two(const std::string& text) {
        const auto added =
            await(store().append(loop(), jane, 1, {message(text + "a"), message(text + "b")}, std::nullopt));
        if (!added) return;
        kept.emplace_back((*added)[0].uid, text + "a");
        kept.emplace_back((*added)[1].uid, text + "b");
    }

    TempFolder folder;
    test::FaultDisk disk{3};
    std::unique_ptr<net::Pool> pool = loops.make_pool("store", 1000);
    base::Metrics metrics;
    MapHighWater high_water;
    std::vector<std::pair<Uid, std::string>> kept;

private:
    std::unique_ptr<SqliteStore> store_;
};

void check_kept(FaultHarness& h) {
    const auto entries = h.inbox().entries;
    REQUIRE(entries.size() == h.kept.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        CHECK(entries[i].uid == h.kept[i].first);
        CHECK(h.bytes(entries[i].email) == h.kept[i].second);
    }
    const auto report = h.get(h.keeper().check(h.loop(), h.jane, true));
    CHECK(report.missing == 0);
    CHECK(report.damaged == 0);
    CHECK(report.findings == report.orphans);
}

}  // namespace

TEST_CASE("what was answered is there, what failed is not, wherever the disk fails in turn") {
    const base::log::Capture quiet;
    for (const int code : {EIO, ENOSPC}) {
        std::size_t failed = 0;
        for (std::size_t nth = 0;; ++nth) {
            CAPTURE(nth);
            FaultHarness h;
            const auto before = h.disk.operations();
            h.disk.fail_at(nth, code);
            for (int i = 0; i < 3; ++i) {
                h.deliver_one(std::string(400 + static_cast<std::size_t>(i), 's'));
                h.deliver_one(std::string(5000, static_cast<char>('l' + i)));
                h.append_two(std::string(600, static_cast<char>('a' + i)));
            }
            h.disk.fail_never();
            if (h.kept.size() < 13) ++failed;
            const bool reached = h.disk.operations() - before > nth;
            h.deliver_one("last");
            CHECK(h.kept.back().second == "last");
            check_kept(h);
            if (!reached) break;
            REQUIRE(nth < 200);
        }
        CHECK(failed > 15);
    }
}

TEST_CASE("a large body that was rolled back leaves nothing under an id that is given again") {
    const base::log::Capture quiet;
    FaultHarness h;
    auto bad = h.message("small");
    bad.keywords = {"no keyword"};
    CHECK(h.code(h.store().append(h.loop(), h.jane, 1, {h.message(std::string(5000, 'l')), bad}, std::nullopt)) ==
          EINVAL);
    const auto left = h.disk.list(h.folder.path + "/example.org/jane/bodies");
    REQUIRE(left);
    CHECK(std::ranges::none_of(*left, [](const auto& name) { return name.ends_with(".eml"); }));
    h.deliver_one("small, and acknowledged");
    check_kept(h);
}

TEST_CASE("a repair that cannot list the bodies drops nothing") {
    const base::log::Capture quiet;
    std::size_t failed = 0;
    for (int nth = 0;; ++nth) {
        CAPTURE(nth);
        REQUIRE(nth < 20);
        FaultHarness h;
        h.deliver_one(std::string(5000, 'l'));
        int lists = 0;
        h.disk.fail_if([&](test::DiskOp op, const std::string& path) {
            return op == test::DiskOp::list && path.ends_with("/bodies") && lists++ == nth ? EIO : 0;
        });
        const auto report = h.await(h.keeper().repair(h.loop(), h.jane));
        const bool reached = lists > nth;
        h.disk.fail_if({});
        CHECK(report.has_value() != reached);
        check_kept(h);
        if (!reached) break;
        ++failed;
    }
    CHECK(failed == 4);
}
