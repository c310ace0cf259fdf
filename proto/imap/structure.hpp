// ENVELOPE, BODY and BODYSTRUCTURE of a message, from its summary (RFC 9051 §7.5.2). Whatever mail holds, what comes out
// is a well-formed response.
#pragma once

#include <string>

#include "mail/summary.hpp"

namespace posthorn::imap {

void put_envelope(std::string& out, const mail::MessageEnvelope& envelope, bool utf8);
// `extended`: BODYSTRUCTURE, else BODY.
void put_structure(std::string& out, const mail::Summary& summary, bool extended, bool utf8);

}  // namespace posthorn::imap
