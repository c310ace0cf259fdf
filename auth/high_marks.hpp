// How far each account's UIDs and change numbers may have gone, kept apart from the account's own files: what server/
// makes store's high-water port of. Blocks; any thread.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "mail/account.hpp"

namespace posthorn::auth {

struct HighMark {
    std::uint64_t modseq = 0;
    std::uint32_t uid_validity = 0;
    bool operator==(const HighMark&) const = default;
};

class HighMarks {
public:
    virtual ~HighMarks() = default;
    // Zeros: nothing is known of this account.
    virtual base::Result<HighMark> mark(const mail::AccountName& account) = 0;
    // Raises both to at least `mark`, durably. An account that is removed keeps its mark: it may be made again.
    virtual base::Result<void> raise_mark(const mail::AccountName& account, HighMark mark) = 0;
};

}  // namespace posthorn::auth
