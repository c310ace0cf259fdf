// What a STATE says, in two forms: the whole of it as MessagePack for the record, and a short binary summary of what
// an owner is told at start-up, which is what the index of a sealed segment holds.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mail/envelope.hpp"
#include "mail/outcome.hpp"
#include "spool/queue.hpp"

namespace posthorn::spool {

struct Changes {
    std::vector<RecipientUpdate> recipients;
    std::optional<bool> frozen;
};

// MessagePack map: "r" array of [index, state], "z" frozen. Keys not known are skipped.
std::string encode_changes(std::span<const RecipientUpdate> recipients, std::optional<bool> frozen);
base::Result<Changes> decode_changes(std::string_view bytes);
// Onto what was before; an index beyond the recipients is ignored.
void apply(const Changes& changes, StoredMessage& message);

// Summaries stand one behind the other: that of the message, then those of its changes: a "trail".
std::string summarize(const mail::Envelope& envelope, std::uint64_t body_size);
std::string summarize(std::span<const RecipientUpdate> recipients, std::optional<bool> frozen);
// False: malformed. Sets everything but id, envelope and body.
bool apply_trail(std::string_view trail, QueuedMessage& message);

}  // namespace posthorn::spool
