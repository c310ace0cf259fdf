// What this build calls itself.
#pragma once

#include <string_view>

namespace posthorn::base {

std::string_view version();  // "0.1.0"

}  // namespace posthorn::base
