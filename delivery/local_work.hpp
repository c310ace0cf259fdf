// A job in the local agent's hands: which recipient leads to which accounts, and what became of those. Values and
// decisions; the agent asks and stores.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "auth/directory.hpp"
#include "delivery/expansion.hpp"
#include "delivery/job.hpp"
#include "delivery/local_summary.hpp"
#include "delivery/shared.hpp"
#include "delivery/trail.hpp"
#include "mail/account.hpp"
#include "mail/outcome.hpp"
#include "store/store.hpp"

namespace posthorn::delivery {

// The message as the store takes it: trace headers, then the body. Read on the store's threads.
std::shared_ptr<const store::Source> stored_text(std::shared_ptr<const mail::Envelope> envelope,
                                                 std::shared_ptr<const spool::Body> body);

struct LocalWork {
    struct Mailbox {
        auth::Account account;
        std::string tag;
        mail::Address address;
        std::string name;       // of the mailbox it is for
        mail::Outcome outcome;  // once it is settled
        bool settled = false;
    };
    struct Plan {
        bool looked_up = false;
        std::optional<mail::Outcome> trouble;  // the directory did not answer
        std::optional<mail::Address> owner;    // of the alias it is
        Expansion expansion;                   // its mailboxes are in `mailboxes` now:
        std::vector<std::size_t> leads_to;
    };

    explicit LocalWork(JobPtr j) : job(std::move(j)), plans(job->recipients.size()) {}

    const mail::Recipient& recipient(std::size_t at) const {
        return job->envelope->recipients.at(job->recipients[at]);
    }
    // What to do next: there are pieces that nobody has taken.
    bool has_piece() const { return next_mailbox < mailboxes.size() || next_recipient < plans.size(); }
    bool complete() const { return in_hand == 0 && !has_piece(); }
    void drop_pieces();  // at a stop: what was not begun waits for the next start

    void found(std::size_t at, base::Result<Expansion> expansion, base::WallTime now);
    // Once complete: what the owner is told.
    void conclude(JobResult& result, base::WallTime now) const;

    JobPtr job;
    std::vector<Plan> plans;  // parallel to job->recipients
    std::vector<Mailbox> mailboxes;
    std::map<mail::AccountName, std::size_t> by_account;
    std::size_t next_recipient = 0;
    std::size_t next_mailbox = 0;
    std::size_t in_hand = 0;
    bool dropped = false;

    std::shared_ptr<const store::Source> text;
    std::shared_ptr<LocalSummary> summary;
    DeliveredTo passed;
    base::WallTime started{};
    base::SteadyTime began{};
    TrailPtr trail;
    std::shared_ptr<void> active;
};

// Of one recipient: accounts that have it, addresses it goes on to, and the result of both.
struct LocalVerdict {
    smtp::RecipientResult result;
    LocalEnd end;
};
LocalVerdict verdict(const LocalWork& work, std::size_t at, base::WallTime now);

}  // namespace posthorn::delivery
