// The keys that [imap] and [pop3] both have.
#pragma once

#include "base/config/table.hpp"
#include "readers/common/config.hpp"

namespace posthorn::readers {

// `errors`: what "max_errors" counts; `idle`: what the protocol's RFC asks for.
base::config::Table<Limits> limits_table(const std::string& errors, const std::string& idle);

}  // namespace posthorn::readers
