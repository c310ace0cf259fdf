// Dates as mail writes them.
#pragma once

#include <string>

#include "base/clock.hpp"

namespace posthorn::mail {

// RFC 5322 §3.3, in UTC: "Sat, 21 Nov 2026 08:30:11 +0000".
std::string date_text(base::WallTime at);

}  // namespace posthorn::mail
