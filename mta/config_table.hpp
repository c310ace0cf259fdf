// The keys of [smtp] and [submission].
#pragma once

#include "base/config/table.hpp"
#include "mta/config.hpp"

namespace posthorn::mta {

base::config::Table<SmtpConfig> smtp_config_table();
base::config::Table<SubmissionConfig> submission_config_table();

}  // namespace posthorn::mta
