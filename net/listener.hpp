// Listening sockets: bound first (while privileged), accepting later.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/stream.hpp"

namespace posthorn::net {

class Listener {
public:
    virtual ~Listener() = default;              // closes; a Unix socket's path is unlinked
    virtual const Endpoint& local() const = 0;  // with the port the OS chose when 0 was asked

    // Starts accepting; each connection is handed, on the loop it will live on, to `on_accept` as a stream.
    // Connections are spread over all loops of `loops`. Transient accept errors (EMFILE ...) are logged and
    // retried after a pause; they never end the listener.
    using OnAccept = std::function<void(Loop& loop, std::unique_ptr<Stream> stream)>;
    virtual void start(LoopGroup& loops, OnAccept on_accept) = 0;
    virtual void stop() = 0;  // no further accepts; any thread; idempotent
    virtual bool accepting() const = 0;
};

struct ListenOptions {
    bool reuse_port = false;
    int backlog = 1024;
    unsigned unix_mode = 0600;  // of a Unix socket's path; set before anyone can connect
    std::string unix_group;     // empty: unchanged
};

// A stale Unix socket (nobody answers) is removed; a live one is an error.
base::Result<std::unique_ptr<Listener>> bind_listener(Endpoint at, ListenOptions options = {});

// Uid, gid and pid of a Unix peer (SO_PEERCRED) and the groups it is in beside (SO_PEERGROUPS), as they were when it
// connected; nothing for other streams.
struct PeerCredentials {
    unsigned uid = 0;
    unsigned gid = 0;
    int pid = 0;
    std::vector<unsigned> groups;  // without `gid`, or with it: as the kernel tells
};
std::optional<PeerCredentials> peer_credentials(const Stream& stream);

}  // namespace posthorn::net
