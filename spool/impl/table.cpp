#include "spool/impl/table.hpp"

namespace posthorn::spool {
namespace {
constexpr std::size_t kFirst = 64;
}

std::size_t Table::home(const base::Ulid& id) const {
    // A stranger may choose ids (the drop folder's derive from names): mix, so that one cannot choose the slot alone.
    auto h = static_cast<std::uint64_t>(std::hash<base::Ulid>{}(id));
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15;
    return static_cast<std::size_t>(h >> 20) & (slots_.size() - 1);
}

Entry* Table::find(const base::Ulid& id) {
    if (slots_.empty()) return nullptr;
    for (auto at = home(id); slots_[at].used != 0; at = (at + 1) & (slots_.size() - 1)) {
        if (slots_[at].id == id) return &slots_[at];
    }
    return nullptr;
}

Entry& Table::insert(const Entry& entry) {
    if ((size_ + 1) * 8 > slots_.size() * 7) grow();
    auto at = home(entry.id);
    while (slots_[at].used != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = entry;
    slots_[at].used = 1;
    ++size_;
    return slots_[at];
}

bool Table::erase(const base::Ulid& id) {
    Entry* entry = find(id);
    if (entry == nullptr) return false;
    const auto mask = slots_.size() - 1;
    auto hole = static_cast<std::size_t>(entry - slots_.data());
    // Close the gap: what probed past it moves back.
    for (auto at = (hole + 1) & mask; slots_[at].used != 0; at = (at + 1) & mask) {
        const auto wanted = home(slots_[at].id);
        if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
        slots_[hole] = slots_[at];
        hole = at;
    }
    slots_[hole] = Entry{};
    --size_;
    return true;
}

void Table::grow() {
    std::vector<Entry> old(slots_.empty() ? kFirst : slots_.size() * 2);
    old.swap(slots_);
    size_ = 0;
    for (const auto& entry : old) {
        if (entry.used != 0) insert(entry);
    }
}

}  // namespace posthorn::spool
