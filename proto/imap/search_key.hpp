// A search program (RFC 9051 §6.4.4) as a tree of values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/imap/sequence_set.hpp"

namespace posthorn::imap {

struct SearchKey {
    enum class Kind : std::uint8_t {
        all,
        every,     // of `children`; none: all
        either,    // of two children
        negated,   // of one child
        sequence,  // `set`, message numbers
        uid,       // `set`
        flag,      // `number`: bits, all of them
        keyword,   // `text`
        recent,    // RFC 3501 §6.4.4: we keep no \Recent, nothing has it
        before,    // `number`: days since 1970, of the internal date
        on,
        since,
        sent_before,  // of the Date field
        sent_on,
        sent_since,
        saved_before,  // RFC 8514
        saved_on,
        saved_since,
        save_date_supported,
        older,  // RFC 5032: `number` seconds
        younger,
        larger,  // `number` octets
        smaller,
        header,  // `field`, `text`; an empty text: the field is there
        body,    // `text`
        text,
        modseq,    // `number`
        email_id,  // `text`
        thread_id,
    };
    Kind kind = Kind::all;
    bool fuzzy = false;  // RFC 6203
    std::uint64_t number = 0;
    std::string field;
    std::string text;
    SequenceSet set;
    std::vector<SearchKey> children;
    bool operator==(const SearchKey&) const = default;
};

}  // namespace posthorn::imap
