// The work behind store/keeper.hpp, in an account's turn.
#pragma once

#include "store/impl/open_account.hpp"
#include "store/keeper.hpp"

namespace posthorn::store {

CheckReport check_account(OpenAccount& open, bool bodies);
base::Result<GarbageReport> collect_garbage(OpenAccount& open);
// Puts a copy of the index aside when the last is older than the interval.
base::Result<void> snapshot_index(OpenAccount& open);
base::Result<BackupReport> backup_account(OpenAccount& open, const std::string& folder);

// Of an account that is closed. `last`: the modseq it had.
base::Result<RepairReport> repair_account(const std::shared_ptr<Shared>& shared, const mail::AccountName& name,
                                          ModSeq last);
base::Result<BackupReport> restore_account(const std::shared_ptr<Shared>& shared, const mail::AccountName& name,
                                           const std::string& folder, ModSeq last);

// Counters and sums as the rows have them; true: something was otherwise. Emails found in no mailbox are expunged `now`.
bool count_anew(Index& index, base::WallTime now);

}  // namespace posthorn::store
