// What an operator sees of the queue and asks of it; values only. delivery/service.hpp answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/ulid.hpp"
#include "mail/outcome.hpp"
#include "policy/rate.hpp"

namespace posthorn::delivery {

// Why a recipient is not being delivered at this moment.
enum class Hold : std::uint8_t {
    none,         // about to start
    held,         // by its sender, until a time it gave (RFC 4865)
    backoff,      // its last attempt failed: until its next try
    unreachable,  // its destination could not be reached a moment ago
    bucket,       // the rate limit: until a token is there
    concurrency,  // all connections of its destination are busy
    dns,          // being resolved
    connecting,   // a connection is being opened
    in_flight,    // a transaction is under way
    recording,    // its outcome is being made durable
    unrecorded,   // the outcome of an earlier message to its destination cannot be made durable
    frozen,       // by an operator
    stopping,     // the server goes down
    final,        // nothing is left to do
};
std::string_view name(Hold hold);

struct RecipientView {
    std::uint32_t index = 0;
    std::string address;
    std::string domain;
    mail::RecipientStatus status = mail::RecipientStatus::pending;
    std::uint32_t attempts = 0;
    std::optional<base::WallTime> next_try;  // pending: planned, or estimated from the bucket; nothing: frozen
    Hold why = Hold::none;
    std::string why_text;  // a sentence
    mail::Outcome last;    // meaningless while attempts == 0
};

struct MessageView {
    base::Ulid id;
    std::string sender;  // "" for "<>"
    base::WallTime arrival{};
    std::uint64_t size = 0;
    bool frozen = false;  // by itself, or some pending recipient by its domain or with everything
    std::string header_message_id;
    std::string client_ip;
    std::string auth_user;
    std::vector<RecipientView> recipients;
};

// Which messages are meant: those that every filter given lets through; without any, all. Filters of one recipient's
// state (status, domain) want one recipient that fits both.
struct Selector {
    enum class Status : std::uint8_t {
        any,
        pending,    // may start: waits for bucket, connection or its turn
        in_flight,  // in an attempt, or its outcome is being recorded
        deferred,   // waits for its next try
        frozen,
        failed,  // has failed; its bounce is still to be made
    };
    std::vector<base::Ulid> ids;  // not empty: these alone, and no filter counts
    Status status = Status::any;
    std::string domain;     // pattern: "example.com", "*.example.com"; empty: all
    std::string sender;     // substring, case-insensitive
    std::string recipient;  // likewise
    std::string reason;     // likewise: of a recipient's last reply or why it waits
    std::optional<base::WallTime> arrived_before;
    std::optional<base::WallTime> arrived_after;

    bool reads() const { return !sender.empty() || !recipient.empty() || !reason.empty(); }
    // No filter but, it may be, a domain.
    bool domain_at_most() const {
        return ids.empty() && status == Status::any && !reads() && !arrived_before && !arrived_after;
    }
};

struct ListQuery {
    enum class Sort : std::uint8_t { arrival, next_try, attempts, size };
    Selector which;
    Sort sort = Sort::arrival;
    bool descending = false;
    std::size_t limit = 100;
};

struct ListSummary {
    std::uint64_t matched = 0;  // in the queue; with filters that read messages: given
    std::uint64_t given = 0;
    bool truncated = false;  // there are more than were given or looked at
};

struct ListResult {
    std::vector<MessageView> messages;
    std::uint64_t matched = 0;
    bool truncated = false;
};

enum class Order : std::uint8_t { retry, freeze, unfreeze, cancel, bounce };

// What an order came to for one message.
struct Ordered {
    enum class How : std::uint8_t {
        done,
        under_way,  // cancel, bounce: some of it is in an attempt that goes on, and is removed when that ends
        unknown,    // asked for by id, not in the queue
    };
    base::Ulid id;
    How how = How::done;
};

// Which messages an order would be about.
struct Selected {
    std::vector<base::Ulid> ids;
    std::vector<base::Ulid> unknown;  // asked for, not in the queue
};

// What goes on as another message.
struct Redirected {
    base::Ulid as;
    std::size_t recipients = 0;  // of the old one, which are final now
};

struct DestinationStats {
    std::string key;
    std::string next_hop;
    std::uint64_t waiting = 0;    // jobs that may start
    std::uint64_t in_flight = 0;  // transactions or connection attempts with a message
    std::uint64_t connections = 0;
    Hold why = Hold::none;  // why the first of `waiting` does not start
    std::optional<base::WallTime> until;
    std::string last_error;  // of a connection
    policy::Rate rate;
    std::uint64_t tokens = 0;                  // in the bucket; meaningless without a limit
    std::optional<base::WallTime> next_token;  // when there is one again; nothing: now
    std::uint32_t max_connections = 0;
    std::string tls;       // of the last connection; empty: plaintext, or none yet
    bool reached = false;  // there was one
};

// Each loop has a local agent: of their lines one.
void join_local(std::vector<DestinationStats>& lines);

struct Stats {
    std::uint64_t messages = 0;
    std::uint64_t recipients_pending = 0;
    std::uint64_t in_flight = 0;  // recipients in an attempt
    std::uint64_t waiting = 0;    // recipients that may start
    std::uint64_t deferred = 0;   // recipients waiting for their next try
    std::uint64_t frozen = 0;     // messages of which something is frozen
    bool everything_frozen = false;
    std::vector<std::string> frozen_domains;
    std::vector<DestinationStats> destinations;  // those with anything to do, busiest first, at most 100
};

}  // namespace posthorn::delivery
