#include "delivery/message_table.hpp"

namespace posthorn::delivery {

namespace {
constexpr std::size_t kFirst = 64;
}

MessageTable::~MessageTable() {
    walk(0, end(), [](Message& m) { std::destroy_at(&m); });
}

// A stranger may choose ids (the drop folder's derive from names): mixed, so that one cannot choose the place alone.
std::size_t MessageTable::home(const base::Ulid& id) const {
    auto h = static_cast<std::uint64_t>(std::hash<base::Ulid>{}(id));
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15;
    return static_cast<std::size_t>(h >> 20) & (index_.size() - 1);
}

Message* MessageTable::find(const base::Ulid& id) {
    if (index_.empty()) return nullptr;
    for (auto i = home(id); index_[i] != kFree; i = (i + 1) & (index_.size() - 1)) {
        if (Message* const m = at(index_[i]); m->id == id) return m;
    }
    return nullptr;
}

std::pair<Message*, bool> MessageTable::insert(const base::Ulid& id) {
    if (Message* const known = find(id)) return {known, false};
    if ((size_ + 1) * 8 > index_.size() * 7) widen();
    const Place place = take_place();
    Message* const m = std::construct_at(at(place));
    m->id = id;
    enter(place);
    ++size_;
    return {m, true};
}

void MessageTable::enter(Place place) {
    auto i = home(at(place)->id);
    while (index_[i] != kFree) i = (i + 1) & (index_.size() - 1);
    index_[i] = place;
}

void MessageTable::erase(const base::Ulid& id) {
    if (index_.empty()) return;
    const auto mask = index_.size() - 1;
    auto hole = home(id);
    while (index_[hole] != kFree && at(index_[hole])->id != id) hole = (hole + 1) & mask;
    const Place place = index_[hole];
    if (place == kFree) return;
    // Close the gap: what probed past it moves back.
    for (auto i = (hole + 1) & mask; index_[i] != kFree; i = (i + 1) & mask) {
        if (((i - home(at(index_[i])->id)) & mask) < ((i - hole) & mask)) continue;
        index_[hole] = index_[i];
        hole = i;
    }
    index_[hole] = kFree;
    std::destroy_at(at(place));
    give_place(place);
    --size_;
}

void MessageTable::widen() {
    std::vector<Place> old(index_.empty() ? kFirst : index_.size() * 2, kFree);
    old.swap(index_);
    for (const Place place : old) {
        if (place != kFree) enter(place);
    }
}

MessageTable::Place MessageTable::take_place() {
    if (open_.empty()) {
        open_.insert(static_cast<Place>(chunks_.size()));
        chunks_.emplace_back();
    }
    const Place number = *open_.begin();
    auto& chunk = chunks_[number];
    if (!chunk) chunk = std::make_unique<Chunk>();
    std::size_t i = 0;
    while (chunk->used[i]) ++i;
    chunk->used.set(i);
    if (chunk->used.all()) open_.erase(open_.begin());
    return number * kChunk + static_cast<Place>(i);
}

void MessageTable::give_place(Place place) {
    const Place number = place / kChunk;
    auto& chunk = chunks_[number];
    chunk->used.reset(place % kChunk);
    open_.insert(number);
    if (number != 0 && chunk->used.none()) chunk.reset();
}

}  // namespace posthorn::delivery
