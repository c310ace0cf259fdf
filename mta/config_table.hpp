// The keys of [smtp].
#pragma once

#include "base/config/table.hpp"
#include "mta/config.hpp"

namespace posthorn::mta {

base::config::Table<SmtpConfig> smtp_config_table();

}  // namespace posthorn::mta
