#include "spool/impl/log.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace posthorn::spool {
namespace {

// Kept free at a segment's end for STATE and DONE when no further segment is to be had: they are what frees space.
std::uint64_t margin_of(std::uint64_t segment_size) { return std::max(segment_size / 64, 8 * kPage); }

std::string meta_of(const MessageOp& op, std::string_view changes) {
    std::string meta = op.envelope;
    meta += changes;
    return meta;
}

RecordHeader header_of(const MessageOp& op, std::uint8_t flags) {
    RecordHeader header;
    header.type = RecordType::message;
    header.flags = flags;
    header.id = op.id;
    if (op.big()) {
        header.flags |= record_flag::big;
        header.body_length = op.big_length;
        header.body_crc = op.big_crc;
    }
    return header;
}

std::string_view body_of(const MessageOp& op) { return op.big() ? std::string_view() : std::string_view(*op.body); }

const base::Ulid& id_of(const Op& op) {
    if (const auto* message = std::get_if<MessageOp>(&op)) return message->id;
    if (const auto* state = std::get_if<StateOp>(&op)) return state->id;
    return std::get<ForwardOp>(op).message.id;
}

}  // namespace

std::uint64_t stored(const Op& op) {
    const auto of = [](const MessageOp& m) {
        return align_up(RecordHeader::kSize + m.envelope.size() + (m.big() ? 0 : m.body->size()), kAlign);
    };
    if (const auto* message = std::get_if<MessageOp>(&op)) return of(*message);
    if (const auto* forward = std::get_if<ForwardOp>(&op))
        return of(forward->message) + align_up(forward->changes.size(), kAlign);
    const auto& state = std::get<StateOp>(op);
    std::uint64_t sum = RecordHeader::kSize;
    for (const auto& birth : state.births) sum += of(birth);
    return sum + align_up(RecordHeader::kSize + kPreviousSize + state.changes.size(), kAlign);
}

Log::Log(base::Disk& disk, const Directories& directories, SegmentSupply& supply, const base::Clock& clock,
         std::uint64_t segment_size)
    : disk_(disk), dirs_(directories), supply_(supply), clock_(clock), segment_size_(segment_size) {}

void Log::adopt(Recovered& recovered) {
    const std::lock_guard lock(mutex_);
    table_ = std::move(recovered.table);
    segments_ = std::move(recovered.segments);
    next_ = recovered.next;
    durable_ = recovered.durable;
    abort_ = recovered.abort;
    table_.each([this](const Entry& entry) {
        live_bytes_ += entry.body_length;
        if (entry.big != 0) big_bytes_ += entry.body_length;
        live_stored_ += entry.stored();
    });
}

// ---- writing ------------------------------------------------------------------------------------------------

Log::Need Log::need_of(const MessageOp& op) {
    return {align_up(RecordHeader::kSize + op.envelope.size() + (op.big() ? 0 : op.body->size()), kAlign),
            encoded_size_bound(op.summary.size())};
}

Log::Need Log::need_of(const Op& op) {
    if (const auto* message = std::get_if<MessageOp>(&op)) return need_of(*message);
    if (const auto* forward = std::get_if<ForwardOp>(&op))
        return {stored(op), encoded_size_bound(forward->message.summary.size() + forward->changes_summary.size())};
    const auto& state = std::get<StateOp>(op);
    Need need{stored(op), encoded_size_bound(state.summary.size()) + encoded_size_bound(0)};
    for (const auto& birth : state.births) need.index += encoded_size_bound(birth.summary.size());
    return need;
}

Log::Need Log::need_of(std::span<Op* const> ops) {
    Need sum;
    for (const Op* op : ops) {
        const auto need = need_of(*op);
        sum.stored += need.stored;
        sum.index += need.index;
    }
    return sum;
}

// False: there is nothing to do for it any more.
base::Result<bool> Log::wanted(const Op& op) const {
    const std::lock_guard lock(mutex_);
    const Entry* entry = table_.find(id_of(op));
    if (std::holds_alternative<MessageOp>(op)) {
        if (entry == nullptr) return true;
        return base::fail(base::ErrorKind::internal,
                          "message " + id_of(op).to_string() + " is in the queue already", "4.3.0",
                          "Temporary local problem");
    }
    if (const auto* forward = std::get_if<ForwardOp>(&op)) {
        return entry != nullptr && entry->message == forward->message_at && entry->state == forward->state_at;
    }
    if (entry != nullptr || std::get<StateOp>(op).lost) return true;
    return base::fail(base::ErrorKind::permanent, "message " + id_of(op).to_string() + " is not in the queue");
}

Results Log::write(std::span<Op> ops) {
    Results results(ops.size());
    std::vector<Op*> left;
    std::vector<base::Result<void>*> answers;
    for (std::size_t i = 0; i < ops.size(); ++i) {
        const auto go = wanted(ops[i]);
        if (!go) results[i] = std::unexpected(go.error());
        if (!go || !*go) continue;
        left.push_back(&ops[i]);
        answers.push_back(&results[i]);
    }
    // Takes out what is no STATE, with this error.
    const auto keep_states = [&](const base::Error& error) {
        std::size_t kept = 0;
        for (std::size_t i = 0; i < left.size(); ++i) {
            if (std::holds_alternative<StateOp>(*left[i])) {
                left[kept] = left[i];
                answers[kept++] = answers[i];
            } else {
                *answers[i] = std::unexpected(error);
            }
        }
        left.resize(kept);
        answers.resize(kept);
    };
    const auto fail_rest = [&](const base::Error& error) {
        for (auto* answer : answers) *answer = std::unexpected(error);
    };

    if (left.empty()) return results;
    if (auto room = make_room(left); !room) {
        keep_states(room.error());
        const auto need = need_of(left);
        if (active_ == nullptr || !active_->fits(need.stored, need.index, 0)) {
            fail_rest(room.error());
            return results;
        }
    }
    if (left.empty()) return results;
    auto done = attempt(left);
    if (done) return results;
    // What was in the failed round and is no new mail goes into a new segment, behind the word that it never happened.
    keep_states(done.error());
    const auto need = need_of(left);
    auto again = open_next(need.stored + need.index);
    if (again && !left.empty()) again = attempt(left);
    if (!again) fail_rest(again.error());
    return results;
}

base::Result<void> Log::make_room(std::span<Op* const> ops) {
    const auto need = need_of(ops);
    const bool states_only =
        std::ranges::all_of(ops, [](const Op* op) { return std::holds_alternative<StateOp>(*op); });
    const auto margin = states_only ? 0 : margin_of(segment_size_);
    if (active_ != nullptr && active_->fits(need.stored, need.index, margin)) return {};
    return open_next(need.stored + need.index);
}

base::Result<void> Log::open_next(std::uint64_t at_least) {
    // The round's header and page, the ABORT's round, margin and trailer.
    const auto overhead = 4 * kPage + margin_of(segment_size_);
    const auto room = at_least + overhead > segment_size_ ? at_least + overhead : 0;
    auto taken = supply_.take(room);
    if (!taken) {
        full_ = true;
        return std::unexpected(taken.error());
    }
    retire();
    active_ = std::make_unique<SegmentWriter>(*taken);
    {
        const std::lock_guard lock(mutex_);
        active_number_ = (*taken)->header.number;
        segments_[active_number_].segment = *taken;
    }
    full_ = false;
    if (abort_.from == 0) return {};
    active_->begin(next_++);
    RecordHeader header;
    header.type = RecordType::abort;
    active_->add(header, encode_abort(abort_), {}, {});
    auto written = write_round();
    if (written) abort_ = {0, 0};
    return written;
}

base::Result<void> Log::write_round() {
    const Lsn lsn = next_ - 1;
    auto written = active_->write(durable_, base::to_ms(clock_.wall()));
    if (written) {
        durable_ = lsn;
        const std::lock_guard lock(mutex_);
        ++rounds_;
        return written;
    }
    // Never trust this file's unsynced part again, and write no more into it.
    base::log::error("spool.round_failed",
                     {{"path", active_->segment()->path}, {"lsn", lsn}, {"error", written.error().log_text}});
    if (abort_.from == 0) abort_.from = lsn;
    abort_.to = lsn;
    active_.reset();
    const std::lock_guard lock(mutex_);
    active_number_ = 0;
    return written;
}

base::Result<void> Log::attempt(std::span<Op* const> ops) {
    active_->begin(next_++);
    std::vector<Placed> placed;
    placed.reserve(ops.size());
    for (Op* op : ops) std::visit([&](auto& one) { place(one, placed); }, *op);
    auto written = write_round();
    if (written) happened(placed);
    return written;
}

void Log::place(const MessageOp& op, std::vector<Placed>& placed) {
    const auto at = active_->add(header_of(op, 0), op.envelope, body_of(op), op.summary);
    Entry entry;
    entry.id = op.id;
    entry.message = at;
    entry.meta_length = static_cast<std::uint32_t>(op.envelope.size());
    entry.body_length = op.body_length();
    entry.big = op.big() ? 1 : 0;
    placed.push_back({Placed::Kind::message, entry});
}

Location Log::newest_state(const base::Ulid& id, const std::vector<Placed>& placed) const {
    for (auto at = placed.rbegin(); at != placed.rend(); ++at) {
        if (at->kind == Placed::Kind::state && at->entry.id == id) return at->entry.state;
    }
    const std::lock_guard lock(mutex_);
    const Entry* entry = table_.find(id);
    return entry == nullptr ? Location{} : entry->state;
}

void Log::place(StateOp& op, std::vector<Placed>& placed) {
    for (auto& birth : op.births) {
        // A replay names a child again: the first one counts.
        birth.known = knows(birth.id);
        if (!birth.known) place(birth, placed);
    }
    Entry entry;
    entry.id = op.id;
    RecordHeader header;
    header.id = op.id;
    if (!op.changes.empty()) {
        header.type = RecordType::state;
        std::string meta;
        encode_previous(newest_state(op.id, placed), meta);
        meta += op.changes;
        entry.state = active_->add(header, meta, {}, op.summary);
        placed.push_back({Placed::Kind::state, entry});
    }
    if (!op.done) return;
    header.type = RecordType::done;
    active_->add(header, {}, {}, {});
    placed.push_back({Placed::Kind::done, entry});
}

void Log::place(const ForwardOp& op, std::vector<Placed>& placed) {
    auto flags = record_flag::forward;
    if (!op.changes.empty()) flags |= record_flag::state;
    const auto meta = meta_of(op.message, op.changes);
    Entry entry;
    entry.message = active_->add(header_of(op.message, flags), meta, body_of(op.message),
                                 op.message.summary + op.changes_summary);
    entry.id = op.message.id;
    entry.meta_length = static_cast<std::uint32_t>(meta.size());
    placed.push_back({Placed::Kind::forward, entry});
}

void Log::born(Entry& entry) {
    auto& live = segments_[entry.message.segment].live;
    ++live.messages;
    live.bytes += entry.stored();
    live_stored_ += entry.stored();
}

void Log::dead(const Entry& entry) {
    const auto at = segments_.find(entry.message.segment);
    if (at != segments_.end()) {
        --at->second.live.messages;
        at->second.live.bytes -= entry.stored();
    }
    live_stored_ -= entry.stored();
}

void Log::happened(const std::vector<Placed>& placed) {
    const std::lock_guard lock(mutex_);
    for (const auto& [kind, what] : placed) {
        Entry* entry = table_.find(what.id);
        if (kind == Placed::Kind::message) {
            if (entry != nullptr) continue;
            auto& fresh = table_.insert(what);
            live_bytes_ += fresh.body_length;
            if (fresh.big != 0) big_bytes_ += fresh.body_length;
            born(fresh);
        } else if (entry == nullptr) {
            continue;
        } else if (kind == Placed::Kind::state) {
            entry->state = what.state;
        } else if (kind == Placed::Kind::forward) {
            dead(*entry);
            entry->message = what.message;
            entry->state = {};
            entry->meta_length = what.meta_length;
            born(*entry);
        } else {
            live_bytes_ -= entry->body_length;
            if (entry->big != 0) big_bytes_ -= entry->body_length;
            dead(*entry);
            table_.erase(base::Ulid(entry->id));
        }
    }
}

void Log::retire() {
    if (active_ == nullptr) return;
    const auto number = active_->segment()->header.number;
    supply_.seal(std::move(active_), [this, number] {
        const std::lock_guard lock(mutex_);
        const auto at = segments_.find(number);
        if (at != segments_.end()) at->second.sealed = true;
    });
}

base::Result<void> Log::restore() {
    if (writable()) return {};
    return open_next(0);
}

void Log::close() {
    retire();
    const std::lock_guard lock(mutex_);
    active_number_ = 0;
}

// ---- questions ----------------------------------------------------------------------------------------------

bool Log::knows(const base::Ulid& id) const {
    const std::lock_guard lock(mutex_);
    return table_.find(id) != nullptr;
}

Queue::Walked Log::walk(std::uint64_t from, std::size_t places) const {
    Queue::Walked walked;
    const std::lock_guard lock(mutex_);
    const auto next = table_.walk(from, places, [&](const Entry& entry) { walked.ids.push_back(entry.id); });
    walked.next = next.value_or(Queue::kWalked);
    return walked;
}

std::optional<Entry> Log::find(const base::Ulid& id) const {
    const std::lock_guard lock(mutex_);
    const Entry* entry = table_.find(id);
    return entry == nullptr ? std::nullopt : std::optional(*entry);
}

std::shared_ptr<const Segment> Log::segment(std::uint32_t number) const {
    const std::lock_guard lock(mutex_);
    const auto at = segments_.find(number);
    return at == segments_.end() ? nullptr : at->second.segment;
}

LogStats Log::stats() const {
    const std::lock_guard lock(mutex_);
    LogStats stats;
    stats.messages = table_.size();
    stats.bytes = live_bytes_;
    stats.segments = segments_.size();
    stats.rounds = rounds_;
    stats.memory = table_.memory();
    stats.disk_bytes = big_bytes_;
    for (const auto& [number, known] : segments_) stats.disk_bytes += known.segment->header.size;
    return stats;
}

}  // namespace posthorn::spool
