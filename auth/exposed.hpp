// Which backends speak with their server where others may listen.
#pragma once

#include <string>
#include <vector>

#include "auth/config.hpp"

namespace posthorn::auth {

// Of the backends in use: for each that asks another machine without TLS, or without TLS that is sure, a sentence for the
// operator.
std::vector<std::string> exposed_backends(const Config& config);

}  // namespace posthorn::auth
