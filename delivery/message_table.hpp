// The messages of a shard: found by id, walked by place in pieces. They stand in chunks, so that none ever moves and
// growing copies nothing; an index of 4 octets each finds them. A chunk that has emptied is given back.
//
// A walk by place may be left and taken up again, whatever came and went meanwhile: what was there the whole time is
// seen once, what came or went may be or not.
#pragma once

#include <bit>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/ulid.hpp"
#include "delivery/message.hpp"

namespace posthorn::delivery {

class MessageTable {
public:
    using Place = std::uint32_t;

    MessageTable() = default;
    ~MessageTable();
    MessageTable(const MessageTable&) = delete;
    MessageTable& operator=(const MessageTable&) = delete;

    // Good until it is erased.
    Message* find(const base::Ulid& id);
    const Message* find(const base::Ulid& id) const { return const_cast<MessageTable*>(this)->find(id); }
    bool contains(const base::Ulid& id) const { return find(id) != nullptr; }
    // False: it was there already.
    std::pair<Message*, bool> insert(const base::Ulid& id);
    void erase(const base::Ulid& id);
    std::size_t size() const { return size_; }

    // Looks at `places` places from `from` on, calls `fn(Message&)` for each that is taken, and tells where to go on:
    // end() when that was all. `fn` may erase the message it is given.
    template <class F>
    Place walk(Place from, std::size_t places, F&& fn) {
        for (; places > 0 && from < end(); --places, ++from) {
            Chunk* const chunk = chunks_[from / kChunk].get();
            if (chunk == nullptr)
                from |= kChunk - 1;  // nothing there
            else if (chunk->used[from % kChunk])
                fn(*chunk->at(from % kChunk));
        }
        return from;
    }
    template <class F>
    Place walk(Place from, std::size_t places, F&& fn) const {
        return const_cast<MessageTable*>(this)->walk(from, places, [&](const Message& m) { fn(m); });
    }
    Place end() const { return static_cast<Place>(chunks_.size() * kChunk); }

private:
    static constexpr Place kChunk = 256;  // messages
    static constexpr Place kFree = ~Place{0};
    static_assert(std::has_single_bit(kChunk));

    struct Chunk {
        std::bitset<kChunk> used;
        alignas(Message) std::byte room[kChunk * sizeof(Message)];
        Message* at(std::size_t i) { return reinterpret_cast<Message*>(room) + i; }
    };

    Message* at(Place place) { return chunks_[place / kChunk]->at(place % kChunk); }
    std::size_t home(const base::Ulid& id) const;
    void enter(Place place);
    void widen();
    Place take_place();
    void give_place(Place place);

    std::vector<std::unique_ptr<Chunk>> chunks_;  // null: given back
    std::set<Place> open_;                        // chunks with room; the lowest is filled first
    std::vector<Place> index_;                    // open addressing, a power of two wide, or empty
    std::size_t size_ = 0;
};

}  // namespace posthorn::delivery
