// Holds a search program against one message, asking for no more of it than it needs: three-valued, so that what the flags
// decide is never read from the disk. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "mail/summary.hpp"
#include "proto/imap/mailbox_view.hpp"
#include "proto/imap/search_key.hpp"
#include "store/values.hpp"

namespace posthorn::imap {

enum class Answer : std::uint8_t { no, yes, unknown };

struct Known {
    std::uint32_t uid = 0;
    std::uint32_t number = 0;
    const MailboxView* view = nullptr;
    const store::Keywords* keywords = nullptr;
    const NumberSet* saved = nullptr;          // "$", UIDs
    std::int64_t now = 0;                      // milliseconds since 1970
    const store::Message* message = nullptr;   // null: not looked at yet
    const mail::Summary* summary = nullptr;    // so too
    const std::vector<bool>* texts = nullptr;  // keys about text, in the order they stand in the program; so too
};

// `texts_seen` counts keys about text in the order they are met: 0 at the beginning.
Answer match(const SearchKey& key, const Known& known, std::size_t& texts_seen);
// It is about text: BODY, TEXT, a header field.
bool is_text(const SearchKey& key);
// The program, or a part of it, is about more than texts and the numbers of messages.
bool wants_entry(const SearchKey& key);

}  // namespace posthorn::imap
