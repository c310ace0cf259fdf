// Where in a message the octets of BODY[...] and BINARY[...] stand (RFC 9051 §6.4.5.1).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mail/summary.hpp"
#include "proto/imap/fetch_item.hpp"

namespace posthorn::imap {

struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool filter = false;  // it is a header, of which filter_header() gives what was asked for
    bool operator==(const Extent&) const = default;
};

// Nothing: there is no such part (NIL).
std::optional<Extent> locate(const mail::Summary& summary, const Section& section);
const mail::MimePart* find_part(const mail::Summary& summary, std::span<const std::uint32_t> numbers);

// Of a header (with the empty line at its end, or without) the fields that were asked for, or all others; then the empty
// line.
std::string filter_header(std::string_view header, const Section& section);

// "BODY[1.HEADER.FIELDS (DATE)]<0>" as the response names it (no count).
void put_section(std::string& out, std::string_view item, const Section& section,
                 const std::optional<Partial>& partial);

}  // namespace posthorn::imap
