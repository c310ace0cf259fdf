// What damage, and a disk or a directory that fails, must never cost: mail that is there, and UIDs that were given.
#include <doctest/doctest.h>

#include <fstream>

#include "base/log.hpp"
#include "tests/unit/store/file_store.hpp"

using namespace posthorn;
using namespace posthorn::store;
namespace fs = std::filesystem;

namespace {

struct Damaged : FileHarness {
    explicit Damaged(Config given = {}) : FileHarness(std::move(given)) {}
    SqliteStore& keeper() { return *store_; }
    std::string index() const { return account_folder() + "/index.sqlite"; }
    std::size_t files(const std::string& extension) const {
        std::size_t count = 0;
        for (const auto& entry : fs::directory_iterator(account_folder() + "/bodies"))
            count += entry.path().extension() == extension ? 1U : 0U;
        return count;
    }
    void clean(const mail::AccountName& name) {
        const auto report = get(keeper().check(loop(), name, true));
        for (const auto& text : report.texts) MESSAGE(text);
        CHECK(report.findings == 0);
    }
    // The page where a table begins is no page of a table any more.
    void spoil_table(const std::string& table) {
        std::int64_t page = 0;
        std::int64_t size = 0;
        {
            const auto db = base::sqlite::Database::open(index());
            page = (*db)->value("SELECT rootpage FROM sqlite_master WHERE name = ?", table);
            size = (*db)->value("PRAGMA page_size");
        }
        REQUIRE(page > 1);
        std::fstream file(index(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp((page - 1) * size);
        file << std::string(static_cast<std::size_t>(size), '\xFF');
        REQUIRE(file.good());
    }
};

}  // namespace

TEST_CASE("packs of an index that cannot be read are not thrown away") {
    const base::log::Capture quiet;
    Config config;
    config.pack_size = 1000;
    Damaged h(config);
    for (int i = 0; i < 5; ++i) h.deliver(std::string(1000, 'x'));
    h.close();
    const auto packs = h.files(".pack");
    REQUIRE(packs > 3);
    h.spoil_table("email");
    h.open();
    CHECK(h.code(h.keeper().collect(h.loop(), h.jane)) == EUCLEAN);
    CHECK(h.files(".pack") == packs);
}

TEST_CASE("the mark is raised after it could not be, and each time an account is opened for writing") {
    const base::log::Capture quiet;
    Config config;
    config.max_open_accounts = 1;
    Damaged h(config);
    h.deliver("one");
    SUBCASE("it could not be raised") {
        h.loops.run_for(std::chrono::hours(60));
        h.high_water.broken = true;
        CHECK_FALSE(h.await(h.store().deliver(h.loop(), h.jane, h.delivery("two"))));
        h.high_water.broken = false;
        const auto raises = h.high_water.raises;
        h.deliver("two");
        CHECK(h.high_water.raises == raises + 1);
    }
    SUBCASE("closed for others") {
        h.get(h.store().deliver(h.loop(), h.john, h.delivery("one")));
        h.loops.run_until_idle();
        const auto raises = h.high_water.raises;
        h.deliver("two");
        CHECK(h.high_water.raises == raises + 1);
    }
}

TEST_CASE("a pack that a backup shares is not written to") {
    const base::log::Capture quiet;
    Damaged h;
    h.deliver("one");
    const auto folder = h.folder.path + "/backup";
    h.get(h.keeper().backup(h.loop(), h.jane, folder));
    const auto size = [&] { return fs::file_size(folder + "/bodies/00000001.pack"); };
    const auto before = size();
    h.deliver("two");
    CHECK(size() == before);
    h.get(h.keeper().restore(h.loop(), h.john, folder));
    h.get(h.store().deliver(h.loop(), h.john, h.delivery("three")));
    CHECK(size() == before);
    h.restart();
    h.deliver("four");
    CHECK(size() == before);
    h.clean(h.jane);
    h.clean(h.john);
}

TEST_CASE("an index that was lost is not made anew where there is mail") {
    const base::log::Capture quiet;
    Damaged h;
    std::string text = "small";
    bool gone = false;
    SUBCASE("empty, a small body") {}
    SUBCASE("empty, a large body") { text = std::string(100'000, 'l'); }
    SUBCASE("gone, a large body") {
        text = std::string(100'000, 'l');
        gone = true;
    }
    h.deliver(text);
    h.close();
    if (gone)
        fs::remove(h.index());
    else
        fs::resize_file(h.index(), 0);
    h.open();
    for (int i = 0; i < 2; ++i) CHECK(h.code(h.store().mailboxes(h.loop(), h.jane)) == EUCLEAN);
    CHECK(h.code(h.keeper().collect(h.loop(), h.jane)) == EUCLEAN);
    const auto report = h.get(h.keeper().repair(h.loop(), h.jane));
    CHECK(report.index_was_lost);
    CHECK(report.recovered == 1);
    CHECK(h.bytes(h.inbox().entries.at(0).email) == text);
    h.clean(h.jane);
}

TEST_CASE("a repair that cannot read all is not done, and can be begun again") {
    const base::log::Capture quiet;
    Damaged h;
    h.deliver("small");
    h.deliver(std::string(100'000, 'l'));
    h.close();
    fs::remove(h.index());
    const auto unreadable = h.account_folder() + "/bodies/00000000000000ff.eml";
    fs::create_directory(unreadable);
    h.open();
    for (int i = 0; i < 2; ++i) {
        CHECK_FALSE(h.await(h.keeper().repair(h.loop(), h.jane)));
        CHECK(h.code(h.store().mailboxes(h.loop(), h.jane)) == EUCLEAN);
        CHECK_FALSE(fs::exists(h.index()));
        CHECK(h.files(".eml") == 2);
    }
    fs::remove(unreadable);
    const auto report = h.get(h.keeper().repair(h.loop(), h.jane));
    CHECK(report.index_was_lost);
    CHECK(report.recovered == 2);
    CHECK_FALSE(fs::exists(h.account_folder() + "/repaired.sqlite"));
    h.clean(h.jane);
    h.restart();
    CHECK(h.inbox().entries.size() == 2);
}

TEST_CASE("of two bodies of the same id in the packs the last is taken") {
    const base::log::Capture quiet;
    Damaged h;
    const auto pack = [&] { return h.account_folder() + "/bodies/00000001.pack"; };
    h.deliver("before");
    h.close();
    fs::copy(h.account_folder(), h.folder.path + "/old", fs::copy_options::recursive);
    // What a write that was rolled back leaves: a record whose id the next one gets, too.
    h.open();
    h.deliver("rolled back");
    h.close();
    fs::copy_file(pack(), h.folder.path + "/old/bodies/00000001.pack", fs::copy_options::overwrite_existing);
    fs::remove_all(h.account_folder());
    fs::rename(h.folder.path + "/old", h.account_folder());
    h.high_water.marks.clear();
    h.restart();
    const auto kept = h.deliver("acknowledged");
    h.close();
    fs::remove(h.index());
    h.open();
    const auto report = h.get(h.keeper().repair(h.loop(), h.jane));
    CHECK(report.recovered == 2);
    CHECK(h.inbox().entries.at(1).email == kept.email);
    CHECK(h.bytes(kept.email) == "acknowledged");
    h.clean(h.jane);
}
