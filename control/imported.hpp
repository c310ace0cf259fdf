// A message that comes from a file: its header read, and its envelope found. Pure.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/address.hpp"
#include "mail/envelope.hpp"

namespace posthorn::control {

// The fields that queue.export puts before the message, so that the file holds all that delivery needs: the sender as
// RFC 5321 §4.4 has it, and each recipient that is still to be served.
inline constexpr std::string_view kSenderField = "Return-Path";
inline constexpr std::string_view kRecipientField = "X-Posthorn-Recipient";
std::string envelope_fields(const mail::Envelope& envelope, const std::vector<std::size_t>& recipients);

struct Imported {
    std::string header;  // as it goes in: CRLF lines, no empty line
    mail::Address sender;
    std::vector<mail::Address> recipients;  // each once, at least one
    std::string message_id;
    bool utf8 = false;  // holds what needs SMTPUTF8
};

// What was asked for goes before what the file says; empty: not asked for.
struct WantedEnvelope {
    std::string sender;  // "<>": the null reverse-path
    std::vector<std::string> recipients;
};

// The envelope is what was asked for, else what the fields above say, which must stand before all others and do not go
// in, else what the message itself says: Sender or From; To, Cc and Bcc, of which Bcc does not go in then. `domain`: of
// addresses that have none. The error is a sentence.
std::expected<Imported, std::string> read_imported(std::string_view header, const WantedEnvelope& wanted,
                                                   std::string_view domain);

}  // namespace posthorn::control
