// IMAP URLs (RFC 5092) as CATENATE names parts of messages by them (RFC 4469 §3). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/imap/fetch_item.hpp"

namespace posthorn::imap {

struct MessageUrl {
    std::optional<std::string> host;  // of an absolute one, without its port
    std::string user;                 // so too; empty: none is named
    std::string mailbox;              // UTF-8; empty: the selected one
    std::uint32_t uid_validity = 0;   // 0: none is named
    std::uint32_t uid = 0;
    Section section;
    std::optional<std::uint64_t> offset;  // of PARTIAL,
    std::optional<std::uint64_t> count;   // which may go on to the end
};

// Nothing: it is no URL of a message.
std::optional<MessageUrl> parse_message_url(std::string_view text);

}  // namespace posthorn::imap
