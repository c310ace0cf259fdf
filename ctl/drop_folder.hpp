// Puts a message into the spool's drop folder (docs/spool.md): one file, an envelope and then the body, made visible
// by rename when it is durable. The server takes it in at once if it runs, else at its next start.
#pragma once

#include <cstdio>
#include <string>

#include "base/result.hpp"
#include "mail/envelope.hpp"

namespace posthorn::ctl {

// `body` is read from its beginning to its end. Durable when it returns.
base::Result<void> drop(const std::string& folder, const mail::Envelope& envelope, std::string_view header,
                        std::FILE* body);

}  // namespace posthorn::ctl
