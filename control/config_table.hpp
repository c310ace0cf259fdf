// The keys of [control].
#pragma once

#include "base/config/table.hpp"
#include "control/config.hpp"

namespace posthorn::control {

base::config::Table<Config> config_table();

}  // namespace posthorn::control
