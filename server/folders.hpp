// The server's folders and small files, and whom they belong to.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/address.hpp"
#include "server/config/config.hpp"

namespace posthorn::server {

// Whom we become after the listeners are bound.
struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string user;
    bool operator==(const Identity&) const = default;
};

// Nothing when no change is wanted ([server] user is empty, or is who we are already). Refuses a user that does not
// exist, and a change that we may not make.
base::Result<std::optional<Identity>> wanted_identity(const ServerSection& server);
// For good.
base::Result<void> become(const Identity& identity);

// Makes data_dir, spool_dir and runtime_dir where they are missing, with their parents, and gives them to
// `owner`. What is there already keeps its mode, and what is the owner's already its group.
base::Result<void> make_folders(const ServerSection& server, const std::optional<Identity>& owner);

// listeners.json: where we really listen, for whoever asked for port 0.
struct Bound {
    std::string protocol;  // "smtp", "health", "control"
    net::Endpoint at;
};
base::Result<void> write_listeners(const std::string& path, const std::vector<Bound>& listeners);

// uids of names or numbers; the error names the one that is neither.
base::Result<std::vector<unsigned>> user_ids(const std::vector<std::string>& names);
base::Result<std::vector<unsigned>> group_ids(const std::vector<std::string>& names);  // the same of gids

// Empty: nobody has that number.
std::string user_name(unsigned uid);

}  // namespace posthorn::server
