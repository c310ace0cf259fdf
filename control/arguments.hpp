// The arguments of queue commands as delivery understands them: one grammar of which messages are meant.
#pragma once

#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/protocol/value.hpp"
#include "delivery/operator.hpp"

namespace posthorn::control {

std::string_view text_arg(const Value& args, std::string_view name);
// In these limits by the table.
std::size_t limit_arg(const Value& args, std::size_t otherwise);
bool flag_arg(const Value& args, std::string_view name);

// What to look at: without ids and filters, all.
base::Result<delivery::Selector> selector(const Value& args, base::WallTime now);
// What to change: the same, but everything only where `all` says so. Errors are the asker's.
base::Result<delivery::Selector> target(const Value& args, base::WallTime now);
base::Result<delivery::ListQuery> list_query(const Value& args, base::WallTime now);

}  // namespace posthorn::control
