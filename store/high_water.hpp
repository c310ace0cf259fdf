// Where the store writes down, outside of an account's own files, how far its counters may have gone: an index that
// opens below this is an old copy and must not give its UIDs again. server/ implements it over the directory.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "mail/account.hpp"

namespace posthorn::store {

struct Mark {
    std::uint64_t modseq = 0;
    std::uint32_t uid_validity = 0;  // the highest that was given
    bool operator==(const Mark&) const = default;
};

// Called on threads of the store, a few times in an account's day; may block. Any thread.
class HighWater {
public:
    virtual ~HighWater() = default;
    // Zeros: nothing is known of this account.
    virtual base::Result<Mark> get(const mail::AccountName& account) = 0;
    // Raises both to at least `mark`, durably.
    virtual base::Result<void> raise(const mail::AccountName& account, Mark mark) = 0;
};

}  // namespace posthorn::store
