// Outcomes as the client side makes them: from a reply, or from what we saw ourselves.
#pragma once

#include <string>
#include <string_view>

#include "mail/outcome.hpp"
#include "proto/smtp/reply_parser.hpp"

namespace posthorn::smtp {

inline mail::Outcome outcome_of(const RemoteReply& reply, bool at_rcpt = false) {
    mail::Outcome outcome;
    if (reply.positive()) outcome.kind = mail::Outcome::Kind::delivered;
    if (reply.permanent()) outcome.kind = mail::Outcome::Kind::permanent;
    outcome.code = reply.code;
    outcome.status = status_of(reply, at_rcpt);
    outcome.text = reply.text();
    return outcome;
}

inline mail::Outcome temporary_outcome(std::string_view status, std::string text) {
    mail::Outcome outcome;
    outcome.status = status;
    outcome.text = std::move(text);
    return outcome;
}

}  // namespace posthorn::smtp
