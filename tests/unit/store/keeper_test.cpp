// What an operator does with an account, and what becomes of it when something was lost.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/log.hpp"
#include "tests/unit/store/file_store.hpp"

using namespace posthorn;
using namespace posthorn::store;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLarge = 100'000;

struct Keeping : FileHarness {
    explicit Keeping(Config given = {}) : FileHarness(std::move(given)) {}
    SqliteStore& keeper() { return *store_; }
    CheckReport check() { return get(keeper().check(loop(), jane, true)); }
    void clean() {
        const auto report = check();
        for (const auto& text : report.texts) MESSAGE(text);
        CHECK(report.findings == 0);
    }
    void fill() {
        for (int i = 0; i < 5; ++i) deliver("message " + std::to_string(i));
        deliver(std::string(kLarge, 'l'));
        flags(box().id, {2}, {.system = flag::seen, .keywords = {"$K"}});
        get(store().copy(loop(), jane, box().scope(), {1}, box("Archive").id));
        get(store().expunge(loop(), jane, box().scope(), {3}, false));
    }
    void spoil(const std::string& path, std::uint64_t at) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        REQUIRE(file.good());
        file.seekp(static_cast<std::streamoff>(at));
        file.put('!');
    }
    std::string the_large() {
        for (const auto& entry : fs::directory_iterator(account_folder() + "/bodies"))
            if (entry.path().extension() == ".eml") return entry.path();
        return {};
    }
    std::vector<std::string> texts() {
        std::vector<std::string> out;
        for (const auto& entry : inbox().entries) out.push_back(bytes(entry.email).substr(0, 20));
        return out;
    }
};

unsigned mode_of(const std::string& path) {
    struct stat st{};
    REQUIRE(::stat(path.c_str(), &st) == 0);
    return st.st_mode & 0777U;
}

}  // namespace

TEST_CASE("an account in good order is found to be so") {
    Keeping h;
    CHECK(h.code(h.keeper().check(h.loop(), h.jane, true)) == ENOENT);
    h.fill();
    const auto report = h.check();
    CHECK(report.findings == 0);
    CHECK(report.emails == 6);
    CHECK(report.octets == 5 * 9 + kLarge);
    h.restart();
    h.clean();
}

TEST_CASE("what is wrong is found") {
    Keeping h;
    h.fill();
    SUBCASE("a body that is not what was stored") {
        h.spoil(h.account_folder() + "/bodies/00000001.pack", 65);
        CHECK(h.check().damaged == 1);
        CHECK(h.code(h.store().open(h.loop(), h.jane, h.inbox().entries[0].email)) == EUCLEAN);
    }
    SUBCASE("a large body that is not there") {
        fs::remove(h.the_large());
        CHECK(h.check().missing == 1);
        const auto report = h.get(h.keeper().repair(h.loop(), h.jane));
        CHECK(report.dropped == 1);
        CHECK_FALSE(report.index_was_lost);
        h.clean();
        CHECK(h.inbox().entries.size() == 4);
    }
    SUBCASE("a large body without a row") {
        fs::copy(h.the_large(), h.account_folder() + "/bodies/0000000000ffffff.eml");
        CHECK(h.check().orphans == 1);
        CHECK(h.get(h.keeper().repair(h.loop(), h.jane)).orphans_removed == 1);
        h.clean();
        CHECK(h.inbox().entries.size() == 5);
    }
    SUBCASE("figures that do not agree") {
        const auto before = h.inbox();
        h.close();
        {
            const auto db = base::sqlite::Database::open(h.account_folder() + "/index.sqlite");
            (*db)->script(
                "UPDATE mailbox SET messages = 77; UPDATE account SET bytes = 1; UPDATE email SET refs = 3");
            REQUIRE((*db)->take_error());
        }
        h.open();
        CHECK(h.check().findings == 4);  // of mailboxes, emails, the account, and a grave of one that seems alive
        CHECK(h.get(h.keeper().repair(h.loop(), h.jane)).counted_anew);
        h.clean();
        CHECK(h.inbox().mailbox.messages == 5);
        CHECK(h.inbox().mailbox.uid_validity == before.mailbox.uid_validity);
    }
}

TEST_CASE("a lost index is made again from the bodies") {
    const base::log::Capture quiet;
    Keeping h;
    h.fill();
    const auto before = h.inbox();
    h.close();
    SUBCASE("gone") { fs::remove(h.account_folder() + "/index.sqlite"); }
    SUBCASE("no database any more") { h.spoil(h.account_folder() + "/index.sqlite", 3); }
    h.open();
    CHECK(h.code(h.store().mailboxes(h.loop(), h.jane)) == EUCLEAN);
    const auto report = h.get(h.keeper().repair(h.loop(), h.jane));
    CHECK(report.index_was_lost);
    CHECK(report.snapshot.empty());
    CHECK(report.recovered == 6);  // the one that was expunged, too
    h.clean();
    const auto after = h.inbox();
    CHECK(after.entries.size() == 6);
    CHECK(after.mailbox.uid_validity > before.mailbox.uid_validity);
    CHECK(h.bytes(after.entries[0].email) == "message 0");
    CHECK(h.deliver("next").email > before.entries.back().email);
    h.clean();
}

TEST_CASE("a lost index is made again from its newest snapshot and what is newer") {
    const base::log::Capture quiet;
    Keeping h;
    h.fill();
    h.get(h.keeper().collect(h.loop(), h.jane));
    const auto given = h.delivery("after the snapshot");
    h.get(h.store().deliver(h.loop(), h.jane, given));
    const auto before = h.inbox();
    h.close();
    fs::remove(h.account_folder() + "/index.sqlite");
    h.open();
    const auto report = h.get(h.keeper().repair(h.loop(), h.jane));
    CHECK_FALSE(report.snapshot.empty());
    CHECK(report.recovered == 1);
    h.clean();
    const auto after = h.inbox();
    CHECK(after.entries.size() == before.entries.size());
    CHECK(after.entries[1].flags == before.entries[1].flags);
    CHECK(after.mailbox.uid_validity > before.mailbox.uid_validity);
    CHECK(h.box("Archive").messages == 1);
    CHECK(h.get(h.store().deliver(h.loop(), h.jane, given)).duplicate);
    CHECK(h.get(h.store().changes(h.loop(), h.jane, h.box().scope(), before.mailbox.highest_modseq)).too_old);
}

TEST_CASE("an account is checked and repaired with the server down, and not behind its back") {
    const base::log::Capture quiet;
    Keeping h;
    h.fill();
    const Ports ports{*h.disk, *h.pool, h.loops.clock(), h.metrics, &h.high_water};
    auto refused = check_offline(h.config, ports, h.jane, false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == EBUSY);
    CHECK(repair_offline(h.config, ports, h.jane).error().code == EBUSY);
    CHECK(fs::exists(h.account_folder() + "/index.sqlite"));
    h.close();
    CHECK(check_offline(h.config, ports, h.jane, true)->findings == 0);
    CHECK(check_offline(h.config, ports, h.john, true).error().code == ENOENT);
    fs::remove(h.the_large());
    CHECK(check_offline(h.config, ports, h.jane, true)->missing == 1);
    CHECK(repair_offline(h.config, ports, h.jane)->dropped == 1);
    CHECK(check_offline(h.config, ports, h.jane, true)->findings == 0);
    h.open();
    h.clean();
}

TEST_CASE("a backup of a running account is restored under a new UIDVALIDITY") {
    const base::log::Capture quiet;
    Keeping h;
    h.fill();
    const auto folder = h.folder.path + "/backup";
    const auto made = h.get(h.keeper().backup(h.loop(), h.jane, folder));
    CHECK(made.messages == 5);
    CHECK(made.files == 2);
    CHECK(h.code(h.keeper().backup(h.loop(), h.jane, folder)) == EEXIST);
    CHECK(h.code(h.keeper().backup(h.loop(), h.jane, "relative")) == EINVAL);
    const auto texts = h.texts();
    const auto late = h.deliver("after the backup");
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), {1, 2}, false));
    const auto before = h.box();
    const auto restored = h.get(h.keeper().restore(h.loop(), h.jane, folder));
    CHECK(restored.messages == 5);
    CHECK(h.texts() == texts);
    CHECK(h.box().uid_validity > before.uid_validity);
    h.clean();
    const auto next = h.deliver("next");
    CHECK(next.email > late.email);
    CHECK(next.modseq > late.modseq);
    CHECK(h.code(h.keeper().restore(h.loop(), h.jane, h.folder.path + "/nothing")) == ENOENT);
    h.get(h.keeper().restore(h.loop(), h.john, folder));
    CHECK(h.get(h.store().mailbox(h.loop(), h.john, "INBOX")).messages == 5);
    h.restart();
    h.clean();
    CHECK(h.inbox().entries.size() == 6);
}

TEST_CASE("what somebody knew of UIDs does not hold for what takes an account's place") {
    const base::log::Capture quiet;
    Keeping h;
    h.fill();
    const auto known = h.box().scope();
    h.flags(known.mailbox, UidSet::all(), {.system = flag::deleted});
    std::size_t heard = 0;
    const auto watch = h.store().watch(h.loop(), h.jane, [&](const Notice&) { ++heard; });
    SUBCASE("a backup") {
        const auto folder = h.folder.path + "/backup";
        h.get(h.keeper().backup(h.loop(), h.jane, folder));
        h.get(h.keeper().restore(h.loop(), h.jane, folder));
    }
    SUBCASE("an index made again") {
        h.close();
        fs::remove(h.account_folder() + "/index.sqlite");
        h.open();
        const auto again = h.store().watch(h.loop(), h.jane, [&](const Notice&) { ++heard; });
        h.get(h.keeper().repair(h.loop(), h.jane));
        h.loops.run_until_idle();
    }
    h.loops.run_until_idle();
    CHECK(heard > 0);
    CHECK(h.code(h.store().expunge(h.loop(), h.jane, known, UidSet::all(), false)) == ESTALE);
    CHECK(h.box().messages > 0);
}

TEST_CASE("what was expunged comes back, until it has been thrown away") {
    Config config;
    config.undelete_grace = std::chrono::hours(1);
    Keeping h(config);
    h.fill();
    const auto start = h.loops.clock().wall();
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), UidSet::all(), false));
    CHECK(h.inbox().entries.empty());
    // The first has its copy in Archive still: that one is not expunged.
    CHECK(h.get(h.store().state(h.loop(), h.jane)).expunged_messages == 5);
    CHECK(h.get(h.keeper().collect(h.loop(), h.jane)).buried == 0);
    CHECK(h.get(h.keeper().undelete(h.loop(), h.jane, start)) == 5);
    auto after = h.inbox();
    CHECK(after.entries.size() == 5);
    CHECK(after.entries[0].uid == 7);
    h.clean();
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), UidSet::all(), false));
    h.loops.run_for(std::chrono::hours(2));
    const auto report = h.get(h.keeper().collect(h.loop(), h.jane));
    CHECK(report.buried == 5);
    CHECK(report.octets_freed >= kLarge);
    CHECK(h.the_large().empty());
    CHECK(h.get(h.keeper().undelete(h.loop(), h.jane, start)) == 0);
    const auto state = h.get(h.store().state(h.loop(), h.jane));
    CHECK(state.expunged_messages == 0);
    CHECK(state.expunged_bytes == 0);
    h.clean();
}

TEST_CASE("a pack that is mostly dead is rewritten") {
    Config config;
    config.undelete_grace = std::chrono::hours(0);
    config.pack_size = 4096;
    Keeping h(config);
    for (int i = 0; i < 40; ++i) h.deliver(std::string(500, static_cast<char>('a' + i % 26)));
    const auto open = h.get(h.store().open(h.loop(), h.jane, h.inbox().entries[1].email));
    UidSet gone = UidSet::of(1, 38);
    gone.remove({2});
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), gone, false));
    h.loops.run_for(std::chrono::seconds(1));
    const auto before = h.check().dead;
    int steps = 0;
    while (h.get(h.keeper().collect(h.loop(), h.jane)).more) REQUIRE(++steps < 50);
    CHECK(h.check().dead < before / 4);
    CHECK_FALSE(fs::exists(h.account_folder() + "/bodies/00000001.pack"));
    h.clean();
    CHECK(h.bytes(h.inbox().entries[0].email) == std::string(500, 'b'));
    CHECK(h.get(open->read(h.loop(), 0, 1000)) == std::string(500, 'b'));
    h.restart();
    h.clean();
    CHECK(h.inbox().entries.size() == 3);
}

TEST_CASE("the garbage worker looks through accounts by itself, and ends with the store") {
    Config config;
    config.undelete_grace = std::chrono::hours(1);
    Keeping h(config);
    h.fill();
    h.keeper().start(h.loop());
    h.loops.run_for(std::chrono::hours(3));
    CHECK(h.get(h.store().state(h.loop(), h.jane)).expunged_messages == 0);
    CHECK(h.metrics.prometheus_text().find("posthorn_store_buried_total 1") != std::string::npos);
    h.close();
    h.loops.run_for(std::chrono::hours(1));
}

TEST_CASE("changes are remembered so long and no longer") {
    Config config;
    config.change_log_rows = 100;
    Keeping h(config);
    const auto id = h.box().id;
    for (int i = 0; i < 120; ++i) h.deliver("x");
    const auto before = h.box().highest_modseq;
    h.get(h.keeper().collect(h.loop(), h.jane));
    CHECK(h.get(h.store().changes(h.loop(), h.jane, h.scope(id), before - 150)).too_old);
    CHECK(h.get(h.store().account_changes(h.loop(), h.jane, 1, 10)).too_old);
    const auto found = h.get(h.store().changes(h.loop(), h.jane, h.scope(id), before - 50));
    CHECK_FALSE(found.too_old);
    CHECK(found.changed.size() == 50);
}

TEST_CASE("mail newer than an index that was put back is not taken for dead") {
    const base::log::Capture quiet;
    Config config;
    config.pack_size = 1000;
    config.undelete_grace = std::chrono::hours(0);
    Keeping h(config);
    h.deliver(std::string(900, 'a'));
    h.close();
    fs::copy(h.account_folder() + "/index.sqlite", h.folder.path + "/old.sqlite");
    h.open();
    const auto known = h.deliver(std::string(900, 'b'));
    h.deliver(std::string(kLarge, 'l'));
    h.deliver(std::string(900, 'c'));
    const auto box = h.box();
    h.close();
    fs::copy(h.folder.path + "/old.sqlite", h.account_folder() + "/index.sqlite",
             fs::copy_options::overwrite_existing);
    h.open();
    while (h.get(h.keeper().collect(h.loop(), h.jane)).more) continue;
    const auto inbox = h.inbox();
    REQUIRE(inbox.entries.size() == 4);
    CHECK(h.bytes(inbox.entries[1].email) == std::string(900, 'b'));
    CHECK(inbox.entries[1].email == known.email);
    CHECK(h.bytes(inbox.entries[2].email) == std::string(kLarge, 'l'));
    CHECK(inbox.mailbox.uid_validity > box.uid_validity);
    CHECK(quiet.contains("store.reconciled"));
    CHECK(h.deliver("next").email > inbox.entries[3].email);
    h.clean();
}

// A disk that cannot exchange names, and stops at a rename: nothing happens any more, as after a kill.
class OldDisk final : public base::Disk {
public:
    base::Result<std::shared_ptr<base::File>> open(const std::string& path, base::OpenMode mode) override {
        return real_->open(path, mode);
    }
    base::Result<void> rename(const std::string& from, const std::string& to) override {
        if (armed && ++renames > last) dead = true;
        if (dead) return base::fail_errno("rename", EIO);
        return real_->rename(from, to);
    }
    base::Result<void> unlink(const std::string& path) override {
        if (dead) return base::fail_errno("unlink", EIO);
        return real_->unlink(path);
    }
    base::Result<void> sync_directory(const std::string& path) override { return real_->sync_directory(path); }
    base::Result<void> make_directory(const std::string& path, unsigned mode) override {
        return real_->make_directory(path, mode);
    }
    base::Result<std::vector<std::string>> list(const std::string& path) override { return real_->list(path); }
    base::Result<base::FileStatus> status(const std::string& path) override { return real_->status(path); }
    base::Result<base::Space> space(const std::string& path) override { return real_->space(path); }
    base::Result<base::Persistence> persistence(const std::string& path) override {
        return real_->persistence(path);
    }
    bool armed = false;
    bool dead = false;
    int renames = 0;
    int last = 1000;

private:
    std::unique_ptr<base::Disk> real_ = base::posix_disk();
};

TEST_CASE("a kill within a restore leaves the account as it was or as it is to be") {
    const base::log::Capture quiet;
    Keeping h;
    h.fill();
    const auto folder = h.folder.path + "/backup";
    h.get(h.keeper().backup(h.loop(), h.jane, folder));
    h.deliver("after the backup");
    h.close();
    auto owned = std::make_unique<OldDisk>();
    auto& disk = *owned;
    h.disk = std::move(owned);
    h.open();
    std::size_t messages = 5;
    bool whole = false;
    SUBCASE("no kill") {
        disk.armed = true;
        whole = true;
    }
    for (int at = 0; at < 3; ++at) {
        SUBCASE(("at rename " + std::to_string(at)).c_str()) {
            disk.last = at;
            disk.armed = true;
            messages = 6;
        }
    }
    const auto restored = h.await(h.keeper().restore(h.loop(), h.jane, folder));
    CHECK(restored.has_value() == whole);
    if (whole) CHECK(disk.renames == 3);  // the note, and two folders
    // Its own attempt to put things right fails, too: as nobody who was killed could.
    h.close();
    h.disk = base::posix_disk();
    h.open();
    CHECK(h.inbox().entries.size() == messages);
    h.clean();
    CHECK(fs::is_empty(h.config.directory + "/.tmp"));
}

TEST_CASE("what a kill left between the two renames is finished with what was to be") {
    const base::log::Capture quiet;
    Keeping h;
    h.fill();
    h.close();
    const auto staging = h.config.directory + "/.tmp";
    fs::copy(h.account_folder(), staging + "/restored-7", fs::copy_options::recursive);
    fs::rename(h.account_folder(), staging + "/removed-7");
    std::ofstream(staging + "/swap-7") << "example.org/jane";
    SUBCASE("both are there") {}
    SUBCASE("only what it had") { fs::remove_all(staging + "/restored-7"); }
    h.open();
    CHECK(h.inbox().entries.size() == 5);
    CHECK(fs::is_empty(staging));
}

TEST_CASE("a store is one server's") {
    Keeping h;
    const auto second = SqliteStore::open(h.config, {*h.disk, *h.pool, h.loops.clock(), h.metrics, &h.high_water});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == EBUSY);
    CHECK(second.error().log_text.find("is in use") != std::string::npos);
}

TEST_CASE("an index that comes back from the past never gives a UID again") {
    const base::log::Capture quiet;
    Keeping h;
    h.deliver("one");
    SUBCASE("a copy taken while nobody had it open, put back at a later start") {
        h.close();
        fs::copy(h.account_folder(), h.folder.path + "/old", fs::copy_options::recursive);
        h.open();
        const auto lost = h.deliver("two");
        const auto box = h.box();
        h.close();
        fs::remove_all(h.account_folder());
        fs::rename(h.folder.path + "/old", h.account_folder());
        h.open();
        CHECK(h.box().uid_validity > box.uid_validity);
        const auto next = h.deliver("three");
        CHECK(next.email > lost.email);
        CHECK(next.modseq > lost.modseq);
        CHECK(quiet.contains("store.old_copy"));
    }
    SUBCASE("a copy taken while it was in use, put back after a crash") {
        h.loops.run_until_idle();
        fs::copy(h.account_folder(), h.folder.path + "/old", fs::copy_options::recursive);
        const auto lost = h.deliver("two");
        const auto box = h.box();
        h.crash();
        fs::remove_all(h.account_folder());
        fs::rename(h.folder.path + "/old", h.account_folder());
        h.open();
        CHECK(h.box().uid_validity == box.uid_validity);
        const auto next = h.deliver("three");
        CHECK(next.uid > lost.uid);
        CHECK(next.email > lost.email);
        CHECK(next.modseq > lost.modseq);
    }
    SUBCASE("no copy: it goes on where it was") {
        const auto box = h.box();
        h.close();
        h.open();
        CHECK(h.box().uid_validity == box.uid_validity);
        CHECK(h.deliver("two").uid == 2);
        CHECK_FALSE(quiet.contains("store.old_copy"));
    }
    SUBCASE("without the directory nothing is given") {
        h.close();
        h.open();
        h.high_water.broken = true;
        CHECK_FALSE(h.await(h.store().deliver(h.loop(), h.jane, h.delivery("two"))));
        CHECK(h.inbox().entries.size() == 1);
        h.high_water.broken = false;
        CHECK(h.deliver("two").uid == 2);
    }
    SUBCASE("the mark is raised now and then, not at each message") {
        const auto raises = h.high_water.raises;
        for (int i = 0; i < 300; ++i) h.deliver("x");
        CHECK(h.high_water.raises == raises);
    }
}

TEST_CASE("folders and files are the account's alone, whatever the umask") {
    for (const unsigned mask : {077U, 0U}) {
        const auto before = ::umask(mask);
        Keeping h;
        h.fill();
        h.get(h.keeper().collect(h.loop(), h.jane));
        ::umask(before);
        CHECK(mode_of(h.config.directory) == 0750);
        CHECK(mode_of(h.config.directory + "/example.org") == 0750);
        CHECK(mode_of(h.account_folder()) == 0700);
        for (const auto& entry : fs::recursive_directory_iterator(h.account_folder())) {
            CAPTURE(entry.path().string());
            CHECK(mode_of(entry.path()) == (entry.is_directory() ? 0700 : 0600));
        }
    }
}

TEST_CASE("a folder of another version, or of nobody knows what, is refused") {
    Keeping h;
    h.close();
    const auto try_open = [&] {
        const auto opened = SqliteStore::open(h.config, {*h.disk, *h.pool, h.loops.clock(), h.metrics, nullptr});
        return opened ? std::string() : opened.error().log_text;
    };
    const auto version = h.config.directory + "/.layout-version";
    CHECK(try_open().empty());
    for (const char* text : {"2\n", "", "1", "one\n"}) {
        std::ofstream(version) << text;
        CHECK(try_open().find("this server knows version 1") != std::string::npos);
    }
    fs::remove(version);
    CHECK(try_open().empty());
    fs::remove(version);
    fs::create_directory(h.config.directory + "/example.org");
    CHECK(try_open().find("no .layout-version") != std::string::npos);
}

TEST_CASE("an index of a newer version is refused") {
    const base::log::Capture quiet;
    Keeping h;
    h.deliver("one");
    h.close();
    {
        const auto db = base::sqlite::Database::open(h.account_folder() + "/index.sqlite");
        (*db)->script("PRAGMA user_version = 99");
    }
    h.open();
    const auto refused = h.await(h.store().mailboxes(h.loop(), h.jane));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().log_text.find("newer version") != std::string::npos);
}

TEST_CASE("a mailbox of 100,000 messages is opened at once" * doctest::skip()) {
    Keeping h;
    h.deliver("one");
    h.close();
    {
        const auto db = base::sqlite::Database::open(h.account_folder() + "/index.sqlite");
        (*db)->script(
            "WITH RECURSIVE n(i) AS (VALUES(2) UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
            " INSERT INTO membership SELECT 1, i, i + 100, i, 0, 4000 FROM n");
        REQUIRE((*db)->take_error());
    }
    h.open();
    const auto began = std::chrono::steady_clock::now();
    const auto size = h.inbox().entries.size();
    MESSAGE(size << " in " << std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count()
                 << " s");
}
