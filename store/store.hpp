// The store's port: accounts, their mailboxes, and the mail in them. Readers (IMAP, POP3, JMAP) and local delivery see
// nothing else of it and hold no copy of its schema. Backends: store/impl/ (docs/store.md), tests/support/memory_store.hpp;
// one contract for both: tests/unit/store/store_contract.hpp.
//
// Coroutines of the caller's loop; what blocks runs on the store's threads. Calls about one account take effect one
// after the other, in the order they were made; those of different accounts side by side. **What has been answered is
// durable.** A call whose caller is gone still happens.
//
// An account is there as soon as something asks for it (who may exist is the directory's business): it begins with
// INBOX and the mailboxes of special use.
//
// Errors: temporary (disk full, too busy, damage that repair may mend), status 4.x; permanent with an errno in `code`:
// ENOENT no such mailbox, email or account; EEXIST a name is taken; EINVAL no such name can be; EDQUOT over quota (status
// 5.2.2; whether that is 452 or 552 is policy); ENOSPC too many keywords or mailboxes; EPERM not with INBOX; ESTALE the
// mailbox's UIDVALIDITY is another: nothing was done, and what is known of its UIDs holds no more.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/ulid.hpp"
#include "mail/account.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"
#include "store/body.hpp"
#include "store/text_query.hpp"
#include "store/values.hpp"

namespace posthorn::store {

struct NewMessage {
    std::shared_ptr<const Source> body;
    std::string prefix{};  // goes before it: Return-Path, Delivered-To, with their line ends
    base::WallTime received{};
    Flags system = 0;
    Keywords keywords{};
    // mail/summary's blob, of this text (with its prefix); null: none. Shared by all recipients.
    std::shared_ptr<const std::string> summary{};
    // Messages that share one of these are in one thread: a Message-ID of its own or that it refers to, with the
    // base subject behind it (RFC 8621 §3). At most kMaxThreadKeys are looked at, the last ones.
    std::vector<std::string> thread_keys{};
};
inline constexpr std::size_t kMaxThreadKeys = 20;

struct Delivery {
    base::Ulid id;  // of the spool's message: what has come under it before is not stored again
    std::string mailbox = "INBOX";
    bool create_mailbox = false;  // or INBOX takes it when that mailbox is not there
    NewMessage message;
    std::optional<Quota> quota{};  // not looked at where room was reserved under this id
};

// Ends what it stands for when it goes; then no call comes any more. On its loop.
class Subscription {
public:
    virtual ~Subscription() = default;
};

class Store {
public:
    virtual ~Store() = default;
    template <class T>
    using Task = net::Task<base::Result<T>>;
    using Account = mail::AccountName;

    // ---- accounts
    virtual Task<std::vector<Account>> accounts(net::Loop& loop) = 0;  // that have files here, sorted
    virtual Task<AccountState> state(net::Loop& loop, Account account) = 0;
    virtual Task<void> remove_account(net::Loop& loop, Account account) = 0;  // ENOENT; for good

    // ---- mail comes in
    virtual Task<Added> deliver(net::Loop& loop, Account account, Delivery delivery) = 0;
    // Room for a delivery that was promised (LMTP), until it is delivered or released, or the server ends; EDQUOT.
    // The same id again replaces what it held.
    virtual Task<void> reserve(net::Loop& loop, Account account, base::Ulid id, std::uint64_t bytes,
                               Quota quota) = 0;
    virtual void release(const Account& account, const base::Ulid& id) = 0;  // any thread
    // The spool is done with that message, however it ended: what it still holds anywhere is free. Any thread.
    virtual void settled(const base::Ulid& id) = 0;
    // Ids of deliveries older than this need not be known any more: the spool has none of them. Any thread.
    virtual void forget_deliveries(base::WallTime before) = 0;

    virtual Task<std::unique_ptr<Upload>> upload(net::Loop& loop, Account account, std::uint64_t expected_size) = 0;
    // All of them or none (RFC 3502).
    virtual Task<std::vector<Added>> append(net::Loop& loop, Account account, MailboxId mailbox,
                                            std::vector<NewMessage> messages, std::optional<Quota> quota) = 0;

    // ---- mailboxes
    virtual Task<std::vector<Mailbox>> mailboxes(net::Loop& loop, Account account) = 0;  // by name
    virtual Task<Mailbox> mailbox(net::Loop& loop, Account account, std::string name) = 0;
    // Levels above it that are missing come with it. A role is taken from who has it.
    virtual Task<Mailbox> create_mailbox(net::Loop& loop, Account account, std::string name, Role role) = 0;
    // With all below it; ids, UIDs and UIDVALIDITY stay. Renaming INBOX moves its messages into a new mailbox
    // (RFC 9051 §6.3.6).
    virtual Task<void> rename_mailbox(net::Loop& loop, Account account, std::string from, std::string to) = 0;
    // Its messages are expunged. What is below it stays (RFC 9051 §6.3.5).
    virtual Task<void> remove_mailbox(net::Loop& loop, Account account, std::string name) = 0;
    virtual Task<void> set_role(net::Loop& loop, Account account, MailboxId mailbox, Role role) = 0;
    virtual Task<void> set_sort_order(net::Loop& loop, Account account, MailboxId mailbox, std::uint32_t order) = 0;
    // Subscriptions are of names, which need not be there (RFC 9051 §6.3.7).
    virtual Task<void> subscribe(net::Loop& loop, Account account, std::string name, bool on) = 0;
    virtual Task<std::vector<std::string>> subscriptions(net::Loop& loop, Account account) = 0;

    // ---- looking into a mailbox
    virtual Task<Snapshot> snapshot(net::Loop& loop, Account account, MailboxId mailbox) = 0;
    // Of these UIDs those that are there, by UID. The caller bounds how many it asks for.
    virtual Task<std::vector<Message>> messages(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                                bool summaries) = 0;
    virtual Task<MailboxChanges> changes(net::Loop& loop, Account account, UidScope mailbox, ModSeq since) = 0;
    virtual Task<std::shared_ptr<Body>> open(net::Loop& loop, Account account, EmailId email) = 0;
    // What open() gives of each, in this order: small bodies that are wanted one after the other may be read together.
    // The caller bounds how many.
    using Opened = std::vector<base::Result<std::shared_ptr<Body>>>;
    virtual Task<Opened> open_all(net::Loop& loop, Account account, std::vector<EmailId> emails);

    // ---- full text
    // Which of these UIDs, or emails, each key of the query holds of. Does a bounded piece of work; who asks goes on
    // with TextAnswer::rest, or leaves it.
    virtual Task<TextAnswer> search(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                    TextQuery query) = 0;
    virtual Task<TextAnswer> search_emails(net::Loop& loop, Account account, IdSet emails, TextQuery query) = 0;

    // ---- changing what is in it
    virtual Task<FlagsChanged> store_flags(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                           FlagChange change) = 0;
    // The same emails in another mailbox: a quota has nothing to say, each email counts once.
    virtual Task<Copied> copy(net::Loop& loop, Account account, UidScope from, UidSet uids, MailboxId to) = 0;
    virtual Task<Copied> move(net::Loop& loop, Account account, UidScope from, UidSet uids, MailboxId to) = 0;
    // Of these UIDs those that are there; with `only_deleted` those of them that have \Deleted.
    virtual Task<Expunged> expunge(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                   bool only_deleted) = 0;

    // ---- the same mail as JMAP sees it
    virtual Task<std::vector<Email>> emails(net::Loop& loop, Account account, std::vector<EmailId> ids,
                                            bool summaries) = 0;  // those that are there, in this order
    virtual Task<std::vector<EmailId>> thread(net::Loop& loop, Account account,
                                              ThreadId thread) = 0;  // by received time
    // At most about `limit` ids; AccountChanges::more tells that it goes on.
    virtual Task<AccountChanges> account_changes(net::Loop& loop, Account account, ModSeq since,
                                                 std::size_t limit) = 0;
    // Into `add`, out of `remove`, at once; out of all mailboxes it is expunged. Flags go with it. ENOENT: nothing
    // of it happened.
    virtual Task<ModSeq> refile(net::Loop& loop, Account account, std::vector<EmailId> emails,
                                std::vector<MailboxId> add, std::vector<MailboxId> remove) = 0;
    // In all mailboxes it is in (RFC 8621 §4.1.1). unchanged_since is not looked at.
    virtual Task<ModSeq> store_email_flags(net::Loop& loop, Account account, std::vector<EmailId> emails,
                                           FlagChange change) = 0;

    // ---- hearing of changes
    // `tell` runs on `loop` after each change, also one's own; notices that the loop had no time for become one.
    virtual std::unique_ptr<Subscription> watch(net::Loop& loop, const Account& account,
                                                std::function<void(const Notice&)> tell) = 0;
};

// What an error of the store means.
bool is_missing(const base::Error& error);
bool is_over_quota(const base::Error& error);
bool is_stale(const base::Error& error);

}  // namespace posthorn::store
