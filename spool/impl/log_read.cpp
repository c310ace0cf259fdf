// Log: messages read back, and the cleaning that reads them to write them forward.
#include <algorithm>
#include <cerrno>

#include "base/crc32c.hpp"
#include "base/log.hpp"
#include "mail/envelope_codec.hpp"
#include "spool/impl/bodies.hpp"
#include "spool/impl/log.hpp"

namespace posthorn::spool {
namespace {

constexpr int kLoadTries = 8;                                    // a message may move while it is read
constexpr std::uint64_t kForwardBatch = std::uint64_t{1} << 20;  // octets
constexpr std::size_t kReadChunk = std::size_t{128} << 10;

std::unexpected<base::Error> moved() {
    return base::fail(base::ErrorKind::temporary, "the message was moved while it was read", "4.3.0",
                      "Temporary local problem");
}

std::unexpected<base::Error> damaged(std::string what) {
    return base::fail(base::ErrorKind::permanent, std::move(what), "5.3.0", "Message is damaged");
}

base::Result<void> verify_file(const base::File& file, const RecordHeader& header) {
    std::string buffer;
    std::uint32_t crc = 0;
    for (std::uint64_t at = 0; at < header.body_length; at += buffer.size()) {
        buffer.resize(std::min<std::uint64_t>(kReadChunk, header.body_length - at));
        const auto got = file.read(at, buffer);
        if (!got) return std::unexpected(got.error());
        if (*got != buffer.size()) return damaged("big body of " + header.id.to_string() + " is short");
        crc = base::crc32c(crc, buffer);
    }
    if (crc != header.body_crc) return damaged("big body of " + header.id.to_string() + ": checksum is wrong");
    return {};
}

void merge(const Changes& changes, std::map<std::uint32_t, mail::RecipientState>& states,
           std::optional<bool>& frozen) {
    for (const auto& [index, state] : changes.recipients) states[index] = state;
    if (changes.frozen) frozen = changes.frozen;
}

}  // namespace

base::Result<Log::RawMessage> Log::read(const Entry& entry) const {
    const auto home = segment(entry.message.segment);
    if (home == nullptr) return moved();
    auto record = read_record(*home, entry.message.offset);
    if (!record) return std::unexpected(record.error());
    if (record->header.type != RecordType::message || record->header.id != entry.id)
        return damaged(entry.id.to_string() + ": another record stands in its place");
    RawMessage message;
    message.header = record->header;
    std::size_t used = 0;
    auto envelope = mail::decode_envelope_prefix(record->meta, used);
    if (!envelope) return std::unexpected(envelope.error());
    message.envelope = std::move(*envelope);
    message.envelope_bytes = record->meta.substr(0, used);
    if ((record->header.flags & record_flag::state) != 0) {
        const auto changes = decode_changes(std::string_view(record->meta).substr(used));
        if (!changes) return std::unexpected(changes.error());
        merge(*changes, message.states, message.frozen);
    }
    if (auto states = read_states(entry, message); !states) return std::unexpected(states.error());
    return message;
}

base::Result<void> Log::read_states(const Entry& entry, RawMessage& message) const {
    std::vector<Changes> chain;  // newest first
    for (Location at = entry.state; at;) {
        const auto home = segment(at.segment);
        if (home == nullptr) return moved();
        const auto record = read_record(*home, at.offset);
        if (!record) return std::unexpected(record.error());
        const auto previous = decode_previous(record->meta);
        if (record->header.type != RecordType::state || record->header.id != entry.id || !previous)
            return damaged(entry.id.to_string() + ": another record stands in its state's place");
        auto changes = decode_changes(std::string_view(record->meta).substr(kPreviousSize));
        if (!changes) return std::unexpected(changes.error());
        chain.push_back(std::move(*changes));
        const bool backwards =
            previous->segment < at.segment || (previous->segment == at.segment && previous->offset < at.offset);
        if (!backwards) return damaged(entry.id.to_string() + ": its states stand in a circle");
        at = *previous;
    }
    for (auto changes = chain.rbegin(); changes != chain.rend(); ++changes)
        merge(*changes, message.states, message.frozen);
    return {};
}

base::Result<std::shared_ptr<const Body>> Log::open_body(const Entry& entry, const RecordHeader& header) const {
    if (header.big()) {
        auto file = disk_.open(dirs_.big + '/' + entry.id.to_string(), base::OpenMode::read);
        if (!file && file.error().code == ENOENT) return damaged(file.error().log_text);
        if (!file) return std::unexpected(file.error());
        if (entry.verified == 0) {
            if (auto good = verify_file(**file, header); !good) return std::unexpected(good.error());
        }
        return file_body(std::move(*file), header.body_length);
    }
    auto home = segment(entry.message.segment);
    if (home == nullptr) return moved();
    if (entry.verified == 0) {
        if (auto good = verify_body(*home, entry.message.offset, header); !good)
            return std::unexpected(good.error());
    }
    return segment_body(std::move(home), entry.message.offset + RecordHeader::kSize + header.meta_length,
                        header.body_length);
}

base::Result<StoredMessage> Log::load(const base::Ulid& id, Parts parts) {
    for (int tries = 0;; ++tries) {
        const auto entry = find(id);
        if (!entry) return damaged("message " + id.to_string() + " is not in the queue");
        auto raw = read(*entry);
        base::Result<std::shared_ptr<const Body>> body;
        if (raw && parts == Parts::all) body = open_body(*entry, raw->header);
        if (!raw || !body) {
            const auto now = find(id);
            if (now && now->message == entry->message && now->state == entry->state)
                return std::unexpected(raw ? body.error() : raw.error());
            if (tries >= kLoadTries) return moved();
            continue;
        }
        if (parts == Parts::all) {
            const std::lock_guard lock(mutex_);
            if (Entry* now = table_.find(id)) now->verified = 1;
        }
        StoredMessage message;
        message.recipients.resize(raw->envelope.recipients.size());
        for (auto& [index, state] : raw->states) {
            if (index < message.recipients.size()) message.recipients[index] = std::move(state);
        }
        message.frozen = raw->frozen.value_or(false);
        message.envelope = std::move(raw->envelope);
        message.body = std::move(*body);
        return message;
    }
}

std::shared_ptr<const Body> Log::inline_body_of(const base::Ulid& id) const {
    const auto entry = find(id);
    if (!entry || entry->big != 0) return nullptr;
    auto home = segment(entry->message.segment);
    if (home == nullptr) return nullptr;
    return segment_body(std::move(home), entry->message.offset + RecordHeader::kSize + entry->meta_length,
                        entry->body_length);
}

void Log::put_aside(const base::Ulid& id, std::string_view reason) {
    const auto entry = find(id);
    if (!entry) return;
    const auto home = segment(entry->message.segment);
    if (home == nullptr) return;
    (void)spool::put_aside(disk_, dirs_, *home->file, entry->message.offset, entry->stored(),
                           id.to_string() + ".record", reason);
}

// ---- cleaning -----------------------------------------------------------------------------------------------

base::Result<ForwardOp> Log::make_forward(const Entry& entry) const {
    auto raw = read(entry);
    if (!raw) return std::unexpected(raw.error());
    ForwardOp op;
    op.message_at = entry.message;
    op.state_at = entry.state;
    op.message.id = entry.id;
    op.message.summary = summarize(raw->envelope, raw->header.body_length);
    op.message.envelope = std::move(raw->envelope_bytes);
    if (!raw->states.empty() || raw->frozen) {
        std::vector<RecipientUpdate> updates;
        for (auto& [index, state] : raw->states) updates.push_back({index, std::move(state)});
        op.changes = encode_changes(updates, raw->frozen);
        op.changes_summary = summarize(updates, raw->frozen);
    }
    if (raw->header.big()) {
        op.message.big_length = raw->header.body_length;
        op.message.big_crc = raw->header.body_crc;
        return op;
    }
    const auto home = segment(entry.message.segment);
    if (home == nullptr) return moved();
    auto bytes = std::make_shared<std::string>();
    if (auto good = verify_body(*home, entry.message.offset, raw->header, bytes.get()); !good)
        return std::unexpected(good.error());
    op.message.body = std::move(bytes);
    return op;
}

base::Result<Log::CleanReport> Log::forward_batch(std::uint32_t oldest, const Forward& forward) {
    if (cleaning_ != oldest || cleaning_left_.empty()) {
        const std::lock_guard lock(mutex_);
        cleaning_ = oldest;
        cleaning_left_.clear();
        table_.each([&](const Entry& entry) {
            if (entry.message.segment == oldest) cleaning_left_.push_back(entry.id);
        });
    }
    CleanReport report;
    report.progress = true;
    std::vector<Op> batch;
    std::uint64_t octets = 0;
    while (!cleaning_left_.empty() && octets < kForwardBatch) {
        const auto id = cleaning_left_.back();
        cleaning_left_.pop_back();
        const auto entry = find(id);
        if (!entry || entry->message.segment != oldest) continue;
        auto op = make_forward(*entry);
        if (op) {
            octets += stored(*op);
            batch.emplace_back(std::move(*op));
        } else if (op.error().kind == base::ErrorKind::permanent) {
            report.damaged.push_back(id);
        } else {
            return std::unexpected(op.error());
        }
    }
    if (batch.empty()) return report;
    for (const auto& result : forward(std::move(batch))) {
        if (!result) return std::unexpected(result.error());
    }
    return report;
}

base::Result<Log::CleanReport> Log::clean_step(const Forward& forward, const Freed& freed) {
    if (freeing_ != nullptr) {
        if (auto gone = freed(freeing_); !gone) return std::unexpected(gone.error());
        freeing_.reset();
        return CleanReport{true, {}};
    }
    std::uint32_t oldest = 0;
    {
        const std::lock_guard lock(mutex_);
        if (segments_.empty() || segments_.begin()->first == active_number_) return CleanReport{};
        const auto at = segments_.begin();
        if (at->second.live.messages == 0) {
            freeing_ = std::move(at->second.segment);
            segments_.erase(at);
        } else {
            std::uint64_t octets = 0;
            for (const auto& [number, known] : segments_) octets += known.segment->header.size;
            if (octets <= 2 * live_stored_ + 2 * segment_size_) return CleanReport{};
            oldest = at->first;
        }
    }
    if (freeing_ == nullptr) return forward_batch(oldest, forward);
    if (auto gone = freed(freeing_); !gone) return std::unexpected(gone.error());
    freeing_.reset();
    return CleanReport{true, {}};
}

}  // namespace posthorn::spool
