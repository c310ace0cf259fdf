// `posthorn-sendmail -bs`: SMTP on standard input and output, spoken by the running server.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace posthorn::ctl {

// Finds the server's SMTP listener in listeners.json of the first of `runtime_dirs` where it answers, and passes bytes
// both ways until both sides have ended. A temporary error: the server is not there.
base::Result<void> relay_smtp(const std::vector<std::string>& runtime_dirs, int input, int output);

}  // namespace posthorn::ctl
