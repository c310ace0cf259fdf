// How values stand in a response (RFC 9051 §9): each function appends to `out`, no more and no less than its token.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "proto/imap/command.hpp"
#include "proto/imap/number_set.hpp"

namespace posthorn::imap {

void put_number(std::string& out, std::uint64_t number);
// Quoted where it can be, else a literal. `utf8`: the client takes UTF-8 in quoted strings (RFC 9051, RFC 6855).
// NUL, which neither may hold, becomes 0x80.
void put_string(std::string& out, std::string_view text, bool utf8);
void put_nstring(std::string& out, std::string_view text, bool utf8);  // NIL for ""
void put_astring(std::string& out, std::string_view text, bool utf8);
// A mailbox's name, which is UTF-8: as it is, or in modified UTF-7.
void put_mailbox(std::string& out, std::string_view name, bool utf8);
// Bits of flags.hpp, then `keywords` from the sixth bit on.
void put_flags(std::string& out, std::uint64_t flags, std::span<const std::string> keywords);
// Milliseconds since 1970 as " 7-Feb-1994 05:52:25 +0000", in quotes.
void put_date_time(std::string& out, std::int64_t ms);
// What a text for people may not hold becomes a space (resp-text, RFC 9051 §9).
void put_text(std::string& out, std::string_view text);

// "* ESEARCH (TAG "a") UID MIN 1 ..." with its line end (RFC 4731 §3.1); `found` in the order asked for: numbers or
// UIDs. `modseq` 0: none is told.
void put_esearch(std::string& out, std::string_view tag, bool uid, const Results& results, const NumberSet& found,
                 std::uint64_t modseq);
// Those of `found` a PARTIAL asks for (RFC 9394 §3.1).
NumberSet slice(const NumberSet& found, std::pair<std::int64_t, std::int64_t> partial);
// The same of a sorted list of `size`: from, and behind the last.
std::pair<std::size_t, std::size_t> slice(std::size_t size, std::pair<std::int64_t, std::int64_t> partial);
// As put_esearch(), of numbers in the order SORT gave them: MIN is the first, MAX the last (RFC 5267 §3).
void put_esort(std::string& out, std::string_view tag, bool uid, const Results& results,
               std::span<const std::uint32_t> found, std::uint64_t modseq);

}  // namespace posthorn::imap
