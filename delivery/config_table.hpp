// The keys of [delivery] and [dsn].
#pragma once

#include "base/config/table.hpp"
#include "delivery/config.hpp"

namespace posthorn::delivery {

base::config::Table<Config> config_table();      // [delivery]
base::config::Table<Config> dsn_config_table();  // [dsn]

}  // namespace posthorn::delivery
