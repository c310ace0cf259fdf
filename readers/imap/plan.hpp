// What a FETCH needs of each message, before any is looked at.
#pragma once

#include <vector>

#include "proto/imap/command.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {

struct Session::Plan {
    std::vector<FetchItem> items;
    bool summaries = false;  // something cannot be said without the message's structure
    bool bodies = false;     // nor without its octets
    bool seen = false;       // an item sets \Seen (RFC 9051 §6.4.5)
    store::ModSeq changed_since = 0;

    bool names(FetchItem::Kind kind) const {
        for (const auto& item : items) {
            if (item.kind == kind) return true;
        }
        return false;
    }
};

}  // namespace posthorn::imap
