// What Store::search() is asked, and answers. Values.
//
// A key is a substring by the collation i;unicode-casemap, white space in runs counted as one space (RFC 9051 §6.4.4
// leaves servers that freedom), in text that is decoded from its transfer encoding and charset; HTML without its markup.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/uid_set.hpp"

namespace posthorn::store {

struct TextKey {
    enum class Where : std::uint8_t {
        text,   // header fields of the message, and what `body` has
        body,   // text parts, and header fields of what is inside the message
        field,  // `field`, one of them; an empty needle: the field is there
    };
    Where where = Where::text;
    std::string field{};   // name, in any case
    std::string needle{};  // UTF-8
    bool words = false;    // each of its words, in any order, instead of the whole (RFC 6203)
};
using TextQuery = std::vector<TextKey>;

struct TextAnswer {
    // By key: the messages it holds of. One whose bytes cannot be read matches nothing.
    std::vector<IdSet> found;
    IdSet rest;  // was not looked at: to be asked for again. A call does a bounded piece of work.
};

}  // namespace posthorn::store
