// Which domains are ours, read by whoever is not the server (`posthornd --check`): no service, no loop, nothing is changed.
#pragma once

#include <string>
#include <vector>

#include "auth/config.hpp"
#include "base/result.hpp"

namespace posthorn::auth {

// Of all configured backends, sorted. An embedded directory that is not there yet has none. Blocking; a server may run
// meanwhile. Errors: a directory or file that cannot be read or understood.
base::Result<std::vector<std::string>> read_local_domains(const Config& config);

}  // namespace posthorn::auth
