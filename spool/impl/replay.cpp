#include "spool/impl/replay.hpp"

namespace posthorn::spool {

void Replay::apply(const IndexEntry& entry, std::uint32_t segment) {
    const Location location{segment, entry.offset};
    Entry* known = out_.table.find(entry.id);
    switch (entry.type) {
        case RecordType::message: apply_message(entry, location, known); break;
        case RecordType::state:
            if (known == nullptr) break;  // its MESSAGE was spoiled, or it is done
            known->state = location;
            out_.trails[known->note - 1] += entry.summary;
            break;
        case RecordType::done:
            if (known != nullptr) forget(*known);
            break;
        case RecordType::abort: break;
    }
}

void Replay::apply_message(const IndexEntry& entry, Location location, Entry* known) {
    const bool forward = (entry.flags & record_flag::forward) != 0;
    if (known != nullptr && !forward) return;  // a birth or a drop taken twice: the first one counts
    if (known != nullptr) {
        dead(*known);
    } else {
        Entry fresh;
        fresh.id = entry.id;
        out_.trails.emplace_back();
        fresh.note = static_cast<std::uint32_t>(out_.trails.size());
        known = &out_.table.insert(fresh);
    }
    known->message = location;
    known->state = {};
    known->meta_length = entry.meta_length;
    known->body_length = entry.body_length;
    known->big = (entry.flags & record_flag::big) != 0 ? 1 : 0;
    out_.trails[known->note - 1] = entry.summary;
    auto& live = out_.segments[location.segment].live;
    ++live.messages;
    live.bytes += known->stored();
}

void Replay::dead(const Entry& entry) {
    auto& live = out_.segments[entry.message.segment].live;
    --live.messages;
    live.bytes -= entry.stored();
}

void Replay::forget(const Entry& entry) {
    dead(entry);
    std::string().swap(out_.trails[entry.note - 1]);
    out_.table.erase(base::Ulid(entry.id));
}

}  // namespace posthorn::spool
