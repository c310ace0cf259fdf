#include "observe/history_record.hpp"

#include <doctest/doctest.h>

using namespace posthorn;
using namespace posthorn::observe;
using namespace std::chrono_literals;
using mail::Event;
using mail::EventKind;
using State = EventRecord::State;

namespace {

Event full() {
    Event event{.kind = EventKind::attempt, .at = base::from_ms(1'700'000'000'123)};
    event.message_id = base::Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV");
    event.session = "0123456789";
    event.client_ip = "192.0.2.1";
    event.sender = "a@example.com";
    event.recipient = "b@example.net";
    event.domain = "example.net";
    event.remote_host = "mx.example.net";
    event.remote_ip = "192.0.2.7";
    event.tls = "TLSv1.3 X";
    event.code = 451;
    event.status = "4.3.0";
    event.text = "not now";
    event.detail = "1700000000999";
    event.header_message_id = "<m@example.com>";
    event.size = 1234;
    event.attempt = 3;
    event.elapsed = 1500us;
    event.delays[2] = 7ms;
    event.extra = {{"listener", "smtp [::]:25"}};
    event.recipients = {"b@example.net", "c@example.net"};
    event.dialogue = {"C: MAIL FROM:<a@example.com>", "S: 451 4.3.0 not now"};
    event.trace.trace_id = "0af7651916cd43dd8448eb211c80319c";
    return event;
}

}  // namespace

TEST_CASE("an event comes back from its record as it was") {
    const auto event = full();
    const auto bytes = encode_event_record(event);
    const auto record = next_event_record(bytes);
    REQUIRE(record.state == State::good);
    CHECK(record.size == bytes.size());
    const auto back = decode_event(record.payload);
    REQUIRE(back);
    CHECK(encode_event_record(*back) == bytes);
    CHECK(back->kind == event.kind);
    CHECK(back->at == event.at);
    CHECK(back->message_id == event.message_id);
    CHECK(back->dialogue == event.dialogue);
    CHECK(back->recipients == event.recipients);
    CHECK(back->delays[2] == 7ms);
    CHECK(back->code == 451);
    CHECK(back->text == "not now");
}

TEST_CASE("what a search looks at is read without the rest") {
    const auto bytes = encode_event_record(full());
    const auto keys = read_event_keys(next_event_record(bytes).payload);
    REQUIRE(keys);
    CHECK(keys->at_ms == 1'700'000'000'123);
    CHECK(keys->session == "0123456789");
    CHECK(keys->recipient == "b@example.net");
    CHECK(any_recipient(keys->recipients, "C@Example.net"));
    CHECK_FALSE(any_recipient(keys->recipients, "d@example.net"));
    CHECK_FALSE(keys->dsn);
}

TEST_CASE("a record that is cut off anywhere is partial, one that is spoiled anywhere is not taken") {
    const auto bytes = encode_event_record(full());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
        CHECK(next_event_record(std::string_view(bytes).substr(0, cut)).state == State::partial);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto spoiled = bytes;
        spoiled[at] = static_cast<char>(spoiled[at] ^ 0x10);
        const auto record = next_event_record(spoiled + bytes);
        CHECK(record.state != State::good);
    }
}

TEST_CASE("behind damage the next record is found") {
    const auto good = encode_event_record(full());
    for (const auto& rubbish : {std::string("x"), std::string(1000, '\0'), good.substr(0, 20), good.substr(5)}) {
        auto bytes = rubbish + good;
        std::string_view rest = bytes;
        EventRecord record;
        for (int i = 0; i < 100; ++i) {
            record = next_event_record(rest);
            if (record.state != State::bad) break;
            REQUIRE(record.size > 0);
            rest.remove_prefix(record.size);
        }
        REQUIRE(record.state == State::good);
        CHECK(rest == good);
    }
}

TEST_CASE("a record is never longer than its limit") {
    Event event{.kind = EventKind::accepted};
    event.text.assign(100'000, 'x');
    event.recipients.assign(5000, std::string(300, 'r'));
    event.dialogue.assign(5000, std::string(5000, 'd'));
    event.extra.assign(5000, {"key", std::string(5000, 'v')});
    const auto bytes = encode_event_record(event);
    CHECK(bytes.size() <= kMaxEventRecord);
    const auto back = decode_event(next_event_record(bytes).payload);
    REQUIRE(back);
    CHECK(back->text.size() == kMaxEventText);
    CHECK(back->recipients.size() > 100);
}

TEST_CASE("a key of a later version is skipped, a kind of a later version is none") {
    // {k: "done", t: 5, zz: [1, 2], q: "x"} and {k: "later", t: 5}
    CHECK(
        decode_event("\x84\xA1k\xA4"
                     "done\xA1t\x05\xA2zz\x92\x01\x02\xA1q\xA1x"));
    CHECK_FALSE(decode_event("\x82\xA1k\xA5later\xA1t\x05"));
}
