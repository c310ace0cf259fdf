// The keys of [imap].
#pragma once

#include "base/config/table.hpp"
#include "readers/imap/config.hpp"

namespace posthorn::imap {

base::config::Table<ImapConfig> imap_config_table();

}  // namespace posthorn::imap
