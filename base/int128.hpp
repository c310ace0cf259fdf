// The compiler's 128-bit integer under a name that -Wpedantic lets pass.
#pragma once

namespace posthorn::base {

__extension__ using uint128 = unsigned __int128;

}  // namespace posthorn::base
