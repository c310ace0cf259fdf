// The full-text index: it changes how long a search takes, never what it finds; and losing it costs nothing.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>

#include "base/base64.hpp"
#include "base/log.hpp"
#include "base/sqlite/database.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/unit/store/file_store.hpp"

using namespace posthorn;
using namespace posthorn::store;
using base::sqlite::Database;
namespace fs = std::filesystem;

namespace {

using Where = TextKey::Where;

struct Searching : FileHarness {
    explicit Searching(Config given = {}) : FileHarness(std::move(given)) {}
    SqliteStore& keeper() { return *store_; }
    std::string file() const { return account_folder() + "/search.sqlite"; }
    // All of it, call by call; each call but the last leaves less.
    std::vector<IdSet> ask(Store& store, const TextQuery& query, UidSet uids = UidSet::all()) {
        const auto box = get(store.mailbox(loop(), jane, "INBOX"));
        std::vector<IdSet> all(query.size());
        while (!uids.empty()) {
            const auto answer = get(store.search(loop(), jane, box.scope(), uids, query));
            for (std::size_t i = 0; i < all.size(); ++i) all[i].add(answer.found[i]);
            CHECK(answer.rest != uids);
            uids = answer.rest;
        }
        return all;
    }
    std::string find(std::string needle) { return ask(store(), {{.needle = std::move(needle)}}).front().text(); }
    // Of search.sqlite; the store is closed for it and opened again.
    std::int64_t value(const char* sql) {
        close();
        std::int64_t out = -1;
        if (fs::exists(file())) {
            const auto db = Database::open(file());
            REQUIRE(db);
            out = (*db)->value(sql);
        }
        open();
        return out;
    }
    // While the store is closed.
    void change(const char* sql) {
        const auto db = Database::open(file());
        REQUIRE(db);
        (*db)->run(sql);
        REQUIRE(!(*db)->error());
    }
    std::int64_t texts() { return value("SELECT count(*) FROM text"); }
};

// Mail of all kinds, made of few words, so that they meet.
class Writer {
public:
    explicit Writer(base::Random& random) : random_(random) {}
    std::string words(std::size_t count) {
        static constexpr std::string_view kWords[] = {"alpha",
                                                      "beta",
                                                      "gr\xc3\xbc\xc3\x9f"
                                                      "e",
                                                      "WALRUS",
                                                      "caf\xc3\xa9",
                                                      "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
                                                      "number",
                                                      "an",
                                                      "annual",
                                                      "planet",
                                                      "x1",
                                                      "\xe6\x97\xa5\xe6\x9c\xac",
                                                      "sub-ject",
                                                      "of"};
        std::string out;
        for (std::size_t i = 0; i < count; ++i) {
            out += kWords[below(std::size(kWords))];
            out += below(12) == 0 ? std::to_string(below(100'000)) : "";
            out += below(9) == 0 ? "\r\n" : " ";
        }
        return out;
    }
    std::string part(std::size_t count) {
        switch (below(4)) {
            case 0: return "Content-Type: text/plain; charset=utf-8\r\n\r\n" + words(count);
            case 1:
                return "Content-Type: text/html; charset=utf-8\r\n\r\n<html><p>" + words(count) +
                       "<b>bo</b>ld &amp; " + words(2) + "<script>never</script></p>";
            case 2:
                return "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                       lines(base::base64_encode(words(count)));
            default: return "Content-Type: application/pdf\r\n\r\n" + words(count);
        }
    }
    std::string mail(std::size_t count) {
        auto out =
            "Subject: " + line() + "\r\nFrom: " + line() + " <a" + std::to_string(below(9)) + "@x.example>\r\n";
        if (below(3) == 0) out += "X-" + std::to_string(below(3)) + ": " + line() + "\r\n";
        if (below(3) != 0) return out + part(count);
        return out + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part(count) + "\r\n--b\r\n" +
               part(2) + "\r\n--b--\r\n";
    }
    TextKey key() {
        TextKey out;
        out.where = static_cast<Where>(below(3));
        static constexpr std::string_view kFields[] = {"subject", "From", "x-1", "X-2", "content-type"};
        if (out.where == Where::field) out.field = kFields[below(std::size(kFields))];
        const auto text = words(3);
        auto from = below(text.size());
        while (from > 0 && (static_cast<unsigned char>(text[from]) & 0xC0U) == 0x80) --from;
        auto end = std::min(text.size(), from + below(14));
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) ++end;
        out.needle = text.substr(from, end - from);
        out.words = below(4) == 0;
        return out;
    }
    std::size_t below(std::size_t n) { return random_.next() % n; }

private:
    std::string line() {
        auto out = words(3);
        std::erase(out, '\r');
        std::erase(out, '\n');
        return out;
    }
    static std::string lines(std::string text) {
        for (std::size_t at = 76; at < text.size(); at += 78) text.insert(at, "\r\n");
        return text;
    }
    base::Random& random_;
};

void put(Searching& h, test::MemoryStore& fake, const std::string& mail) {
    const auto given = h.delivery(mail);
    h.get(h.store().deliver(h.loop(), h.jane, given));
    h.get(fake.deliver(h.loop(), h.jane, given));
}

void compare(Searching& h, test::MemoryStore& fake, Writer& writer, int queries) {
    for (int i = 0; i < queries; ++i) {
        TextQuery query;
        for (std::size_t n = 0; n <= writer.below(3); ++n) query.push_back(writer.key());
        INFO("needle '" << query.front().needle << "' field " << query.front().field);
        CHECK(h.ask(h.store(), query) == h.ask(fake, query));
    }
}

}  // namespace

TEST_CASE("a search finds what a reading of every message finds") {
    Config config;
    config.search_text_limit = 4096;
    SUBCASE("while the index is made") {}
    SUBCASE("with texts that it keeps all of") { config.search_text_limit = 1U << 20U; }
    SUBCASE("without an index") { config.search_index = Config::SearchIndex::never; }
    Searching h(config);
    test::MemoryStore fake;
    Writer writer(h.random);
    for (int i = 0; i < 120; ++i) put(h, fake, writer.mail(3 + writer.below(60)));
    put(h, fake, writer.mail(3000));
    compare(h, fake, writer, 25);
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), {3, 50, 77}, false));
    const auto box = h.get(fake.mailbox(h.loop(), h.jane, "INBOX"));
    h.get(fake.expunge(h.loop(), h.jane, box.scope(), {3, 50, 77}, false));
    for (int i = 0; i < 20; ++i) put(h, fake, writer.mail(30));
    compare(h, fake, writer, 10);
    h.restart();
    compare(h, fake, writer, 10);
}

TEST_CASE("a search finds the same by the rows of sealed groups") {
    Searching h;
    test::MemoryStore fake;
    Writer writer(h.random);
    // 23 texts of about 200 KiB are more than 1024 columns of 4 KiB.
    for (int i = 0; i < 46; ++i)
        put(h, fake,
            "Subject: s\r\n\r\n" + writer.words(i % 2 == 0 ? 30'000 : 20) + fmt::format("needle{}\r\n", i));
    CHECK(h.find("needle7") == "8");
    CHECK(h.value("SELECT sealed FROM state") >= 1);
    CHECK(h.value("SELECT count(*) FROM filter") > 100);
    for (const int i : {0, 1, 20, 40})
        CHECK(h.find(fmt::format("eedle{}", i)) ==
              h.ask(fake, {{.needle = fmt::format("eedle{}", i)}}).front().text());
    compare(h, fake, writer, 6);
    const std::string absent = "no such words anywhere";
    CHECK(h.find(absent).empty());
}

TEST_CASE("an account that nobody searched has no full-text index, one that was searched keeps it") {
    Searching h;
    h.keeper().start(h.loop());
    h.deliver("Subject: one\r\n\r\nfirst\r\n");
    h.loops.run_for(std::chrono::seconds(30));
    CHECK(!fs::exists(h.file()));
    CHECK(h.find("first") == "1");
    CHECK(h.texts() == 1);
    h.keeper().start(h.loop());
    h.deliver("Subject: two\r\n\r\nsecond\r\n");
    h.loops.run_for(std::chrono::seconds(30));
    CHECK(h.texts() == 2);
}

TEST_CASE("with search_index = always each account's mail is taken in, in the background") {
    Config config;
    config.search_index = Config::SearchIndex::always;
    config.search_batch = 2;
    Searching h(config);
    h.keeper().start(h.loop());
    for (int i = 0; i < 7; ++i) h.deliver("Subject: n\r\n\r\nx\r\n");
    h.loops.run_for(std::chrono::seconds(60));
    CHECK(h.texts() == 7);
}

TEST_CASE("a full-text index that cannot be written holds up no other account's") {
    const base::log::Capture quiet;
    Config config;
    config.search_index = Config::SearchIndex::always;
    Searching h(config);
    h.keeper().start(h.loop());
    h.deliver("Subject: one\r\n\r\nx\r\n");
    h.loops.run_for(std::chrono::seconds(30));
    REQUIRE(h.texts() == 1);
    h.close();
    h.change("CREATE TRIGGER full BEFORE INSERT ON doc BEGIN SELECT RAISE(ABORT, 'full'); END");
    h.open();
    h.keeper().start(h.loop());
    const std::vector<std::string> others{"a", "b", "c", "d", "e", "f", "g", "h"};
    for (const auto& local : others)
        h.get(h.store().deliver(h.loop(), {local, "example.org"}, h.delivery("Subject: s\r\n\r\nx\r\n")));
    h.deliver("Subject: two\r\n\r\nx\r\n");
    h.loops.run_for(std::chrono::seconds(60));
    CHECK(quiet.contains("store.search_index_failed"));
    for (const auto& local : others) {
        CAPTURE(local);
        CHECK(fs::exists(fs::path(h.account_folder()).parent_path() / local / "search.sqlite"));
    }
    CHECK(h.find("two") == "2");
}

TEST_CASE("a full-text index that cannot be made is no success") {
    const base::log::Capture quiet;
    Searching h;
    h.deliver("Subject: one\r\n\r\nx\r\n");
    fs::create_directory(h.file());
    CHECK(!h.await(h.keeper().reindex(h.loop(), h.jane)).has_value());
    fs::remove(h.file());
    CHECK(h.get(h.keeper().reindex(h.loop(), h.jane)) == 1);
}

TEST_CASE("mail that is gone for good leaves the full-text index") {
    Config config;
    config.undelete_grace = base::Duration::zero();
    Searching h(config);
    for (int i = 0; i < 5; ++i) h.deliver(fmt::format("Subject: n{}\r\n\r\nx\r\n", i));
    CHECK(h.find("n") == "1:5");
    h.get(h.store().expunge(h.loop(), h.jane, h.box().scope(), {2, 3}, false));
    h.loops.run_for(std::chrono::seconds(1));
    CHECK(h.get(h.keeper().collect(h.loop(), h.jane)).buried == 2);
    CHECK(h.texts() == 3);
    CHECK(h.find("n") == "1,4:5");
}

TEST_CASE("a damaged full-text index is found, and made again") {
    const base::log::Capture quiet;
    Searching h;
    for (int i = 0; i < 5; ++i) h.deliver(fmt::format("Subject: n{}\r\n\r\nword{}\r\n", i, i));
    CHECK(h.find("word3") == "4");
    h.close();
    SUBCASE("not a database") {
        std::ofstream(h.file(), std::ios::trunc) << std::string(20'000, 'x');
        h.open();
        const auto report = h.get(h.keeper().check(h.loop(), h.jane, false));
        CHECK(report.findings == 1);
    }
    SUBCASE("empty") {
        fs::resize_file(h.file(), 0);
        h.open();
    }
    SUBCASE("of more than the index knows") {
        h.change("UPDATE doc SET email = 1000000 WHERE email = (SELECT max(email) FROM doc)");
        h.open();
    }
    SUBCASE("with texts missing") {
        h.change("DELETE FROM text");
        h.open();
        CHECK(h.get(h.keeper().check(h.loop(), h.jane, false)).findings == 1);
        CHECK(h.get(h.keeper().reindex(h.loop(), h.jane)) == 5);
    }
    CHECK(h.find("word3") == "4");
    CHECK(h.get(h.keeper().check(h.loop(), h.jane, false)).findings == 0);
    CHECK(h.texts() == 5);
}

TEST_CASE("a full-text index is made again when it is asked for") {
    Searching h;
    for (int i = 0; i < 500; ++i) h.deliver(fmt::format("Subject: n{}\r\n\r\nx\r\n", i));
    CHECK(h.get(h.keeper().reindex(h.loop(), h.jane)) == 500);
    CHECK(h.texts() == 500);
    CHECK(h.code(h.keeper().reindex(h.loop(), {"nobody", "example.org"})) == ENOENT);
    Config config;
    config.search_index = Config::SearchIndex::never;
    Searching without(config);
    without.deliver("x");
    CHECK(without.code(without.keeper().reindex(without.loop(), without.jane)) == EPERM);
}
