// The keys of [control].
#pragma once

#include "base/config/table.hpp"
#include "control/config.hpp"

namespace posthorn::control {

inline base::config::Table<Config> config_table() {
    using namespace base::config;
    return Table<Config>("The socket that mailctl talks to.")
        .key("socket", &Config::socket, text(), "Its path; empty: control.sock in server.runtime_dir.")
        .key("mode", &Config::mode, base::config::mode(), "Its permissions.")
        .key("group", &Config::group, text(), "Its group; empty: ours.")
        .key("write_users", &Config::write_users, list(text()),
             "Users (names or uids) that may use every command, besides root and our own.")
        .key("read_users", &Config::read_users, list(text()), "Users that may look.");
}

}  // namespace posthorn::control
