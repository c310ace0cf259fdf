#include "base/sqlite/database.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

using namespace posthorn::base;
using namespace posthorn::base::sqlite;

namespace {

struct Folder {
    Folder() {
        char name[] = "/tmp/sqlite-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string file(const char* name) const { return path + "/" + name; }
    std::string path;
};

std::unique_ptr<Database> made(const std::string& path) {
    auto db = Database::open(path);
    REQUIRE(db);
    (*db)->script("CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
    REQUIRE((*db)->take_error());
    return std::move(*db);
}

unsigned mode_of(const std::string& path) {
    struct stat st{};
    REQUIRE(::stat(path.c_str(), &st) == 0);
    return st.st_mode & 0777U;
}

}  // namespace

TEST_CASE("values go in and come out") {
    const Folder folder;
    const auto db = made(folder.file("a%?#b"));
    CHECK(std::filesystem::exists(folder.file("a%?#b")));
    const std::string bytes("\0x", 2);
    db->run("INSERT INTO t VALUES(1, ?)", INT64_MIN);
    db->run("INSERT INTO t VALUES(2, ?)", "text");
    db->run("INSERT INTO t VALUES(3, ?)", Blob{bytes});
    db->run("INSERT INTO t VALUES(4, ?)", nullptr);
    db->run("INSERT INTO t VALUES(5, ?)", 1.5);
    db->run("INSERT INTO t VALUES(6, ?)", std::string_view());
    CHECK(db->last_id() == 6);
    auto all = db->query("SELECT b FROM t WHERE a > ? ORDER BY a", 0);
    REQUIRE(all.next());
    CHECK(all.integer(0) == INT64_MIN);
    REQUIRE(all.next());
    CHECK(all.text(0) == "text");
    REQUIRE(all.next());
    CHECK(all.blob(0) == bytes);
    REQUIRE(all.next());
    CHECK(all.null(0));
    CHECK(all.text(0).empty());
    REQUIRE(all.next());
    CHECK(all.number(0) == 1.5);
    REQUIRE(all.next());
    CHECK_FALSE(all.null(0));
    CHECK_FALSE(all.next());
    CHECK(db->take_error());
}

TEST_CASE("one statement may be in use twice") {
    const Folder folder;
    const auto db = made(folder.file("a"));
    for (int i = 0; i < 3; ++i) db->run("INSERT INTO t VALUES(?, ?)", i, i);
    static constexpr auto* kAll = "SELECT a FROM t";
    int pairs = 0;
    auto outer = db->query(kAll);
    while (outer.next()) {
        auto inner = db->query(kAll);
        while (inner.next()) ++pairs;
    }
    CHECK(pairs == 9);
}

TEST_CASE("the first error sticks until it is taken") {
    const Folder folder;
    const auto db = made(folder.file("a"));
    db->run("INSERT INTO t VALUES(1, 1)");
    db->run("INSERT INTO t VALUES(1, 2)");
    REQUIRE(db->error());
    CHECK(db->error()->code == EEXIST);
    db->run("INSERT INTO nowhere VALUES(1)");
    db->run("INSERT INTO t VALUES(3, 3)");
    CHECK(db->value("SELECT count(*) FROM t") == 0);
    const auto error = db->take_error();
    REQUIRE_FALSE(error);
    CHECK(error.error().code == EEXIST);
    CHECK(db->value("SELECT count(*) FROM t") == 1);
    db->run("SELECT nonsense FROM");
    CHECK(db->error());
}

TEST_CASE("a transaction is kept or not, a part of it too") {
    const Folder folder;
    const auto db = made(folder.file("a"));
    {
        Transaction all(*db);
        db->run("INSERT INTO t VALUES(1, 1)");
    }
    CHECK(db->value("SELECT count(*) FROM t") == 0);
    {
        Transaction all(*db);
        db->run("INSERT INTO t VALUES(1, 1)");
        {
            Savepoint part(*db);
            db->run("INSERT INTO t VALUES(2, 2)");
            db->run("INSERT INTO t VALUES(1, 2)");
            CHECK_FALSE(part.keep());
        }
        {
            Savepoint part(*db);
            db->run("INSERT INTO t VALUES(3, 3)");
            CHECK(part.keep());
        }
        CHECK(all.commit());
    }
    CHECK(db->value("SELECT sum(a) FROM t") == 4);
    Transaction failed(*db);
    db->run("INSERT INTO t VALUES(9, 9)");
    db->run("INSERT INTO t VALUES(1, 9)");
    CHECK_FALSE(failed.commit());
    CHECK(db->value("SELECT sum(a) FROM t") == 4);
}

TEST_CASE("a copy holds all of it; files are nobody else's, whatever the umask") {
    const Folder folder;
    const auto before = ::umask(0);
    const auto db = made(folder.file("a"));
    db->script("PRAGMA journal_mode=WAL");
    db->run("INSERT INTO t VALUES(7, 7)");
    CHECK(db->copy_to(folder.file("copy")));
    CHECK_FALSE(db->copy_to(folder.file("copy")));
    ::umask(before);
    for (const auto* name : {"a", "a-wal", "copy"}) CHECK(mode_of(folder.file(name)) == 0600);
    auto copy = Database::open(folder.file("copy"), {.immutable = true});
    REQUIRE(copy);
    CHECK((*copy)->value("SELECT a FROM t") == 7);
    (*copy)->run("INSERT INTO t VALUES(8, 8)");
    CHECK((*copy)->error());
}

TEST_CASE("what is no database is damage, what is not there is told") {
    const Folder folder;
    CHECK_FALSE(Database::open(folder.file("none"), {.create = false}));
    {
        const auto db = made(folder.file("a"));
    }
    std::filesystem::resize_file(folder.file("a"), 100);
    auto db = Database::open(folder.file("a"));
    REQUIRE(db);
    CHECK((*db)->value("SELECT count(*) FROM t") == 0);
    REQUIRE((*db)->error());
    CHECK((*db)->error()->code == EUCLEAN);
}
