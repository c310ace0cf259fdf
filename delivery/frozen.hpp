// What an operator has frozen beyond single messages: whole domains, or everything. Survives a restart in a small
// file of its own; single messages are frozen in the queue's state.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/disk.hpp"
#include "base/result.hpp"

namespace posthorn::delivery {

struct Frozen {
    bool everything = false;
    std::set<std::string, std::less<>> domains;  // domain_key()s
    bool covers(std::string_view domain) const {
        return everything || (!domains.empty() && domains.contains(domain));
    }
    bool operator==(const Frozen&) const = default;
};
using FrozenPtr = std::shared_ptr<const Frozen>;

// `directory`/frozen: a line "posthorn-frozen 1", then "everything" or "domain NAME" a line. Blocking.
// No file: nothing is frozen. A file that cannot be understood is an error: mail that was frozen must not leave.
base::Result<Frozen> read_frozen(base::Disk& disk, const std::string& directory);
// Durable when it returns.
base::Result<void> write_frozen(base::Disk& disk, const std::string& directory, const Frozen& frozen);

}  // namespace posthorn::delivery
