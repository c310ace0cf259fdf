// Mailbox names of RFC 3501 clients.
#pragma once

#include "mail/utf7.hpp"

namespace posthorn::imap {

inline std::string encode_utf7(std::string_view utf8) { return mail::encode_utf7(utf8); }
inline std::optional<std::string> decode_utf7(std::string_view text) { return mail::decode_utf7(text); }

}  // namespace posthorn::imap
