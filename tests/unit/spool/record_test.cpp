#include "spool/impl/record.hpp"

#include <doctest/doctest.h>

#include "base/crc32c.hpp"
#include "spool/impl/changes.hpp"
#include "spool/impl/segment.hpp"

using namespace posthorn;
using namespace posthorn::spool;

namespace {

RecordHeader sample(std::string_view meta) {
    RecordHeader header;
    header.type = RecordType::state;
    header.flags = record_flag::state;
    header.lsn = 77;
    header.id.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    header.meta_length = static_cast<std::uint32_t>(meta.size());
    header.body_length = 12345;
    header.body_crc = 0xDEADBEEF;
    return header;
}

// Every bit of `bytes` matters to `valid`.
template <class F>
void every_bit_matters(std::string bytes, F valid) {
    REQUIRE(valid(bytes));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
        REQUIRE_FALSE(valid(bytes));
        bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    }
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) REQUIRE_FALSE(valid(bytes.substr(0, cut)));
}

}  // namespace

TEST_CASE("record headers come back, and no bit of header or meta may differ") {
    const std::string meta = "meta of it";
    std::string bytes;
    encode(sample(meta), 9, meta, bytes);
    CHECK(bytes.size() == RecordHeader::kSize);
    bytes += meta;
    CHECK(decode_record_header(bytes, 9) == sample(meta));
    CHECK_FALSE(decode_record_header(bytes, 10).has_value());
    every_bit_matters(bytes, [](std::string_view b) { return decode_record_header(b, 9).has_value(); });
}

TEST_CASE("segment headers, round headers and trailers come back, and no bit of them may differ") {
    std::string bytes;
    const SegmentHeader segment{3, 99, 1 << 20, 1'700'000'000'000};
    encode(segment, bytes);
    CHECK(decode_segment_header(bytes) == segment);
    every_bit_matters(bytes, [](std::string_view b) { return decode_segment_header(b).has_value(); });

    bytes.clear();
    const RoundHeader round{5, 4, 4096, 2, 1'700'000'000'000};
    encode(round, 99, bytes);
    CHECK(decode_round_header(bytes, 99) == round);
    every_bit_matters(bytes, [](std::string_view b) { return decode_round_header(b, 99).has_value(); });

    bytes.clear();
    const Trailer trailer{4096, 100, 7, 1, 5};
    encode(trailer, 99, bytes);
    CHECK(decode_trailer(bytes, 99) == trailer);
    every_bit_matters(bytes, [](std::string_view b) { return decode_trailer(b, 99).has_value(); });
}

TEST_CASE("a segment header of a newer version is told apart from a spoiled one") {
    std::string bytes;
    encode(SegmentHeader{3, 99, 1 << 20, 0}, bytes);
    bytes[8] = 2;  // the version, and the checksum made anew
    const auto crc = base::crc32c(99, std::string_view(bytes).substr(0, 60));
    for (std::size_t i = 0; i < 4; ++i) bytes[60 + i] = static_cast<char>(crc >> (8 * i));
    bool newer = false;
    CHECK_FALSE(decode_segment_header(bytes, &newer).has_value());
    CHECK(newer);
}

TEST_CASE("segment names") {
    CHECK(segment_name(17) == "0000000017.seg");
    CHECK(parse_segment_name("0000000017.seg") == 17);
    CHECK(parse_segment_name("4294967295.seg") == 4294967295);
    for (const auto* bad :
         {"4294967296.seg", "0000000000.seg", "17.seg", "0000000017.seg.new", "000000001x.seg", ""})
        CHECK_FALSE(parse_segment_name(bad).has_value());
}

TEST_CASE("an index comes back; one that ends early is refused") {
    IndexEntry entry{RecordType::message, record_flag::big, sample("").id, 4160, 300, 1ULL << 39, "a summary"};
    std::string bytes;
    encode(entry, bytes);
    CHECK(bytes.size() <= encoded_size_bound(entry.summary.size()));
    const auto one = bytes.size();
    entry.type = RecordType::done;
    entry.summary.clear();
    encode(entry, bytes);
    std::vector<IndexEntry> back;
    REQUIRE(decode_index(bytes, back));
    REQUIRE(back.size() == 2);
    CHECK(back[1] == entry);
    for (std::size_t cut = one + 1; cut < bytes.size(); ++cut) {
        std::vector<IndexEntry> part;
        CHECK_FALSE(decode_index(std::string_view(bytes).substr(0, cut), part));
    }
}

TEST_CASE("changes come back whole from the record and in short from the trail") {
    mail::Envelope envelope;
    envelope.reverse_path = {"a", "example.org"};
    envelope.arrival = base::from_ms(1'700'000'000'000);
    for (const auto* domain : {"b.example", "C.example", "B.EXAMPLE"}) {
        mail::Recipient recipient;
        recipient.address = {"x", domain};
        envelope.recipients.push_back(recipient);
    }
    RecipientUpdate update;
    update.index = 2;
    update.state.status = mail::RecipientStatus::pending;
    update.state.attempts = 3;
    update.state.next_try = base::from_ms(1'700'000'060'000);
    update.state.delay_warned = true;
    update.state.last.status = "4.2.0";
    update.state.last.text = "try later";
    const std::vector<RecipientUpdate> updates{update};

    const auto changes = decode_changes(encode_changes(updates, true));
    REQUIRE(changes.has_value());
    REQUIRE(changes->recipients.size() == 1);
    CHECK(changes->recipients[0].index == 2);
    CHECK(changes->recipients[0].state == update.state);
    CHECK(changes->frozen == true);

    QueuedMessage told;
    const auto trail = summarize(envelope, 4711) + summarize(updates, true);
    REQUIRE(apply_trail(trail, told));
    CHECK(told.arrival == envelope.arrival);
    CHECK(told.size == 4711);
    CHECK_FALSE(told.null_sender);
    CHECK(told.frozen);
    REQUIRE(told.recipients.size() == 3);
    CHECK(told.recipients[1].domain == "c.example");
    CHECK(told.recipients[2].domain == "b.example");
    CHECK(told.recipients[2].attempts == 3);
    CHECK(told.recipients[2].next_try == update.state.next_try);
    CHECK(told.recipients[2].delay_warned);
    CHECK_FALSE(told.recipients[2].dsn_done);
    CHECK(told.recipients[0].attempts == 0);
    CHECK(told.hold_until == base::WallTime{});
    envelope.hold_until = base::from_ms(1'700'000'090'000);
    QueuedMessage held;
    REQUIRE(apply_trail(summarize(envelope, 4711), held));
    CHECK(held.hold_until == envelope.hold_until);
    CHECK(held.recipients.size() == 3);
    for (std::size_t cut = 0; cut < trail.size(); ++cut) {
        QueuedMessage part;
        (void)apply_trail(std::string_view(trail).substr(0, cut), part);  // no crash, no matter what it says
    }
}
