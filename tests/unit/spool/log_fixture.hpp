// The log on a disk that fails where told, without threads: segments are made when they are wanted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mail/envelope_codec.hpp"
#include "spool/impl/log.hpp"
#include "spool/impl/segment_store.hpp"
#include "tests/support/fault_disk.hpp"

namespace posthorn::spool {

class FixedClock final : public base::Clock {
public:
    base::SteadyTime steady() const override { return {}; }
    base::WallTime wall() const override { return base::from_ms(1'700'000'000'000); }
};

class DirectSupply final : public SegmentSupply {
public:
    explicit DirectSupply(SegmentStore& store) : store_(store) {}
    base::Result<std::shared_ptr<const Segment>> take(std::uint64_t at_least) override {
        return store_.make(at_least);
    }
    void seal(std::unique_ptr<SegmentWriter> writer, std::function<void()> done) override {
        if (spool::seal(*writer)) done();
    }

private:
    SegmentStore& store_;
};

struct LogFixture {
    explicit LogFixture(std::uint64_t seed, std::uint64_t size = 64 << 10)
        : disk(seed), random(seed), segment_size(size) {
        for (const auto& dir : {dirs.root, dirs.log, dirs.big, dirs.corrupt, dirs.incoming})
            (void)disk.make_directory(dir, 0700);
    }

    // As at a start.
    base::Result<void> open() {
        log.reset();
        auto found = recover(disk, dirs);
        if (!found) return std::unexpected(found.error());
        recovered = std::move(*found);
        store = std::make_unique<SegmentStore>(disk, dirs.log, segment_size, clock, random);
        store->resume(recovered.next_number, recovered.spares);
        supply = std::make_unique<DirectSupply>(*store);
        log = std::make_unique<Log>(disk, dirs, *supply, clock, segment_size);
        log->adopt(recovered);
        return log->restore();
    }

    base::Ulid new_id() {
        base::Ulid id;
        for (auto& octet : id.bytes) octet = static_cast<std::uint8_t>(random.next());
        return id;
    }

    static mail::Envelope envelope(const base::Ulid& id, std::size_t recipients = 2) {
        mail::Envelope e;
        e.id = id;
        e.reverse_path = {"sender", "example.org"};
        e.arrival = base::from_ms(1'700'000'000'000);
        for (std::size_t i = 0; i < recipients; ++i) {
            mail::Recipient recipient;
            recipient.address = {"r" + std::to_string(i), "example.com"};
            e.recipients.push_back(recipient);
        }
        return e;
    }

    MessageOp message(const base::Ulid& id, std::string body, std::size_t recipients = 2) {
        MessageOp op;
        op.id = id;
        auto e = envelope(id, recipients);
        e.body_size = body.size();
        op.envelope = mail::encode_envelope(e);
        op.summary = summarize(e, body.size());
        op.body = std::make_shared<const std::string>(std::move(body));
        return op;
    }

    static StateOp state(const base::Ulid& id, std::uint32_t index, std::uint32_t attempts, bool done = false) {
        StateOp op;
        op.id = id;
        RecipientUpdate update;
        update.index = index;
        update.state.attempts = attempts;
        update.state.last.status = "4.0.0";
        update.state.last.text = std::string(attempts % 50, 'x');
        op.changes = encode_changes({&update, 1}, std::nullopt);
        op.summary = summarize({&update, 1}, std::nullopt);
        op.done = done;
        return op;
    }

    template <class... Ops>
    Results write(Ops... ops) {
        std::vector<Op> list;
        (list.emplace_back(std::move(ops)), ...);
        return log->write(list);
    }

    base::Result<Log::CleanReport> clean() {
        return log->clean_step([this](std::vector<Op> ops) { return log->write(ops); },
                               [this](const std::shared_ptr<const Segment>& s) { return store->free(s); });
    }

    std::string body(const StoredMessage& message) {
        std::string bytes(message.body->size(), '\0');
        const auto got = message.body->read_at(0, bytes);
        bytes.resize(got ? *got : 0);
        return bytes;
    }

    test::FaultDisk disk;
    base::SeededRandom random;
    std::uint64_t segment_size;
    FixedClock clock;
    Directories dirs{"/spool"};
    Recovered recovered;
    std::unique_ptr<SegmentStore> store;
    std::unique_ptr<DirectSupply> supply;
    std::unique_ptr<Log> log;
};

}  // namespace posthorn::spool
