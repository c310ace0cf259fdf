// The keys of [pop3].
#pragma once

#include "base/config/table.hpp"
#include "readers/pop3/config.hpp"

namespace posthorn::pop3 {

base::config::Table<Pop3Config> pop3_config_table();

}  // namespace posthorn::pop3
