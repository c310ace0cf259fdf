// An account's index: everything but the bytes. One SQLite database; used by one thread at a time (the account's
// turn, store/impl/account.hpp). What fails in the database sticks in db() and is asked for once, at the end of the
// unit of work; so a function here may answer nonsense after such a failure, and its unit is rolled back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/sqlite/database.hpp"
#include "base/ulid.hpp"
#include "mail/account.hpp"
#include "store/high_water.hpp"
#include "store/impl/place.hpp"
#include "store/values.hpp"

namespace posthorn::store {

// The account's row. Every id and every UID that is given costs at least one modseq: so what was given after a copy
// of this index was taken is bounded by how far modseq has come.
struct Counters {
    ModSeq modseq = 0;
    ModSeq reserved = 0;  // modseq stays at or below it (store/high_water.hpp)
    ModSeq trimmed = 0;   // the change log tells what happened after this
    std::uint64_t next_id = 1;
    UidValidity uid_validity = 0;  // the last that was given
    UidValidity reserved_validity = 0;
    bool clean = true;  // nothing was given since it was put into order at a close
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
    std::uint64_t grave_bytes = 0;
    std::uint64_t grave_messages = 0;
    bool operator==(const Counters&) const = default;
};

enum class ChangeKind : std::uint8_t {
    added = 0,
    flags = 1,
    removed = 2,
    mailbox_created = 3,
    mailbox_updated = 4,
    mailbox_destroyed = 5,
};

// A row of the change log: what one command did in one mailbox.
struct Change {
    ChangeKind kind{};
    MailboxId mailbox = 0;
    UidSet uids{};
    IdSet created{};  // emails
    IdSet updated{};
    IdSet destroyed{};
    IdSet threads{};
};

struct NewEmail {
    EmailId id = 0;
    Place place;
    base::WallTime received{};
    const std::string* summary = nullptr;
    const std::vector<std::string>* thread_keys = nullptr;
};

struct Located {
    EmailId id = 0;
    Place place;
};

// A message that is asked for: what names it to who asks (a UID or an email's id), and what it is.
struct Wanted {
    std::uint64_t id = 0;
    EmailId email = 0;
    std::uint64_t size = 0;
};

class Index {
public:
    // `may_make`: makes it, with INBOX and the mailboxes of special use, when it is not there or empty; else that is
    // damage, for there may be mail of it. Damage: temporary, EUCLEAN. Of a newer version: permanent, to be shown to
    // the operator.
    static base::Result<std::unique_ptr<Index>> open(const std::string& path, const mail::AccountName& account,
                                                     const base::Clock& clock, bool may_make);

    base::sqlite::Database& db() { return *db_; }
    const Counters& counters() const { return counters_; }
    const Keywords& keywords() const { return keywords_; }
    const mail::AccountName& account() const { return account_; }

    // ---- units of work: within a transaction
    struct State {
        Counters counters;
        std::size_t keywords = 0;
        std::size_t touched = 0;
    };
    State state() const { return {counters_, keywords_.size(), touched_.size()}; }
    void restore(const State& state);       // after a savepoint was rolled back
    void abandon(const State& state);       // after the transaction was
    void write_counters();                  // before the commit, if they changed
    std::vector<MailboxId> take_touched();  // mailboxes that changed since the last time

    // ---- counters that never go back (store/impl/index_order.cpp)
    // It is an older copy than one that was in use.
    bool behind(const Mark& mark, ModSeq last) const {
        return counters_.reserved < mark.modseq || counters_.modseq < last;
    }
    // Compares with the mark of this account; an old copy is put into order. `last`: the modseq this process saw last;
    // `made`: it is no copy, it was made just now.
    base::Result<void> put_into_order(const Mark& mark, ModSeq last, bool made);
    // No id that may have been given by the time modseq was `used` is given again. Within a transaction.
    void skip_ids(ModSeq used);
    // Room for `count` UIDs and ids, durable here; nothing: there is enough. Outside of a transaction. The answer goes
    // into the mark before any of it is used.
    base::Result<std::optional<Mark>> reserve(std::uint64_t count, bool fresh);
    base::Result<void> close_clean();
    std::uint64_t all_memberships();

    // ---- mailboxes (index_mailboxes.cpp)
    std::vector<Mailbox> mailboxes();
    std::optional<Mailbox> mailbox(MailboxId id);
    std::optional<Mailbox> mailbox(std::string_view name);  // canonical
    base::Result<Mailbox> mailbox(UidScope scope);          // ENOENT, ESTALE
    base::Result<Mailbox> create(std::string_view name, Role role);
    base::Result<void> rename(std::string_view from, std::string_view to);
    base::Result<void> remove(std::string_view name);
    base::Result<void> set_role(MailboxId mailbox, Role role);
    base::Result<void> set_sort_order(MailboxId mailbox, std::uint32_t order);
    base::Result<void> subscribe(std::string_view name, bool on);
    std::vector<std::string> subscriptions();

    // ---- messages (index_messages.cpp)
    EmailId new_id() { return counters_.next_id++; }
    // Bits of flags and keywords; ENOSPC when there would be too many keywords, EINVAL for what is none.
    base::Result<Flags> bits(Flags system, const Keywords& names, bool make);
    bool delivered(const base::Ulid& id);
    void remember_delivery(const base::Ulid& id);
    Added add(MailboxId mailbox, const NewEmail& email, Flags flags);
    base::Result<Snapshot> snapshot(MailboxId mailbox);
    base::Result<std::vector<Message>> messages(UidScope mailbox, const UidSet& uids, bool summaries);
    std::vector<Email> emails(const std::vector<EmailId>& ids, bool summaries);
    std::vector<EmailId> thread(ThreadId thread);
    std::optional<Located> locate(EmailId email);

    // ---- for search (index_search.cpp): those of them that are there, in order, at most `limit`
    base::Result<std::vector<Wanted>> members(UidScope mailbox, const UidSet& uids, std::size_t limit);
    std::vector<Wanted> living(const IdSet& emails, std::size_t limit);

    // ---- changes of them (index_commands.cpp)
    base::Result<FlagsChanged> store_flags(UidScope mailbox, const UidSet& uids, const FlagChange& change);
    base::Result<Copied> copy(UidScope from, const UidSet& uids, MailboxId to);
    base::Result<Copied> move(UidScope from, const UidSet& uids, MailboxId to);
    base::Result<Expunged> expunge(UidScope mailbox, const UidSet& uids, bool only_deleted);
    base::Result<ModSeq> refile(const std::vector<EmailId>& emails, const std::vector<MailboxId>& add,
                                const std::vector<MailboxId>& remove);
    base::Result<ModSeq> store_email_flags(const std::vector<EmailId>& emails, const FlagChange& change);

    // ---- the change log (index_log.cpp)
    base::Result<MailboxChanges> changes(UidScope mailbox, ModSeq since);
    AccountChanges account_changes(ModSeq since, std::size_t limit);
    void trim_log(base::WallTime before, std::uint64_t rows);

    // ---- what is thrown away, and brought back (index_graves.cpp)
    // Emails expunged before that time, at most so many: their rows go, their bodies may.
    std::vector<Located> bury(base::WallTime before, std::size_t limit);
    void bury(EmailId email);  // that is in its grave
    base::Result<std::uint64_t> undelete(base::WallTime since);
    void forget_deliveries(base::WallTime before);
    // Live octets of each pack, and the emails of one.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> packs();
    std::vector<Located> in_pack(std::uint64_t pack);
    std::vector<Located> all_bodies();
    void moved(EmailId email, const Place& place);

private:
    friend class Rebuild;
    Index(std::unique_ptr<base::sqlite::Database> db, mail::AccountName account, const base::Clock& clock)
        : db_(std::move(db)), account_(std::move(account)), clock_(clock) {}

    struct Row {  // of membership
        Uid uid = 0;
        EmailId email = 0;
        ModSeq modseq = 0;
        Flags flags = 0;
        std::uint64_t size = 0;
    };
    struct Tally {  // what a command changes in a mailbox's row
        std::int64_t messages = 0;
        std::int64_t unseen = 0;
        std::int64_t deleted = 0;
        std::int64_t bytes = 0;
        void count(Flags flags, std::uint64_t size, int sign);
    };

    base::Result<void> make(const mail::AccountName& account);
    base::Result<void> load();
    ModSeq next_modseq(std::uint64_t count = 1) { return counters_.modseq += count; }
    UidValidity next_validity();
    void note(const Change& change);
    MailboxId make_mailbox(std::string_view name, Role role);
    void make_levels_above(std::string_view name);
    void take_role(Role role);
    Mailbox read_mailbox(base::sqlite::Query& row);
    std::vector<Row> rows(MailboxId mailbox, const UidSet& uids);
    std::vector<std::pair<MailboxId, Row>> memberships(EmailId email);
    // A membership comes or goes; the mailbox's row is told by apply(), once a command.
    Uid join(MailboxId mailbox, Uid uid, EmailId email, Flags flags, std::uint64_t size);
    void part(MailboxId mailbox, const Row& row, Change& change);
    void apply(MailboxId mailbox, const Tally& tally, std::uint64_t new_uids);
    Uid uid_next(MailboxId mailbox);
    ThreadId thread_of(const std::vector<std::string>& keys, EmailId email);

    std::unique_ptr<base::sqlite::Database> db_;
    mail::AccountName account_;
    const base::Clock& clock_;
    Counters counters_;
    Counters written_;
    Keywords keywords_;
    std::vector<MailboxId> touched_;
    ModSeq noted_ = 0;  // the modseq of the last change row, and how many it has
    int noted_rows_ = 0;
};

inline Entry entry_of(EmailId email, ModSeq modseq, Flags flags, std::uint64_t size, Uid uid) {
    return {email, modseq, flags, size, uid};
}

}  // namespace posthorn::store
