// What a message made by one of our own users or programs gets before it enters the queue. Pure.
#pragma once

#include <string>
#include <string_view>

#include "mail/envelope.hpp"

namespace posthorn::policy {

// Of a message that a local user dropped: a Received field of ours that names the user by uid (the name would tell
// the world who has accounts), and the Date and Message-ID that a message must have (RFC 6409 §8.2, §8.3) where its
// header, CRLF lines, lacks them. All go into envelope.trace_headers.
void complete_dropped(mail::Envelope& envelope, unsigned uid, std::string_view header, std::string_view hostname);

// Of a message that one of our users submitted, behind the Received field that is there already: the same two fields
// where they are missing.
void complete_submitted(mail::Envelope& envelope, bool has_date, bool has_message_id, std::string_view hostname);

}  // namespace posthorn::policy
