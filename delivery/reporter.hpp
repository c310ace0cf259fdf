// The one place where what became of a recipient is told: to events and metrics, after it is durable.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "delivery/shared.hpp"
#include "delivery/trail.hpp"
#include "mail/envelope.hpp"
#include "mail/outcome.hpp"

namespace posthorn::delivery {

// One recipient in one attempt, or at its end without one.
struct RecipientReport {
    std::uint32_t index = 0;
    mail::RecipientState state;  // as recorded; `last` is the outcome
    bool attempted = true;       // false: expired or removed between attempts
    base::WallTime entered{};    // of an attempt: when it was handed to the destination,
    base::WallTime started{};    // when a worker took it
    base::Duration connecting{};
    base::Duration transmitting{};
    std::uint64_t bytes = 0;
    std::shared_ptr<const std::vector<std::string>> dialogue;
    TrailPtr trail;
    bool tells_trail = false;                                // of the attempt's recipients one does
    std::vector<std::pair<std::string, std::string>> where;  // of one of ours: account, mailbox; what goes on
};

// `envelope` may be null when it could not be read: then addresses are missing.
void report_recipient(Shared& shared, const base::Ulid& id, const mail::Envelope* envelope, std::string_view domain,
                      base::WallTime now, const RecipientReport& report);

void report_done(Shared& shared, const base::Ulid& id, base::WallTime arrival, base::WallTime now);

enum class DsnKind : std::uint8_t { failure, delay, success };
void report_dsn(Shared& shared, const base::Ulid& parent, const mail::Envelope& dsn, DsnKind kind,
                base::WallTime now);

// An event about the message as a whole.
void report_message(Shared& shared, mail::EventKind kind, const base::Ulid& id, base::WallTime now,
                    std::string text);

}  // namespace posthorn::delivery
