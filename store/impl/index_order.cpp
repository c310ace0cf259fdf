// Counters that never go back: store/high_water.hpp says why. docs/store.md has the argument in full.
#include <algorithm>

#include "base/log.hpp"
#include "store/impl/index.hpp"

namespace posthorn::store {

using base::sqlite::Transaction;

namespace {

constexpr ModSeq kHeadroom = 32'768;  // that one turn of an account may use
constexpr ModSeq kBlock = 65'536;     // that is reserved at once
constexpr UidValidity kValidityHeadroom = 65'536;
constexpr UidValidity kValidityBlock = 131'072;

UidValidity seconds(const base::Clock& clock) {
    return static_cast<UidValidity>(std::max<std::int64_t>(base::to_ms(clock.wall()) / 1000, 1));
}

}  // namespace

UidValidity Index::next_validity() {
    counters_.uid_validity = std::max(seconds(clock_), counters_.uid_validity + 1);
    return counters_.uid_validity;
}

base::Result<void> Index::put_into_order(const Mark& mark, ModSeq last, bool made) {
    const bool old = behind(mark, last);
    if (!old && counters_.clean) return {};
    const auto ahead = std::max({counters_.reserved, counters_.modseq, mark.modseq, last});
    const auto skipped = ahead - counters_.modseq;
    Transaction all(*db_);
    // What was given after this copy was taken may be any of these: nobody gets them again.
    counters_.modseq = counters_.reserved = ahead;
    counters_.next_id += skipped;
    counters_.clean = true;
    if (old) {
        counters_.uid_validity = std::max(counters_.uid_validity, mark.uid_validity);
        const auto validity = next_validity();
        counters_.trimmed = ahead;
        db_->run("UPDATE mailbox SET uid_validity = ?, modseq = ?", validity, ahead);
        db_->run("DELETE FROM change");
        if (!made)
            base::log::warning("store.old_copy",
                               {{"account", account_.text()},
                                {"uid_validity", validity},
                                {"msg", "the index is an older copy: clients read their mailboxes anew"}});
    } else {
        db_->run("UPDATE mailbox SET uid_next = min(uid_next + ?, 4294967295)", skipped);
    }
    write_counters();
    return all.commit();
}

void Index::skip_ids(ModSeq used) {
    if (used > counters_.modseq) counters_.next_id += used - counters_.modseq;
}

base::Result<std::optional<Mark>> Index::reserve(std::uint64_t count, bool fresh) {
    const auto need = counters_.modseq + count + kHeadroom;
    const auto validity = std::max(seconds(clock_), counters_.uid_validity) + kValidityHeadroom;
    if (!fresh && need <= counters_.reserved && validity <= counters_.reserved_validity) return std::nullopt;
    const auto before = counters_;
    counters_.reserved = need + kBlock;
    counters_.reserved_validity = validity + kValidityBlock;
    counters_.clean = false;
    Transaction all(*db_);
    write_counters();
    if (auto done = all.commit(); !done) {
        counters_ = written_ = before;
        return std::unexpected(done.error());
    }
    return Mark{counters_.reserved, counters_.reserved_validity};
}

base::Result<void> Index::close_clean() {
    if (counters_.clean) return {};
    counters_.clean = true;
    Transaction all(*db_);
    write_counters();
    return all.commit();
}

std::uint64_t Index::all_memberships() {
    return static_cast<std::uint64_t>(db_->value("SELECT sum(messages) FROM mailbox"));
}

}  // namespace posthorn::store
