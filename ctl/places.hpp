// Where a server on this machine may keep its folders: what posthorn-sendmail has to find without asking it.
#pragma once

#include <expected>
#include <string>
#include <vector>

namespace posthorn::ctl {

struct Places {
    std::string spool_dir;
    std::string runtime_dir;
};

// With `config` (-C) what that file says, or why it cannot be read. Without: in the order of trying the environment's
// POSTHORN_SPOOL_DIR and POSTHORN_RUNTIME_DIR alone if set, else what the system's configuration says, the system's
// defaults, the user's own. The environment and -C are not for a program with more rights than its caller.
std::expected<std::vector<Places>, std::string> find_places(const std::string& config);

}  // namespace posthorn::ctl
