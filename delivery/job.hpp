// A job: some recipients of one message, for one destination, in one attempt. Made by the message's owner, run by
// the destination, which may live on another loop. Both hold it; the atomic state decides who may act: an owner
// that wants a waiting job back (expiry, freeze, cancel) and a destination that starts it can race, one wins.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ulid.hpp"
#include "delivery/gate.hpp"
#include "delivery/one_or_many.hpp"
#include "delivery/operator.hpp"
#include "delivery/trail.hpp"
#include "mail/dsn.hpp"
#include "mail/envelope.hpp"
#include "proto/smtp/client_types.hpp"
#include "spool/body.hpp"

namespace posthorn::delivery {

// What a destination tells about its queue. Written on its loop, read anywhere: hints for people.
struct Board {
    std::atomic<Hold> why{Hold::none};
    std::atomic<std::int64_t> until_ms{0};     // WallTime; 0: nobody knows
    std::atomic<std::int64_t> interval_ns{0};  // between tokens; 0: no limit
    std::atomic<std::uint64_t> head{0};        // sequence number of the first that waits
};

struct Job {
    enum class State : std::uint8_t { waiting, started, revoked, finished };

    base::Ulid id;
    OneOrMany<std::uint32_t> recipients;  // indices into Envelope::recipients, ascending
    base::WallTime entered{};             // when the owner handed it over

    // The destination's, from submit() until it reports. Dropped while waiting when memory is dear.
    std::shared_ptr<const mail::Envelope> envelope;
    std::shared_ptr<const spool::Body> body;

    std::shared_ptr<const Board> board;      // the destination's; set once, readable once `sequence` is not 0
    std::atomic<std::uint64_t> sequence{0};  // place in its queue, from 1
    std::uint16_t shard = 0;                 // the owner's loop
    bool urgent = false;                     // an operator asked for it: a destination's pause does not hold it
    bool limited = false;                    // the destination's: was held by the bucket
    std::atomic<State> state{State::waiting};
    std::atomic<bool> wanted_back{false};  // by the owner, should it wait again
    std::atomic<Hold> stage{Hold::none};   // while started

    // Owner: true when it was still waiting; then it will not run.
    bool revoke() {
        State expected = State::waiting;
        if (state.compare_exchange_strong(expected, State::revoked)) return true;
        wanted_back.store(true);
        return false;
    }
    // Destination.
    bool start() {
        State expected = State::waiting;
        return state.compare_exchange_strong(expected, State::started);
    }
};
static_assert(sizeof(Job) == 104);  // one for each message that waits for its destination
using JobPtr = std::shared_ptr<Job>;

// What became of a recipient of ours, beside its result.
struct LocalEnd {
    std::string account;  // that has it now; of several all, with spaces between
    std::string mailbox;
    // What its sender is told where it asked for success; nothing: those it goes on to do that (RFC 3461 §5.2.7).
    std::optional<mail::DsnAction> success;
    // Whom it goes on to as another message, born in the record of this outcome: addresses an alias leads to.
    std::vector<mail::Recipient> onward;
    std::optional<mail::Address> sender;  // of that message; nothing: the reverse-path stays
};

// What a destination reports to the owner.
struct JobResult {
    JobPtr job;
    bool attempted = true;                           // false: given back untried
    std::vector<smtp::RecipientResult> recipients;   // parallel to job->recipients; empty when not attempted
    std::vector<LocalEnd> local;                     // so too; empty: it went over the network
    std::shared_ptr<const mail::Envelope> envelope;  // null: not in memory
    std::shared_ptr<const spool::Body> body;
    base::WallTime started{};
    base::Duration connecting{};
    base::Duration transmitting{};
    std::uint64_t bytes = 0;
    std::shared_ptr<const std::vector<std::string>> dialogue;  // the last lines, redacted; null: there was none
    TrailPtr trail;                                            // null: not traced
    std::shared_ptr<void> active;                              // counts until the owner has taken over
    Ticket recorded;  // some recipient was taken: kept until that is durable, or the message gone
};

}  // namespace posthorn::delivery
