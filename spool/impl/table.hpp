// Which messages there are and where they stand: 48 octets each in one array, found by id. Open addressing with
// linear probing; an id's last octets are random, so they are the hash. Not thread-safe: its owner locks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ulid.hpp"
#include "spool/impl/record.hpp"

namespace posthorn::spool {

struct Entry {
    base::Ulid id;
    Location message;
    Location state;                 // the newest STATE; its chain leads back to the MESSAGE
    std::uint32_t meta_length = 0;  // of the MESSAGE
    std::uint32_t note = 0;         // recovery's: 1 + index of what is still to be announced
    std::uint64_t body_length : 48 = 0;
    std::uint64_t big : 1 = 0;
    std::uint64_t verified : 1 = 0;  // the body's checksum was seen to be right in this run
    std::uint64_t used : 1 = 0;

    // Octets it takes in its segment.
    std::uint64_t stored() const {
        return align_up(RecordHeader::kSize + meta_length + (big != 0 ? 0 : body_length), kAlign);
    }
};
static_assert(sizeof(Entry) == 48);

class Table {
public:
    // Valid until the next insert or erase.
    Entry* find(const base::Ulid& id);
    const Entry* find(const base::Ulid& id) const { return const_cast<Table*>(this)->find(id); }
    // The id must not be there yet.
    Entry& insert(const Entry& entry);
    bool erase(const base::Ulid& id);
    std::size_t size() const { return size_; }
    std::size_t memory() const { return slots_.size() * sizeof(Entry); }

    template <class F>
    void each(F&& fn) {
        for (auto& slot : slots_) {
            if (slot.used != 0) fn(slot);
        }
    }

    // The same for `places` slots from `from` on; tells where to go on, or that was all. What is inserted or erased
    // in between moves others.
    template <class F>
    std::optional<std::size_t> walk(std::size_t from, std::size_t places, F&& fn) const {
        const auto end = std::min(slots_.size(), from + places);
        for (; from < end; ++from) {
            if (slots_[from].used != 0) fn(slots_[from]);
        }
        return from < slots_.size() ? std::optional(from) : std::nullopt;
    }

private:
    std::size_t home(const base::Ulid& id) const;
    void grow();

    std::vector<Entry> slots_;  // a power of two, or none
    std::size_t size_ = 0;
};

}  // namespace posthorn::spool
