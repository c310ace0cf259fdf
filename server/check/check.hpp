// `posthornd --check`: can a server work with this configuration on this machine? Whether one runs or not.
#pragma once

#include <vector>

#include "server/check/findings.hpp"
#include "server/options.hpp"

namespace posthorn::server {

// Reads the configuration itself. Main thread, before any other of ours.
std::vector<Finding> check_all(const Options& options);

}  // namespace posthorn::server
