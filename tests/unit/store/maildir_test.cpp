// A Maildir that others use at the same time, and what becomes of it when one side was lost.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/log.hpp"
#include "store/impl/maildir_name.hpp"
#include "tests/unit/store/file_store.hpp"

using namespace posthorn;
using namespace posthorn::store;
namespace fs = std::filesystem;

namespace {

Config maildir_config() {
    Config config;
    config.backend = BackendKind::maildir;
    return config;
}

// The real one, on which a step can be made to fail.
class StumblingDisk final : public base::Disk {
public:
    bool no_rename = false;

    base::Result<std::shared_ptr<base::File>> open(const std::string& path, base::OpenMode mode) override {
        return real_->open(path, mode);
    }
    base::Result<void> rename(const std::string& from, const std::string& to) override {
        if (no_rename && to.find("/Maildir/tmp/") == std::string::npos) return base::fail_errno("rename", ENOSPC);
        return real_->rename(from, to);
    }
    base::Result<void> unlink(const std::string& path) override { return real_->unlink(path); }
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

private:
    std::unique_ptr<base::Disk> real_ = base::posix_disk();
};

struct Mailroom : FileHarness {
    Mailroom() : FileHarness(maildir_config()) {}
    SqliteStore& keeper() { return *store_; }
    std::string maildir() const { return account_folder() + "/Maildir"; }
    // The names in a folder, "new/…" and "cur/…", sorted.
    std::vector<std::string> names(const std::string& where = "") const {
        std::vector<std::string> out;
        for (const auto* part : {"cur", "new"}) {
            for (const auto& entry : fs::directory_iterator(maildir() + where + '/' + part))
                out.push_back(part + std::string("/") + entry.path().filename().string());
        }
        std::ranges::sort(out);
        return out;
    }
    std::string letters(const std::string& where = "") const {
        const auto all = names(where);
        REQUIRE(all.size() == 1);
        return maildir::parse_file(all[0]).letters;
    }
    // As another program does it.
    void put(const std::string& name, const std::string& text, const std::string& where = "") const {
        std::ofstream(maildir() + where + "/tmp/x", std::ios::binary) << text;
        fs::rename(maildir() + where + "/tmp/x", maildir() + where + '/' + name);
    }
    void rename_to(const std::string& letters, const std::string& where = "") const {
        const auto all = names(where);
        REQUIRE(all.size() == 1);
        const auto base = maildir::parse_file(all[0].substr(4)).base;
        fs::rename(maildir() + where + '/' + all[0], maildir() + where + "/cur/" + base + ":2," + letters);
    }
    void make_folder(const std::string& name) const {
        for (const auto* part : {"/tmp", "/new", "/cur"}) fs::create_directories(maildir() + '/' + name + part);
    }
    void look() {
        close();
        open();
    }
    // Behind the store's back.
    void sql(const std::string& text) {
        close();
        {
            const auto db = base::sqlite::Database::open(account_folder() + "/index.sqlite");
            (*db)->script(text);
            REQUIRE((*db)->take_error());
        }
        open();
    }
    std::string text_of(const Entry& entry) { return bytes(entry.email); }
    void clean() {
        const auto report = get(keeper().check(loop(), jane, true));
        for (const auto& text : report.texts) MESSAGE(text);
        CHECK(report.findings == 0);
    }
    std::vector<std::string> keywords_of(const Snapshot& snapshot, std::size_t at) {
        std::vector<std::string> out;
        for (unsigned i = 0; i < snapshot.keywords.size(); ++i) {
            if ((snapshot.entries[at].flags & flag::keyword(i)) != 0) out.push_back(snapshot.keywords[i]);
        }
        std::ranges::sort(out);
        return out;
    }
};

}  // namespace

TEST_CASE("names of messages in a Maildir") {
    using namespace maildir;
    CHECK(parse_file("1.M2.host,S=3:2,FS").base == "1.M2.host,S=3");
    CHECK(parse_file("1.M2.host,S=3:2,FS").letters == "FS");
    CHECK(parse_file("1.M2.host").letters.empty());
    CHECK(parse_file("1.M2.host:1,x").letters.empty());
    CHECK(file_name("b", "SFbS") == "b:2,FSb");
    base::Ulid id;
    id.bytes[15] = 7;
    const auto ours = new_base(base::from_ms(1'700'000'000'123), id, true, 37);
    CHECK(ours == "1700000000.D00000000000000000000000007.posthorn,S=37,W=37");
    CHECK(delivery_of(ours) == id);
    CHECK_FALSE(delivery_of(new_base(base::from_ms(0), id, false, 37)));
    CHECK_FALSE(delivery_of("1.D00000000000000000000000007.host"));
    CHECK_FALSE(delivery_of("1.D"));
    CHECK(copy_base(base::from_ms(1'700'000'000'123), 5, 6) == "1700000000.C5U6.posthorn");
}

TEST_CASE("names of folders in a Maildir") {
    using namespace maildir;
    for (const auto& [name, path] :
         std::vector<std::pair<std::string, std::string>>{{"INBOX", ""},
                                                          {"Sent", ".Sent"},
                                                          {"a/b/c", ".a.b.c"},
                                                          {"INBOX/x", ".INBOX.x"},
                                                          {"Entw\xC3\xBCrfe", ".Entw&APw-rfe"},
                                                          {"a&b", ".a&-b"},
                                                          {"v1.2/x", ".v1&AC4-2.x"},
                                                          {"=a/b=c", ".&AD0-a.b=c"}}) {
        CHECK(folder_of(name) == path);
        CHECK(mailbox_of(path) == name);
    }
    for (const auto* path : {".", "..", ".a..b", ".inbox", ".INBOX", "cur", ".&", ".a\x01"})
        CHECK_FALSE(mailbox_of(path));
    const auto sum = folder_of(std::string(500, 'x'));
    CHECK(sum.size() < 200);
    CHECK(named_by_sum(sum));
    CHECK_FALSE(mailbox_of(sum));
}

TEST_CASE("what is ours is a Maildir that others can read") {
    Mailroom h;
    auto given = h.delivery("From: a\r\n\r\nx\r\n");
    const auto added = h.get(h.store().deliver(h.loop(), h.jane, given));
    auto names = h.names();
    REQUIRE(names.size() == 1);
    CHECK(names[0].starts_with("new/"));
    CHECK(names[0].ends_with(",S=14,W=14"));
    CHECK(fs::is_empty(h.maildir() + "/tmp"));
    struct stat st{};
    REQUIRE(::stat((h.maildir() + '/' + names[0]).c_str(), &st) == 0);
    CHECK((st.st_mode & 0777U) == 0600);
    CHECK(st.st_mtime == 1'700'000'000);
    h.flags(added.mailbox, {1}, {.system = flag::seen | flag::draft, .keywords = {"$Work", "$Forwarded"}});
    CHECK(h.letters() == "DPSab");
    std::ifstream file(h.maildir() + "/dovecot-keywords");
    CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == "0 $Work\n1 $Forwarded\n");
    h.flags(added.mailbox, {1}, {.how = FlagChange::How::replace, .system = flag::deleted});
    CHECK(h.letters() == "T");
    h.get(h.store().create_mailbox(h.loop(), h.jane, "a.b/c", Role::none));
    CHECK(fs::exists(h.maildir() + "/.a&AC4-b/maildirfolder"));
    h.get(h.store().copy(h.loop(), h.jane, h.box().scope(), {1}, h.box("a.b/c").id));
    CHECK(h.letters("/.a&AC4-b.c") == "T");
    REQUIRE(::stat((h.maildir() + "/.a&AC4-b.c/" + h.names("/.a&AC4-b.c")[0]).c_str(), &st) == 0);
    CHECK(st.st_nlink == 2);
    h.get(h.store().rename_mailbox(h.loop(), h.jane, "a.b/c", "z"));
    CHECK_FALSE(fs::exists(h.maildir() + "/.a&AC4-b.c"));
    CHECK(h.names("/.z").size() == 1);
    h.get(h.store().remove_mailbox(h.loop(), h.jane, "z"));
    CHECK_FALSE(fs::exists(h.maildir() + "/.z"));
    h.get(h.store().move(h.loop(), h.jane, h.box().scope(), {1}, h.box("Trash").id));
    CHECK(h.names().empty());
    CHECK(h.names("/.Trash").size() == 1);
    h.clean();
}

TEST_CASE("what others put into a Maildir is there, with line ends as clients want them") {
    Mailroom h;
    h.deliver("ours");
    h.close();
    h.put("new/1600000000.M1.host", "Subject: a\n\nb\r\nc\n");
    std::ofstream(h.maildir() + "/dovecot-keywords") << "0 $Work\n3 Later\n";
    h.put("cur/1600000001.M2.host,S=3:2,FSadz", "x\r\n");
    h.put("new/1600000002.M3.host", std::string(300'000, 'y') + '\n');
    h.open();
    const auto inbox = h.inbox();
    REQUIRE(inbox.entries.size() == 4);
    CHECK(h.text_of(inbox.entries[1]) == "Subject: a\r\n\r\nb\r\nc\r\n");
    CHECK(inbox.entries[1].size == 20);
    CHECK(inbox.entries[1].flags == 0);
    CHECK(h.text_of(inbox.entries[2]) == "x\r\n");
    CHECK((inbox.entries[2].flags & flag::system) == (flag::flagged | flag::seen));
    CHECK(h.keywords_of(inbox, 2) == std::vector<std::string>{"$Work", "Later"});
    CHECK(h.text_of(inbox.entries[3]) == std::string(300'000, 'y') + "\r\n");
    // A letter that means nothing to us stays.
    h.flags(inbox.mailbox.id, {3}, {.how = FlagChange::How::remove, .keywords = {"Later"}});
    const auto names = h.names();
    CHECK(std::ranges::find(names, "cur/1600000001.M2.host,S=3:2,FSaz") != names.end());
    h.clean();
    h.look();
    CHECK(h.inbox().mailbox.uid_validity == inbox.mailbox.uid_validity);
    CHECK(h.inbox().entries.size() == 4);
    h.clean();
}

TEST_CASE("what others change in a Maildir is told as any change") {
    Mailroom h;
    const auto added = h.deliver("one");
    h.flags(added.mailbox, {1}, {.system = flag::seen, .keywords = {"$Work"}});
    const auto before = h.box();
    SUBCASE("flags") {
        h.rename_to("FR");
        h.look();
        const auto inbox = h.inbox();
        CHECK(inbox.entries[0].flags == (flag::flagged | flag::answered));
        CHECK(inbox.entries[0].uid == 1);
        const auto changes = h.get(h.store().changes(h.loop(), h.jane, before.scope(), before.highest_modseq));
        CHECK(uids_of(changes.changed) == "1");
    }
    SUBCASE("a message goes") {
        fs::remove(h.maildir() + '/' + h.names()[0]);
        h.look();
        CHECK(h.inbox().entries.empty());
        const auto state = h.get(h.store().state(h.loop(), h.jane));
        CHECK(state.messages == 0);
        CHECK(state.expunged_messages == 0);  // nobody could bring it back
        const auto changes = h.get(h.store().changes(h.loop(), h.jane, before.scope(), before.highest_modseq));
        CHECK(changes.vanished == UidSet{1});
        CHECK(h.code(h.store().open(h.loop(), h.jane, added.email)) == ENOENT);
    }
    SUBCASE("folders come and go, mail with them") {
        h.make_folder(".List.Entw&APw-rfe");
        h.put("new/1.M1.host", "x\n", "/.List.Entw&APw-rfe");
        h.look();
        CHECK(h.box("List/Entw\xC3\xBCrfe").messages == 1);
        CHECK(fs::exists(h.maildir() + "/.List/cur"));
        fs::remove_all(h.maildir() + "/.List.Entw&APw-rfe");
        fs::remove_all(h.maildir() + "/.Junk");
        h.look();
        CHECK(h.code(h.store().mailbox(h.loop(), h.jane, "List/Entw\xC3\xBCrfe")) == ENOENT);
        CHECK(h.code(h.store().mailbox(h.loop(), h.jane, "Junk")) == ENOENT);
        CHECK(h.box("List").messages == 0);
    }
    SUBCASE("a message with flags of ours that another has renamed keeps both") {
        h.rename_to("SaF");
        h.flags(before.id, {1}, {.system = flag::answered});  // it does not know of that F yet
        h.look();
        CHECK(h.inbox().entries[0].flags == (flag::seen | flag::answered | flag::flagged | flag::keyword(0)));
        CHECK(h.letters() == "FRSa");
    }
    SUBCASE("a message that another has renamed is moved and expunged under the name it has") {
        h.rename_to("Sa");
        h.put("cur/" + maildir::parse_file(h.names()[0].substr(4)).base + ":2,FSa", "one");
        fs::remove(h.maildir() + '/' + h.names()[1]);
        h.get(h.store().move(h.loop(), h.jane, before.scope(), {1}, h.box("Trash").id));
        CHECK(h.names().empty());
        CHECK(h.names("/.Trash").size() == 1);
        h.look();
        CHECK(h.inbox().entries.empty());
        CHECK(h.box("Trash").messages == 1);
    }
    SUBCASE("mail for a folder that another has removed makes it again") {
        fs::remove_all(h.maildir() + "/.Sent");
        h.get(h.store().append(h.loop(), h.jane, h.box("Sent").id, {h.message("two")}, std::nullopt));
        CHECK(h.names("/.Sent").size() == 1);
        h.look();
        CHECK(h.box("Sent").messages == 1);
    }
    h.clean();
}

TEST_CASE("an index that is lost is made again from the Maildir, under a new UIDVALIDITY") {
    const base::log::Capture quiet;
    Mailroom h;
    const auto given = h.delivery("one");
    const auto added = h.get(h.store().deliver(h.loop(), h.jane, given));
    h.deliver("two");
    h.flags(added.mailbox, {1}, {.system = flag::flagged, .keywords = {"$Work"}});
    h.get(h.store().create_mailbox(h.loop(), h.jane, std::string(400, 'n') + "/deep", Role::none));
    h.get(h.store().copy(h.loop(), h.jane, h.box().scope(), {2}, h.box(std::string(400, 'n') + "/deep").id));
    const auto before = h.box();
    const auto last = h.get(h.store().append(h.loop(), h.jane, before.id, {h.message("gone")}, std::nullopt));
    h.get(h.store().expunge(h.loop(), h.jane, before.scope(), {last.at(0).uid}, false));
    h.close();
    fs::remove_all(h.account_folder() + "/bodies");  // nobody would know of it
    fs::create_directory(h.account_folder() + "/bodies");
    SUBCASE("at the next opening") {
        for (const auto* part : {"", "-wal", "-shm"}) fs::remove(h.account_folder() + "/index.sqlite" + part);
        h.open();
    }
    SUBCASE("by an operator, where it is damaged") {
        std::ofstream(h.account_folder() + "/index.sqlite") << "no database, but more than nothing";
        h.open();
        CHECK(h.code(h.store().mailboxes(h.loop(), h.jane)) == EUCLEAN);
        const auto report = h.get(h.keeper().repair(h.loop(), h.jane));
        CHECK(report.index_was_lost);
        CHECK(report.recovered == 3);
    }
    const auto inbox = h.inbox();
    CHECK(inbox.entries.size() == 2);
    CHECK(inbox.mailbox.uid_validity > before.uid_validity);
    for (const auto& entry : inbox.entries) CHECK(entry.email > last.at(0).email);  // no id is given twice
    const auto found = std::ranges::find_if(inbox.entries, [&](const auto& e) { return h.text_of(e) == "one"; });
    REQUIRE(found != inbox.entries.end());
    CHECK((found->flags & flag::system) == flag::flagged);
    CHECK(h.keywords_of(inbox, static_cast<std::size_t>(found - inbox.entries.begin())) ==
          std::vector<std::string>{"$Work"});
    CHECK(h.box(std::string(400, 'n') + "/deep").messages == 1);
    CHECK(h.get(h.store().deliver(h.loop(), h.jane, given)).duplicate);
    h.clean();
}

TEST_CASE("what was told as done is done after a crash that came before the files had followed") {
    const base::log::Capture quiet;
    Mailroom h;
    const auto first = h.deliver("first");
    h.deliver("second");
    h.close();
    auto* disk = new StumblingDisk;
    h.disk.reset(disk);
    h.open();
    REQUIRE(h.inbox().entries.size() == 2);
    disk->no_rename = true;
    // Large ones are staged by rename; those of this size, too.
    const auto added =
        h.get(h.store().append(h.loop(), h.jane, h.box("Sent").id, {h.message("third")}, std::nullopt));
    h.flags(first.mailbox, {1}, {.system = flag::seen});
    h.get(h.store().copy(h.loop(), h.jane, h.box().scope(), {1}, h.box("Archive").id));
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), {2}, false));
    CHECK(h.names("/.Sent").empty());
    CHECK(h.bytes(added[0].email) == "third");
    CHECK(quiet.contains("store.maildir_behind"));
    SUBCASE("and the disk is well again at the next start") {
        h.crash();
        disk->no_rename = false;
        h.open();
    }
    SUBCASE("and the disk is well again without one") {
        disk->no_rename = false;
        h.deliver("fourth");
        h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), {3}, false));
    }
    CHECK(h.inbox().entries.size() == 1);
    CHECK(h.letters() == "S");
    CHECK(h.letters("/.Archive") == "S");
    CHECK(h.names("/.Sent").size() == 1);
    CHECK(h.bytes(added[0].email) == "third");
    CHECK(fs::is_empty(h.maildir() + "/tmp"));
    h.clean();
    h.look();
    CHECK(h.inbox().entries.size() == 1);
    h.clean();
}

TEST_CASE("mail that was promised outlives what is refused before its file has a place") {
    const base::log::Capture quiet;
    Mailroom h;
    h.deliver("first");
    h.close();
    auto* disk = new StumblingDisk;
    h.disk.reset(disk);
    h.open();
    REQUIRE(h.inbox().entries.size() == 1);
    std::vector<Added> added;
    SUBCASE("because the disk refused") {
        disk->no_rename = true;
        added = h.get(h.store().append(h.loop(), h.jane, h.box().id, {h.message("second"), h.message("third")},
                                       std::nullopt));
        CHECK(quiet.contains("store.maildir_behind"));
        CHECK(h.code(h.store().append(h.loop(), h.jane, 999, {h.message("refused")}, std::nullopt)) != 0);
        disk->no_rename = false;
    }
    SUBCASE("because the index did") {
        h.sql("CREATE TRIGGER refuse BEFORE INSERT ON maildir_file BEGIN SELECT RAISE(ABORT, 'refused'); END");
        added = h.get(h.store().append(h.loop(), h.jane, h.box().id, {h.message("second"), h.message("third")},
                                       std::nullopt));
        CHECK(quiet.contains("store.maildir_behind"));
        h.sql("DROP TRIGGER refuse");
    }
    h.look();
    REQUIRE(h.inbox().entries.size() == 3);
    CHECK(h.bytes(added.at(0).email) == "second");
    CHECK(h.bytes(added.at(1).email) == "third");
    CHECK(h.names().size() == 3);
    CHECK(fs::is_empty(h.maildir() + "/tmp"));
    h.clean();
}

TEST_CASE("a repair spares mail that was brought back and has not left its grave") {
    const base::log::Capture quiet;
    Mailroom h;
    h.deliver("one");
    h.deliver("two");
    h.close();
    auto* disk = new StumblingDisk;
    h.disk.reset(disk);
    h.open();
    const auto start = h.loops.clock().wall();
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), {1}, false));
    disk->no_rename = true;
    CHECK(h.get(h.keeper().undelete(h.loop(), h.jane, start)) == 1);
    CHECK(quiet.contains("store.maildir_behind"));
    std::ofstream(h.account_folder() + "/bodies/00000000000003e7.eml") << "nobody's";
    CHECK(h.get(h.keeper().repair(h.loop(), h.jane)).orphans_removed == 1);
    disk->no_rename = false;
    const auto inbox = h.inbox();
    REQUIRE(inbox.entries.size() == 2);
    CHECK(h.text_of(inbox.entries[1]) == "one");
    h.look();
    CHECK(h.inbox().entries.size() == 2);
    h.clean();
}

TEST_CASE("an index that fails each time it hears of the files ends what is asked of it") {
    const base::log::Capture quiet;
    Mailroom h;
    h.deliver("one");
    h.close();
    const auto path = h.account_folder() + "/index.sqlite";
    std::int64_t size = 0;
    std::int64_t page = 0;
    {
        const auto db = base::sqlite::Database::open(path);
        size = (*db)->value("PRAGMA page_size");
        page = (*db)->value("SELECT rootpage FROM sqlite_schema WHERE name = 'maildir_folder'");
        REQUIRE(page > 1);
    }
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page - 1) * size);
    file << std::string(static_cast<std::size_t>(size), '\0') << std::flush;
    REQUIRE(file.good());
    h.open();
    const auto raises = h.high_water.raises;
    for (int i = 0; i < 2; ++i) CHECK(h.code(h.store().mailboxes(h.loop(), h.jane)) == EUCLEAN);
    CHECK(h.high_water.raises - raises <= 2);
    CHECK(h.get(h.keeper().repair(h.loop(), h.jane)).index_was_lost);
    CHECK(h.inbox().entries.size() == 1);
}

TEST_CASE("what the files have done and the index forgot is not done twice") {
    Mailroom h;
    const auto added = h.deliver("one");
    h.get(h.store().copy(h.loop(), h.jane, h.box().scope(), {1}, h.box("Archive").id));
    h.flags(added.mailbox, {1}, {.system = flag::seen});
    h.close();
    {
        const auto db = base::sqlite::Database::open(h.account_folder() + "/index.sqlite");
        (*db)->script(
            "INSERT INTO maildir_staged SELECT email, base FROM maildir_file WHERE mailbox = 1;"
            "DELETE FROM maildir_file; UPDATE maildir SET done = 0");
        REQUIRE((*db)->take_error());
    }
    h.open();
    CHECK(h.inbox().entries.size() == 1);
    CHECK(h.inbox().entries[0].uid == 1);
    CHECK(h.inbox().entries[0].flags == flag::seen);
    CHECK(h.box("Archive").messages == 1);
    CHECK(h.names("/.Archive").size() == 1);
    CHECK(h.names().size() == 1);
    h.clean();
}

TEST_CASE("a message that was moved before the index forgot it keeps its UID") {
    Mailroom h;
    h.deliver("one");
    h.deliver("two");
    h.look();
    h.loops.run_until_idle();
    const auto done = h.get(h.store().state(h.loop(), h.jane)).modseq;
    const auto old = h.names();
    h.get(h.store().move(h.loop(), h.jane, h.box().scope(), UidSet::all(), h.box("Trash").id));
    h.close();
    {
        const auto db = base::sqlite::Database::open(h.account_folder() + "/index.sqlite");
        (*db)->run("UPDATE maildir SET done = ?", done);
        (*db)->script("UPDATE maildir_file SET mailbox = 1");
        for (const auto& name : old)
            (*db)->run("UPDATE maildir_file SET base = ?, name = ? WHERE uid = ?",
                       maildir::parse_file(name).base.substr(4), name, &name == old.data() ? 1 : 2);
        REQUIRE((*db)->take_error());
    }
    h.open();
    CHECK(h.inbox().entries.empty());
    CHECK(uids_of(h.snapshot(h.box("Trash").id).entries) == "1:2");
    CHECK(h.names("/.Trash").size() == 2);
    h.clean();
}

TEST_CASE("mailboxes whose names go round in one turn have their folders") {
    Mailroom h;
    for (const auto* name : {"a", "b"}) {
        const auto box = h.get(h.store().create_mailbox(h.loop(), h.jane, name, Role::none));
        h.get(h.store().append(h.loop(), h.jane, box.id, {h.message(name)}, std::nullopt));
    }
    int ended = 0;
    for (const auto& [from, to] : {std::pair("a", "t"), std::pair("b", "a"), std::pair("t", "b")}) {
        net::spawn(h.loop(), "rename",
                   [](Store& store, net::Loop& loop, mail::AccountName jane, std::string f, std::string t,
                      int& count) -> net::Task<> {
                       auto call = store.rename_mailbox(loop, std::move(jane), std::move(f), std::move(t));
                       const auto done = co_await std::move(call);
                       count += done ? 1 : 0;
                   }(h.store(), h.loop(), h.jane, from, to, ended));
    }
    REQUIRE(h.loops.run_until_real([&] { return ended == 3; }));
    CHECK(h.bytes(h.snapshot(h.box("a").id).entries[0].email) == "b");
    CHECK(h.names("/.a").size() == 1);
    CHECK_FALSE(fs::exists(h.maildir() + "/.t"));
    h.look();
    CHECK(h.bytes(h.snapshot(h.box("b").id).entries[0].email) == "a");
    h.clean();
}

TEST_CASE("an account with a Maildir is backed up, restored, and its mail brought back") {
    const base::log::Capture quiet;
    Mailroom h;
    h.deliver("one");
    h.deliver("two");
    std::ofstream(h.maildir() + "/dovecot.index.log") << "another's";
    const auto start = h.loops.clock().wall();
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), {2}, false));
    CHECK(h.names().size() == 1);
    const auto folder = h.folder.path + "/backup";
    CHECK(h.get(h.keeper().backup(h.loop(), h.jane, folder)).messages == 1);
    CHECK_FALSE(fs::exists(folder + "/Maildir/dovecot.index.log"));
    CHECK(h.get(h.keeper().undelete(h.loop(), h.jane, start)) == 1);
    CHECK(h.names().size() == 2);
    CHECK(h.bytes(h.inbox().entries[1].email) == "two");
    h.clean();
    const auto before = h.box();
    CHECK(h.get(h.keeper().restore(h.loop(), h.jane, folder)).messages == 1);
    CHECK(h.box().uid_validity > before.uid_validity);
    CHECK(h.inbox().entries.size() == 1);
    h.clean();
    h.deliver("three");
    CHECK(h.inbox().entries.size() == 2);
    h.clean();
}

TEST_CASE("a long name that a mailbox was given later is known when the index is lost") {
    const base::log::Capture quiet;
    Mailroom h;
    const auto first = std::string(400, 'a');
    const auto second = std::string(400, 'b');
    const auto box = h.get(h.store().create_mailbox(h.loop(), h.jane, "short", Role::none));
    h.get(h.store().append(h.loop(), h.jane, box.id, {h.message("one")}, std::nullopt));
    h.get(h.store().rename_mailbox(h.loop(), h.jane, "short", first));
    SUBCASE("from a short one") { h.get(h.store().create_mailbox(h.loop(), h.jane, second, Role::none)); }
    SUBCASE("from another long one") {
        h.get(h.store().rename_mailbox(h.loop(), h.jane, first, second));
        h.get(h.store().rename_mailbox(h.loop(), h.jane, second, "short"));
        h.get(h.store().rename_mailbox(h.loop(), h.jane, "short", second));
        h.get(h.store().rename_mailbox(h.loop(), h.jane, second, first));
    }
    h.close();
    for (const auto* part : {"", "-wal", "-shm"}) fs::remove(h.account_folder() + "/index.sqlite" + part);
    h.open();
    CHECK(h.box(first).messages == 1);
    h.clean();
}

TEST_CASE("a backup passes over links in a Maildir") {
    const base::log::Capture quiet;
    Mailroom h;
    h.deliver("one");
    fs::create_directory(h.folder.path + "/elsewhere");
    std::ofstream(h.folder.path + "/elsewhere/file") << "not mail";
    fs::create_symlink(h.folder.path + "/nowhere", h.maildir() + "/cur/dangling");
    fs::create_symlink(h.folder.path + "/nowhere", h.maildir() + "/dangling");
    fs::create_symlink(h.folder.path + "/elsewhere", h.maildir() + "/linked");
    const auto folder = h.folder.path + "/backup";
    CHECK(h.get(h.keeper().backup(h.loop(), h.jane, folder)).messages == 1);
    CHECK(fs::symlink_status(folder + "/Maildir/dangling").type() == fs::file_type::not_found);
    CHECK(fs::symlink_status(folder + "/Maildir/cur/dangling").type() == fs::file_type::not_found);
    CHECK_FALSE(fs::exists(folder + "/Maildir/linked"));
}

TEST_CASE("a data folder of the other kind of store is refused") {
    for (const auto made : {BackendKind::packs, BackendKind::maildir}) {
        Config config;
        config.backend = made;
        FileHarness h(config);
        h.deliver("one");
        h.close();
        h.config.backend = made == BackendKind::packs ? BackendKind::maildir : BackendKind::packs;
        const auto opened = SqliteStore::open(h.config, {*h.disk, *h.pool, h.loops.clock(), h.metrics, nullptr});
        REQUIRE_FALSE(opened);
        CHECK(opened.error().kind == base::ErrorKind::permanent);
        CHECK(opened.error().log_text.find("mailctl store export") != std::string::npos);
        h.config.backend = made;
        h.open();
        CHECK(h.inbox().entries.size() == 1);
    }
}
