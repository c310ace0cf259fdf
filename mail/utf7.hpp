// Modified UTF-7 (RFC 3501 §5.1.3): names of mailboxes to older IMAP clients, and of a Maildir's folders.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::mail {

// Of valid UTF-8. `also`: printable characters that are not to stand for themselves.
std::string encode_utf7(std::string_view utf8, std::string_view also = {});
// Nothing: not modified UTF-7. A name that holds octets beyond ASCII and is valid UTF-8 is taken as it is: clients
// send both. `also`: printable characters that may be encoded.
std::optional<std::string> decode_utf7(std::string_view text, std::string_view also = {});

}  // namespace posthorn::mail
