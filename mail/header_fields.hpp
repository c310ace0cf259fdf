// A header section cut into its fields (RFC 5322 §2.2). Pure; views into what was given.
#pragma once

#include <string_view>
#include <vector>

namespace posthorn::mail {

// The line at the front, its CRLF included.
std::string_view first_line(std::string_view text);

// Whether a line goes on with the field before it (RFC 5322 §2.2.3).
inline bool continues_field(std::string_view line) { return line.starts_with(' ') || line.starts_with('\t'); }

// RFC 5322 §3.6.8: printable ASCII but the colon. "" when the line begins no field.
std::string_view field_name(std::string_view line);

struct FieldText {
    std::string_view name;   // "" for what is no field
    std::string_view whole;  // with folded lines and final CRLF
    std::string_view body() const { return whole.substr(whole.find(':') + 1); }
};

// `header`: CRLF lines, without the empty one.
std::vector<FieldText> fields_of(std::string_view header);

// Without spaces and line ends around it.
std::string_view trimmed(std::string_view text);

}  // namespace posthorn::mail
