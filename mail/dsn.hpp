// Delivery status notifications: which are owed (RFC 3461), and their text (RFC 3464, in UTF-8 RFC 6533).
// Pure functions: what the queue does with them is delivery's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/ulid.hpp"
#include "mail/envelope.hpp"
#include "mail/outcome.hpp"

namespace posthorn::mail {

// What became of a recipient, as far as its sender may want to know.
enum class DsnAction : std::uint8_t {
    failed,
    delayed,
    delivered,  // into a mailbox
    relayed,    // to a server that will not report success itself
    expanded,   // to a list or to several addresses
};

// Whether the sender is to be told. Never for the null reverse-path, so never about a DSN (RFC 3461 §6.1 (d)).
bool dsn_owed(const Address& reverse_path, const Recipient& recipient, DsnAction action);

struct DsnRecipient {
    Recipient recipient;
    DsnAction action = DsnAction::failed;
    Outcome outcome;       // of the last attempt
    bool expired = false;  // failed: not refused for good, but tried in vain for too long
};

// One DSN tells of any number of recipients of one message, all with actions of one kind: failed, or delayed, or
// the three that are success.
struct DsnRequest {
    const Envelope* parent = nullptr;
    std::vector<DsnRecipient> recipients;  // not empty
    base::Ulid id;                         // of the DSN: parent->id.child(n)
    base::WallTime now{};
    std::string reporting_mta;                  // our host name
    std::string postmaster;                     // the address that From names and humans may ask
    std::optional<base::WallTime> retry_until;  // delayed: when we shall give up
    std::uint64_t header_size = 0;              // of the parent's body: returned_header_size()
    std::uint64_t max_returned = std::uint64_t{1}
                                 << 20;  // octets up to which a failed message goes back whole when
                                         // its sender did not say (RFC 3461 §4.3)
};

// The message is `prefix`, then the first `middle_size` octets of the parent's body, then `suffix`; the parent's
// trace headers are in the prefix already. The envelope is complete (id, recipient, size, body type).
struct Dsn {
    Envelope envelope;
    std::string prefix;
    std::uint64_t middle_size = 0;
    std::string suffix;
};

Dsn make_dsn(const DsnRequest& request);

// How many of a body's first octets to read for returned_header_size(). A header that is longer goes back in part.
inline constexpr std::size_t kMaxReturnedHeader = 64 << 10;

// Octets of the header in `start`, a body's first octets: to the end of its last line, without the empty line.
std::uint64_t header_size(std::string_view start);

// As far as its lines may stand in a report: a BINARYMIME message (RFC 3030 §3) can hold NUL, bare CR and LF, and lines
// of any length, with which the next server would refuse the report.
std::uint64_t returned_header_size(std::string_view start);

}  // namespace posthorn::mail
