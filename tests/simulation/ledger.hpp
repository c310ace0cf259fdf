// What is known for certain about every message, from outside: what the queue made durable, what the peers saw and
// said. Everything that must hold is checked here, against that. One thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mail/envelope.hpp"
#include "mail/event.hpp"
#include "mail/outcome.hpp"
#include "policy/backoff.hpp"
#include "spool/queue.hpp"
#include "tests/simulation/trace.hpp"

namespace posthorn::simulation {

struct Fate {
    std::string address;
    std::uint8_t notify = 0;
    mail::RecipientState state;   // as durable
    base::WallTime due_before{};  // when it was due by the state before that, which held ...
    base::WallTime changed{};     // ... until then
    bool cancelled = false;       // an operator asked for it ...
    bool bounced = false;         // ... and for this
    bool retry_asked = false;     // since the last outcome
    int since_held = -1;          // attempts that ended since an operator's hold was in force; -1: none is
    int taken = 0;                // how often a peer took the message for it
    bool heard_taken = false;     // in this life, and we went on after the answer
    bool unrecorded = false;      // taken in this life, and no outcome was recorded since
    bool heard_refused = false;
    int failure_dsns = 0;
    int delay_dsns = 0;
    int success_dsns = 0;
    int ends = 0;  // events
};

struct Account {
    base::Ulid id;
    std::string sender;  // "" for "<>"
    base::WallTime arrival{};
    std::optional<base::Ulid> parent;  // of a DSN
    bool promised = false;             // told durable: must end
    bool present = false;              // in the queue, as far as known
    bool done = false;
    // A change on its way, until told durable: after a crash it may have happened.
    std::vector<spool::RecipientUpdate> attempted;
    bool attempted_done = false;
    std::vector<Fate> fates;
};

class Ledger {
public:
    explicit Ledger(Trace& trace) : trace_(trace) {}

    // The first thing that did not hold; empty: none.
    const std::string& violation() const { return violation_; }
    void violate(std::string what);

    void retry_policy(const policy::RetryPolicy& retry, bool dsn_enabled);

    // ---- the queue's: told of what is being written, then what came of it
    void writing(const mail::Envelope& envelope, const std::string& body, std::optional<base::Ulid> parent = {});
    void committed(const base::Ulid& id);
    void changing(const spool::StateChange& change);
    void changed(const spool::StateChange& change, const std::vector<base::Ulid>& born);
    // After a crash: what the queue has now of a message (null: nothing). Messages first, then their DSNs.
    void recovered(const base::Ulid& id, const spool::StoredMessage* stored);
    void life_ended(bool clean);

    // ---- the peers'
    struct Name {
        std::string sender;
        std::string recipient;
    };
    void named(const Name& name, base::WallTime at);  // RCPT arrived
    void refused(const Name& name);                   // for good, and the client went on after that answer
    void said_permanent(std::string who);             // a reason to fail: "site", "site sender", "sender recipient"
    void belongs(const std::string& domain, const std::string& site) { site_of_[domain] = site; }
    // The message was taken for these recipients. What is given stays valid.
    std::vector<Fate*> taken(const std::string& body, const std::string& sender,
                             const std::vector<std::string>& recipients);
    void heard_taken(Fate& fate);

    // ---- the operator's
    void cancel_asked(const base::Ulid& id, bool bounce);
    void retry_asked(const std::optional<base::Ulid>& id);
    // From now on nothing new is tried of what `key` covers: "*", a domain, an id. What is under way may end.
    void held(const std::string& key);
    void released(const std::string& key);

    void event(const mail::Event& event);

    std::vector<base::Ulid> waiting() const;  // present, not done
    const std::map<base::Ulid, Account>& accounts() const { return accounts_; }
    std::string describe(const base::Ulid& id) const;
    // Nothing waits any more: did everything come to the right end?
    void check_end();

    struct Figures {
        std::uint64_t delivered = 0, failed = 0, expired = 0, cancelled = 0, duplicates = 0, dsns = 0;
    };
    Figures figures() const;

private:
    static bool is_failure(mail::RecipientStatus s) {
        return s == mail::RecipientStatus::failed || s == mail::RecipientStatus::expired;
    }
    std::vector<Fate*> fates_of(const Name& name, bool pending_only);
    void check_step(const Account& account, const Fate& fate, const mail::RecipientState& next);
    void check_final(const Account& account, const Fate& fate, const mail::RecipientState& next);
    void born(const base::Ulid& id, Account& parent);
    void check_account(const Account& account);
    bool covered(const Account& account, const Fate& fate) const;
    void look_at_holds();
    static bool owes_failure(const Account& account, const Fate& fate);

    Trace& trace_;
    std::string violation_;
    std::map<base::Ulid, Account> accounts_;
    std::map<std::string, std::vector<base::Ulid>> by_body_;
    std::map<std::pair<std::string, std::string>, std::vector<std::pair<base::Ulid, std::size_t>>> by_name_;
    std::map<base::Ulid, std::string> bodies_;
    std::set<std::string> permanent_;
    std::set<std::string> holds_;
    std::map<std::string, std::string> site_of_;  // where it is not the domain itself
    // The most lenient of all configurations so far.
    base::Duration shortest_pause_ = base::Duration::max();
    base::Duration longest_pause_{};
    base::Duration shortest_age_ = base::Duration::max();
    std::uint32_t fewest_attempts_ = UINT32_MAX;
    bool dsn_enabled_ = true;
};

}  // namespace posthorn::simulation
