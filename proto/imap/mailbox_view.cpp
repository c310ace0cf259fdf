#include "proto/imap/mailbox_view.hpp"

#include <algorithm>
#include <stdexcept>

namespace posthorn::imap {

void MailboxView::reset(const NumberSet& uids) {
    runs_.clear();
    size_ = 0;
    arrived_ = {};
    vanished_ = {};
    highest_ = 0;
    add(uids);
    highest_ = largest_uid();
}

void MailboxView::add(const NumberSet& uids) {
    for (const auto& range : uids.ranges()) {
        const auto count = static_cast<std::uint32_t>(range.count());
        if (!runs_.empty() && runs_.back().uid + runs_.back().count == range.first) {
            runs_.back().count += count;
        } else {
            runs_.push_back({range.first, count, size_});
        }
        size_ += count;
    }
}

std::uint32_t MailboxView::uid_at(std::uint32_t number) const {
    if (number == 0 || number > size_) throw std::logic_error("imap view: no such message number");
    const auto at = std::upper_bound(runs_.begin(), runs_.end(), number - 1,
                                     [](std::uint32_t value, const Run& run) { return value < run.before; });
    const auto& run = *(at - 1);
    return run.uid + (number - 1 - run.before);
}

// The last run that begins at or before `uid`.
const MailboxView::Run* MailboxView::run_of_uid(std::uint32_t uid) const {
    const auto at = std::upper_bound(runs_.begin(), runs_.end(), uid,
                                     [](std::uint32_t value, const Run& run) { return value < run.uid; });
    return at == runs_.begin() ? nullptr : &*(at - 1);
}

std::uint32_t MailboxView::number_of(std::uint32_t uid) const {
    const auto* run = run_of_uid(uid);
    if (run == nullptr || uid - run->uid >= run->count) return 0;
    return run->before + (uid - run->uid) + 1;
}

NumberSet MailboxView::uids_of(const NumberSet& numbers) const {
    NumberSet out;
    auto run = runs_.begin();
    for (const auto& range : numbers.ranges()) {
        while (run != runs_.end() && run->before + run->count < range.first) ++run;
        for (auto at = run; at != runs_.end() && at->before < range.last; ++at) {
            const auto first = std::max(range.first, at->before + 1);
            const auto last = std::min(range.last, at->before + at->count);
            if (first <= last) out.add(at->uid + (first - at->before - 1), at->uid + (last - at->before - 1));
        }
    }
    return out;
}

NumberSet MailboxView::numbers_of(const NumberSet& uids) const {
    NumberSet out;
    auto run = runs_.begin();
    for (const auto& range : uids.ranges()) {
        while (run != runs_.end() && run->uid + (run->count - 1) < range.first) ++run;
        for (auto at = run; at != runs_.end() && at->uid <= range.last; ++at) {
            const auto first = std::max(range.first, at->uid);
            const auto last = std::min(range.last, at->uid + (at->count - 1));
            if (first <= last) out.add(at->before + 1 + (first - at->uid), at->before + 1 + (last - at->uid));
        }
    }
    return out;
}

NumberSet MailboxView::all() const {
    NumberSet out;
    for (const auto& run : runs_) out.add(run.uid, run.uid + (run.count - 1));
    return out;
}

void MailboxView::arrived(const NumberSet& uids) {
    // UIDs only rise (RFC 9051 §2.3.1.1): what is not behind the last one is known, or gone.
    for (const auto& range : uids.ranges()) {
        if (range.last <= highest_) continue;
        arrived_.add(std::max(range.first, highest_ + 1), range.last);
        highest_ = range.last;
    }
}

void MailboxView::vanished(const NumberSet& uids) {
    // What went before the client heard of it was never there.
    for (const auto& range : uids.ranges()) arrived_.remove(range.first, range.last);
    vanished_.add(there(uids));
}

MailboxView::Told MailboxView::tell(bool may_expunge) {
    Told told;
    if (may_expunge && !vanished_.empty()) {
        numbers_of(vanished_).for_each([&told](std::uint32_t number) { told.expunged.push_back(number); });
        std::ranges::reverse(told.expunged);
        auto left = all();
        for (const auto& range : vanished_.ranges()) left.remove(range.first, range.last);
        told.vanished = std::move(vanished_);
        vanished_ = {};
        runs_.clear();
        size_ = 0;
        add(left);
    }
    if (!arrived_.empty()) {
        add(arrived_);
        told.exists = true;
        told.arrived = std::move(arrived_);
        arrived_ = {};
    }
    return told;
}

}  // namespace posthorn::imap
