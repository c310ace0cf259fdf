// What one session has been told of the mailbox it selected: which message number is which UID (RFC 9051 §2.3.1.2), and
// what it has yet to be told. Numbers change only when tell() says so to the client. Pure; 12 octets a run of UIDs.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/imap/number_set.hpp"

namespace posthorn::imap {

class MailboxView {
public:
    void reset(const NumberSet& uids);

    std::uint32_t size() const { return size_; }
    std::uint32_t largest_uid() const { return runs_.empty() ? 0 : runs_.back().uid + runs_.back().count - 1; }
    std::uint32_t uid_at(std::uint32_t number) const;   // 1 <= number <= size()
    std::uint32_t number_of(std::uint32_t uid) const;   // 0: it is not there
    NumberSet uids_of(const NumberSet& numbers) const;  // those there are
    NumberSet numbers_of(const NumberSet& uids) const;
    NumberSet all() const;  // UIDs
    NumberSet there(const NumberSet& uids) const { return uids_of(numbers_of(uids)); }

    // What came and went since. UIDs that are known or unknown already change nothing.
    void arrived(const NumberSet& uids);
    void vanished(const NumberSet& uids);
    bool has_news() const { return !arrived_.empty() || !vanished_.empty(); }
    // Gone, though the client has not been told: nothing can be had of them.
    const NumberSet& pending_vanished() const { return vanished_; }

    // What the client is to be told now, in this order; then the view is as the client has it.
    struct Told {
        std::vector<std::uint32_t> expunged;  // message numbers, falling: each holds when its turn comes
        NumberSet vanished;                   // the same as UIDs, for QRESYNC
        bool exists = false;                  // size() has grown
        NumberSet arrived;                    // UIDs
    };
    // `may_expunge`: RFC 9051 §7.5.1 allows numbers to change here (not in FETCH, STORE, SEARCH, nor between commands).
    Told tell(bool may_expunge);

private:
    struct Run {
        std::uint32_t uid = 0;     // the first
        std::uint32_t count = 0;   // without gaps
        std::uint32_t before = 0;  // messages before it
    };
    void add(const NumberSet& uids);
    const Run* run_of_uid(std::uint32_t uid) const;

    std::vector<Run> runs_;
    std::uint32_t size_ = 0;
    std::uint32_t highest_ = 0;  // UID ever heard of
    NumberSet arrived_;
    NumberSet vanished_;
};

}  // namespace posthorn::imap
