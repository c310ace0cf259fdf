// Holds a search program against one message, asking for no more of it than it needs: three-valued, so that what the flags
// decide is never read from the disk. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mail/summary.hpp"
#include "proto/imap/mailbox_view.hpp"
#include "proto/imap/search_key.hpp"
#include "store/values.hpp"

namespace posthorn::imap {

enum class Answer : std::uint8_t { no, yes, unknown };

struct Known {
    const store::Message* message = nullptr;
    std::uint32_t number = 0;
    const MailboxView* view = nullptr;
    const store::Keywords* keywords = nullptr;
    const NumberSet* saved = nullptr;        // "$", UIDs
    std::int64_t now = 0;                    // milliseconds since 1970
    const mail::Summary* summary = nullptr;  // null: not looked at yet
    const std::string* header = nullptr;     // so too
    // Keys about text have been answered, in the order they stand in the program; null: not yet.
    const std::vector<bool>* texts = nullptr;
};

// `texts_seen` counts keys about text (BODY, TEXT) in the order they are met: 0 at the beginning.
Answer match(const SearchKey& key, const Known& known, std::size_t& texts_seen);
// The keys about text, in that order.
void collect_texts(const SearchKey& key, std::vector<const SearchKey*>& out);

// Case folded, as search compares it: ASCII and the letters of Latin, Greek and Cyrillic.
std::string fold_case(std::string_view utf8);
// Whether `needle` (folded) stands in a field's text, encoded words decoded.
bool field_has(std::string_view field, std::string_view needle);

}  // namespace posthorn::imap
