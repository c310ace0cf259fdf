// What [control] says: where the control socket is and who may use it.
#pragma once

#include <string>
#include <vector>

namespace posthorn::control {

struct Config {
    std::string socket;  // path; empty: control.sock in server.runtime_dir
    unsigned mode = 0600;
    std::string group;                     // of the socket; empty: unchanged
    std::vector<std::string> write_users;  // names or uids, besides root and our own
    std::vector<std::string> read_users;
    bool operator==(const Config&) const = default;
};

}  // namespace posthorn::control
