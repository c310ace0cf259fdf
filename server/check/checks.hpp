// What is looked at when somebody asks whether this server can work: each check alone, and none changes anything.
// Blocking.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/disk.hpp"
#include "net/dns.hpp"
#include "net/loop.hpp"
#include "net/tls.hpp"
#include "server/check/findings.hpp"
#include "server/config/config.hpp"
#include "server/folders.hpp"

namespace posthorn::server {

// Where a server that runs now listens, from its listeners.json; nothing: none answers on the control socket.
std::optional<std::vector<std::string>> running_endpoints(const Config& config);

// `running`: its endpoints are its own, whoever else wants them is at fault.
std::vector<Finding> check_ports(const Config& config, const std::optional<std::vector<std::string>>& running);

// `info`: of the configured certificate, or of the one we made ourselves.
std::vector<Finding> check_certificate(const Config& config, const base::Result<net::CertificateInfo>& info,
                                       base::WallTime now);

// Space, what the filesystem keeps, and how long a small durable write takes.
std::vector<Finding> check_disk(const Config& config, base::Disk& disk, const base::Clock& clock);

// What the kernel says of its clock.
struct ClockState {
    base::WallTime now;
    bool known = false;
    bool synchronised = false;
    base::Duration error{};  // the largest it may be off
};
ClockState clock_state();
std::vector<Finding> check_clock(const ClockState& state);

// Names as the resolver finds them.
net::Task<std::vector<Finding>> look_up(net::Loop& loop, net::Resolver& resolver, std::string hostname,
                                        std::vector<std::string> domains);
// `own`: our domains.
std::vector<Finding> check_dns(const Config& config, std::vector<std::string> own);

std::vector<Finding> check_permissions(const Config& config, const std::optional<Identity>& identity);

// Domains that are ours by this configuration and its directory (`local`), and can be looked up; sorted.
std::vector<std::string> own_domains(const Config& config, std::vector<std::string> local);

}  // namespace posthorn::server
