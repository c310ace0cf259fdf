// What search asks the index.
#include <algorithm>

#include "store/impl/index.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

base::Result<std::vector<Wanted>> Index::members(UidScope scope, const UidSet& uids, std::size_t limit) {
    if (auto box = mailbox(scope); !box) return std::unexpected(box.error());
    std::vector<Wanted> out;
    for (const auto& range : uids.ranges()) {
        if (range.first > UINT32_MAX || out.size() >= limit) break;
        auto found = db_->query(
            "SELECT uid, email, size FROM membership WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT "
            "?",
            scope.mailbox, range.first, std::min<std::uint64_t>(range.last, UINT32_MAX), limit - out.size());
        while (found.next()) out.push_back({found.uinteger(0), found.uinteger(1), found.uinteger(2)});
    }
    return out;
}

std::vector<Wanted> Index::living(const IdSet& emails, std::size_t limit) {
    std::vector<Wanted> out;
    for (const auto& range : emails.ranges()) {
        if (range.first > INT64_MAX || out.size() >= limit) break;
        auto found =
            db_->query("SELECT id, size FROM email WHERE id BETWEEN ? AND ? AND refs > 0 ORDER BY id LIMIT ?",
                       range.first, std::min<std::uint64_t>(range.last, INT64_MAX), limit - out.size());
        while (found.next()) out.push_back({found.uinteger(0), found.uinteger(0), found.uinteger(1)});
    }
    return out;
}

}  // namespace posthorn::store
