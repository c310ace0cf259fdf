// The folders of the store and their version.
#pragma once

#include <string>
#include <vector>

#include "base/disk.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "mail/account.hpp"
#include "store/config.hpp"

namespace posthorn::store {

inline constexpr int kLayoutVersion = 1;

// Makes the data folder and its version file where there is none, and empties the staging folder. A folder of another
// version or backend, or with content but no version, is refused: a permanent error that says what to do.
base::Result<void> prepare_layout(base::Disk& disk, const std::string& directory, BackendKind backend);

// Domain folder 0750, account folder 0700, durable; success when they are there.
base::Result<void> make_account_folder(base::Disk& disk, const std::string& directory,
                                       const mail::AccountName& name);

// Accounts that have a folder, sorted.
base::Result<std::vector<mail::AccountName>> list_accounts(base::Disk& disk, const std::string& directory);

// `fresh`, a whole and synced folder of the staging folder, takes the place of the account's, whatever happens meanwhile:
// afterwards, or after a crash and the next prepare_layout(), the account is there as it was or as it is to be. Answers
// where what it had is now, in the staging folder.
base::Result<std::string> put_account_in_place(base::Disk& disk, const std::string& directory,
                                               const mail::AccountName& name, const std::string& fresh);

// Keeps others from a store's files while it lives. EBUSY: somebody else has them.
base::Result<base::Fd> lock_store(const std::string& directory);

}  // namespace posthorn::store
