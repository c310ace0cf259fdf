// Mailbox names of RFC 3501 clients: modified UTF-7 (RFC 3501 §5.1.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::imap {

// Of valid UTF-8.
std::string encode_utf7(std::string_view utf8);
// Nothing: not modified UTF-7. A name that holds octets beyond ASCII and is valid UTF-8 is taken as it is: clients
// send both.
std::optional<std::string> decode_utf7(std::string_view text);

}  // namespace posthorn::imap
