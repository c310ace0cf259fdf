// The token that is shown to the server, and new ones.
#pragma once

#include <string>

#include "base/result.hpp"
#include "control/protocol/value.hpp"

namespace posthorn::ctl {

// That of --token, else what the file of --token-file holds, else MAILCTL_TOKEN's; empty: none.
base::Result<std::string> find_token(const std::string& token, const std::string& file);

// `mailctl token new`: a token nobody can guess, and what goes into the server's configuration.
control::Value new_token();

}  // namespace posthorn::ctl
