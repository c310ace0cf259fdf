// What FETCH asks for (RFC 9051 §6.4.5), as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace posthorn::imap {

// "BODY[1.2.HEADER.FIELDS (A B)]" without its octets.
struct Section {
    enum class What : std::uint8_t { all, header, header_fields, header_fields_not, text, mime };
    std::vector<std::uint32_t> part;
    What what = What::all;
    std::vector<std::string> fields;  // as written
    bool operator==(const Section&) const = default;
};

// "<offset.count>"
struct Partial {
    std::uint64_t offset = 0;
    std::uint64_t count = 0;
    bool operator==(const Partial&) const = default;
};

struct FetchItem {
    enum class Kind : std::uint8_t {
        flags,
        uid,
        internal_date,
        rfc822_size,
        envelope,
        body,  // BODY: the structure without extension data
        body_structure,
        section,        // BODY[...] and BODY.PEEK[...]
        rfc822,         // RFC 3501 §6.4.5: BODY[]
        rfc822_header,  // BODY.PEEK[HEADER]
        rfc822_text,    // BODY[TEXT]
        binary,         // BINARY[...] and BINARY.PEEK[...]
        binary_size,    // BINARY.SIZE[...]
        modseq,         // RFC 7162
        preview,        // RFC 8970
        save_date,      // RFC 8514
        email_id,       // RFC 8474
        thread_id,
    };
    Kind kind = Kind::flags;
    bool peek = false;  // of section and binary: \Seen stays as it is
    bool lazy = false;  // of preview
    Section section;
    std::optional<Partial> partial;
    bool operator==(const FetchItem&) const = default;
};

}  // namespace posthorn::imap
