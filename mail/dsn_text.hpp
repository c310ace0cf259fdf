// What a DSN says to a human who knows nothing of mail servers.
#pragma once

#include <string>
#include <string_view>

#include "mail/dsn.hpp"

namespace posthorn::mail {

// Why a delivery failed or waits, and what the sender can do; from the enhanced status code.
struct Explanation {
    std::string_view why;
    std::string_view advice;  // may be empty
};
Explanation explain(std::string_view status);

std::string dsn_subject(DsnAction action);

// The whole of the first part, CRLF line ends, lines of at most 78 columns but for what cannot be broken.
// `whole`: the message comes back, not its header alone.
std::string dsn_text(const DsnRequest& request, bool whole);

}  // namespace posthorn::mail
