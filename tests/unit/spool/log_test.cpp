#include <doctest/doctest.h>

#include "base/crc32c.hpp"
#include "base/log.hpp"
#include "tests/unit/spool/log_fixture.hpp"

using namespace posthorn;
using namespace posthorn::spool;

TEST_CASE("a message is found again after a restart, with its state and its body") {
    LogFixture f(1);
    REQUIRE(f.open().has_value());
    const auto id = f.new_id();
    REQUIRE(f.write(f.message(id, "hello"))[0].has_value());
    REQUIRE(f.write(LogFixture::state(id, 1, 3))[0].has_value());
    REQUIRE(f.write(LogFixture::state(id, 0, 5))[0].has_value());
    for (const bool clean : {false, true}) {
        CAPTURE(clean);
        if (clean) f.log->close();
        f.disk.kill();
        REQUIRE(f.open().has_value());
        const auto message = f.log->load(id);
        REQUIRE(message.has_value());
        CHECK(f.body(*message) == "hello");
        CHECK(message->envelope.id == id);
        CHECK(message->recipients[0].attempts == 5);
        CHECK(message->recipients[1].attempts == 3);
        QueuedMessage told;
        const auto entry = f.recovered.trails.at(0);
        REQUIRE(apply_trail(entry, told));
        CHECK(told.recipients[0].attempts == 5);
    }
}

TEST_CASE("after a clean stop nothing is scanned") {
    LogFixture f(2);
    REQUIRE(f.open().has_value());
    for (int i = 0; i < 100; ++i) REQUIRE(f.write(f.message(f.new_id(), std::string(3000, 'x')))[0].has_value());
    f.log->close();
    f.disk.kill();
    REQUIRE(f.open().has_value());
    CHECK(f.recovered.scanned == 0);
    CHECK(f.log->stats().messages == 100);
}

TEST_CASE("a failed sync: the new mail of the round is refused, its states are written again") {
    const base::log::Capture quiet;
    LogFixture f(3);
    REQUIRE(f.open().has_value());
    const auto old = f.new_id();
    const auto fresh = f.new_id();
    REQUIRE(f.write(f.message(old, "old"))[0].has_value());
    int syncs = 0;
    f.disk.fail_if([&](test::DiskOp op, const std::string& path) {
        return op == test::DiskOp::sync && path.contains(".seg") && syncs++ == 0 ? EIO : 0;
    });
    const auto results = f.write(f.message(fresh, "new"), LogFixture::state(old, 0, 1));
    REQUIRE_FALSE(results[0].has_value());
    CHECK(results[0].error().status == "4.3.0");
    CHECK(results[0].error().kind == base::ErrorKind::temporary);
    CHECK(results[1].has_value());
    CHECK(f.log->writable());
    f.disk.kill();
    REQUIRE(f.open().has_value());
    CHECK_FALSE(f.log->knows(fresh));
    CHECK(f.log->load(old)->recipients[0].attempts == 1);
    CHECK(f.recovered.damages == 0);
}

TEST_CASE(
    "no room for another segment: mail is refused, DONE goes on, and space that is freed lets mail in again") {
    const base::log::Capture quiet;
    LogFixture f(4);
    REQUIRE(f.open().has_value());
    f.disk.fail_if([](test::DiskOp op, const std::string& path) {
        return op == test::DiskOp::reserve && path.ends_with(".new") ? ENOSPC : 0;
    });
    std::vector<base::Ulid> ids;
    base::Result<void> last;
    for (int i = 0; i < 1000 && last; ++i) {
        ids.push_back(f.new_id());
        last = f.write(f.message(ids.back(), std::string(3000, 'x')))[0];
    }
    REQUIRE_FALSE(last.has_value());
    CHECK(last.error().status == "4.3.1");
    CHECK_FALSE(f.log->writable());
    ids.pop_back();
    std::vector<Op> done;
    for (const auto& id : ids) {
        StateOp op;
        op.id = id;
        op.done = true;
        done.emplace_back(op);
    }
    for (std::size_t i = 0; i < done.size(); i += 4) {
        const auto results = f.log->write(std::span(done).subspan(i, std::min<std::size_t>(4, done.size() - i)));
        for (const auto& result : results) REQUIRE(result.has_value());
    }
    f.disk.fail_never();
    REQUIRE(f.log->restore().has_value());
    CHECK(f.write(f.message(f.new_id(), "again"))[0].has_value());
}

TEST_CASE("damage below what is known durable is put aside and counted, and the rest is kept") {
    const base::log::Capture quiet;
    LogFixture f(5, 256 << 10);
    REQUIRE(f.open().has_value());
    std::vector<base::Ulid> ids;
    for (int i = 0; i < 8; ++i) {
        ids.push_back(f.new_id());
        REQUIRE(f.write(f.message(ids.back(), "body " + std::to_string(i)))[0].has_value());
    }
    const auto at = f.log->find(ids[3])->message;
    f.disk.kill();
    const auto path = f.dirs.log + '/' + segment_name(at.segment);
    f.disk.overwrite(path, at.offset + 70, "!");
    REQUIRE(f.open().has_value());
    CHECK(f.recovered.damages == 1);
    CHECK_FALSE(f.disk.list(f.dirs.corrupt)->empty());
    for (std::size_t i = 0; i < ids.size(); ++i) CHECK(f.log->knows(ids[i]) == (i != 3));
}

TEST_CASE("a lost round header loses no record; a lost round is counted") {
    const base::log::Capture quiet;
    for (const bool all : {false, true}) {
        LogFixture f(6, 256 << 10);
        REQUIRE(f.open().has_value());
        std::vector<base::Ulid> ids;
        for (int i = 0; i < 8; ++i) {
            ids.push_back(f.new_id());
            REQUIRE(f.write(f.message(ids.back(), "body"))[0].has_value());
        }
        const auto at = f.log->find(ids[3])->message;
        f.disk.kill();
        f.disk.overwrite(f.dirs.log + '/' + segment_name(at.segment), at.offset - RoundHeader::kSize,
                         std::string(all ? kPage : 8, '\0'));
        REQUIRE(f.open().has_value());
        CHECK(f.recovered.damages == 1);
        for (std::size_t i = 0; i < ids.size(); ++i) CHECK(f.log->knows(ids[i]) == (!all || i != 3));
    }
}

TEST_CASE("a spoiled segment header does not hide its records") {
    const base::log::Capture quiet;
    LogFixture f(7);
    REQUIRE(f.open().has_value());
    const auto id = f.new_id();
    REQUIRE(f.write(f.message(id, "body"))[0].has_value());
    const auto at = f.log->find(id)->message;
    f.disk.kill();
    f.disk.overwrite(f.dirs.log + '/' + segment_name(at.segment), 0, std::string(64, 'x'));
    REQUIRE(f.open().has_value());
    CHECK(f.recovered.damages == 1);
    REQUIRE(f.log->load(id).has_value());
}

TEST_CASE("a spoiled body is found when it is read") {
    const base::log::Capture quiet;
    LogFixture f(8);
    REQUIRE(f.open().has_value());
    const auto id = f.new_id();
    REQUIRE(f.write(f.message(id, "the body of it"))[0].has_value());
    const auto entry = *f.log->find(id);
    f.disk.overwrite(f.dirs.log + '/' + segment_name(entry.message.segment),
                     entry.message.offset + RecordHeader::kSize + entry.meta_length, "T");
    const auto message = f.log->load(id);
    REQUIRE_FALSE(message.has_value());
    CHECK(message.error().kind == base::ErrorKind::permanent);
}

TEST_CASE("a birth that is known already is not made twice, and all of a change happens or nothing") {
    LogFixture f(9);
    REQUIRE(f.open().has_value());
    const auto id = f.new_id();
    REQUIRE(f.write(f.message(id, "parent"))[0].has_value());
    auto first = LogFixture::state(id, 0, 1);
    first.births.push_back(f.message(id.child(1), "first"));
    REQUIRE(f.write(first)[0].has_value());
    auto again = LogFixture::state(id, 0, 1);
    again.births.push_back(f.message(id.child(1), "second"));
    REQUIRE(f.write(again)[0].has_value());
    CHECK(f.log->stats().messages == 2);
    CHECK(f.body(*f.log->load(id.child(1))) == "first");
}

TEST_CASE("a record larger than a segment gets a segment of its own size") {
    LogFixture f(10);
    REQUIRE(f.open().has_value());
    const auto id = f.new_id();
    const std::string body(200'000, 'x');
    REQUIRE(f.write(f.message(id, body))[0].has_value());
    f.disk.kill();
    REQUIRE(f.open().has_value());
    CHECK(f.body(*f.log->load(id)) == body);
}

TEST_CASE("the log stays below twice what lives plus two segments, and what lives long is carried forward") {
    LogFixture f(11);
    REQUIRE(f.open().has_value());
    const auto old = f.new_id();
    REQUIRE(f.write(f.message(old, "stays"))[0].has_value());
    REQUIRE(f.write(LogFixture::state(old, 0, 7))[0].has_value());
    for (int i = 0; i < 500; ++i) {
        const auto id = f.new_id();
        REQUIRE(f.write(f.message(id, std::string(2000, 'x')))[0].has_value());
        REQUIRE(f.write(LogFixture::state(id, 0, 1, true))[0].has_value());
        for (;;) {
            const auto report = f.clean();
            REQUIRE(report.has_value());
            if (!report->progress) break;
        }
        REQUIRE(f.log->stats().segments <= 3);
        REQUIRE(f.disk.list(f.dirs.log)->size() <= 3 + SegmentStore::kSpares);
    }
    CHECK(f.log->load(old)->recipients[0].attempts == 7);
    f.disk.kill();
    REQUIRE(f.open().has_value());
    CHECK(f.log->load(old)->recipients[0].attempts == 7);
    CHECK(f.log->stats().messages == 1);
}

TEST_CASE("a body that is being read survives its segment") {
    LogFixture f(12);
    REQUIRE(f.open().has_value());
    const auto id = f.new_id();
    REQUIRE(f.write(f.message(id, "read me"))[0].has_value());
    const auto message = f.log->load(id);
    REQUIRE(f.write(LogFixture::state(id, 0, 1, true))[0].has_value());
    for (int i = 0; i < 200; ++i) {
        const auto other = f.new_id();
        REQUIRE(f.write(f.message(other, std::string(3000, 'y')))[0].has_value());
        REQUIRE(f.write(LogFixture::state(other, 0, 1, true))[0].has_value());
        while (f.clean()->progress) {
        }
    }
    CHECK(f.body(*message) == "read me");
}

TEST_CASE("big bodies: orphans go, a missing one is damage") {
    const base::log::Capture quiet;
    LogFixture f(13);
    REQUIRE(f.open().has_value());
    const auto good = f.new_id();
    const auto bad = f.new_id();
    for (const auto& id : {good, bad}) {
        f.disk.put(f.dirs.big + '/' + id.to_string(), std::string(5000, 'b'));
        auto op = f.message(id, "");
        op.body = nullptr;
        op.big_length = 5000;
        op.big_crc = base::crc32c(0, std::string(5000, 'b'));
        REQUIRE(f.write(op)[0].has_value());
    }
    REQUIRE(f.write(f.message(f.new_id(), "later"))[0].has_value());
    f.disk.put(f.dirs.big + '/' + f.new_id().to_string(), "orphan");
    f.disk.put(f.dirs.big + "/x.part", "half");
    f.disk.kill();
    REQUIRE(f.disk.unlink(f.dirs.big + '/' + bad.to_string()).has_value());
    REQUIRE(f.open().has_value());
    CHECK(f.recovered.damages == 1);
    CHECK(f.recovered.lost == std::vector{bad});
    CHECK_FALSE(f.log->knows(bad));
    REQUIRE(f.log->load(good).has_value());
    CHECK(f.disk.list(f.dirs.big)->size() == 1);
}

TEST_CASE("a segment of a newer version stops the start and nothing is touched") {
    LogFixture f(14);
    std::string page;
    encode(SegmentHeader{1, 5, 1 << 16, 0}, page);
    page[8] = 9;
    const auto crc = base::crc32c(5, std::string_view(page).substr(0, 60));
    for (std::size_t i = 0; i < 4; ++i) page[60 + i] = static_cast<char>(crc >> (8 * i));
    f.disk.put(f.dirs.log + "/0000000001.seg", page);
    const auto opened = f.open();
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().kind == base::ErrorKind::permanent);
    CHECK(f.disk.content(f.dirs.log + "/0000000001.seg") == page);
}
