// The fields that say what a part is: Content-Type, Content-Disposition and their parameters (RFC 2045 §5, RFC 2183,
// RFC 2231). Lenient: spaces in unquoted values, stray semicolons, comments.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mail/summary.hpp"

namespace posthorn::mail {

struct ContentField {
    std::string value;  // "text/plain", "attachment"; lower case
    MimeParameters parameters;
};

// At most `max_parameters`; the rest is dropped.
ContentField parse_content_field(std::string_view field, std::size_t max_parameters = SummaryLimits::parameters);

// A parameter by name (lower case), as UTF-8: RFC 2231's continuations joined and decoded, encoded words too, which
// do not belong there (RFC 2047 §5) but are met all the time. Nothing: there is none.
std::optional<std::string> parameter(const MimeParameters& parameters, std::string_view name);

// The parameter as it stands, or "".
std::string_view raw_parameter(const MimeParameters& parameters, std::string_view name);

}  // namespace posthorn::mail
