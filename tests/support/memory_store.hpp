// The store port in memory: for tests of what stands on it. Holds to the same contract as the real one
// (tests/unit/store/store_contract.hpp). Any thread; a call is done when it is made.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "store/store.hpp"
#include "store/watchers.hpp"

namespace posthorn::test {

class MemoryStore : public store::Store {
public:
    MemoryStore();
    ~MemoryStore() override;

    // The next calls, of any kind but watch() and release(), fail with this; nullopt: no more.
    void fail_with(std::optional<base::Error> error);
    // Before each of those calls but upload(), on the caller's thread, `hook` runs; it may throw, and tell later calls
    // and this one to fail. Set while no call runs.
    void before_calls(std::function<void()> hook) { before_ = std::move(hook); }
    // All mailboxes of an account get another UIDVALIDITY, as when a backup is put back.
    void number_anew(const Account& account);
    // All that is in a mailbox, octet by octet, in the order of UIDs; of an account or mailbox that is not there nothing.
    std::vector<std::string> content(const Account& account, std::string_view mailbox = "INBOX") const;

    Task<std::vector<Account>> accounts(net::Loop& loop) override;
    Task<store::AccountState> state(net::Loop& loop, Account account) override;
    Task<void> remove_account(net::Loop& loop, Account account) override;
    Task<store::Added> deliver(net::Loop& loop, Account account, store::Delivery delivery) override;
    Task<void> reserve(net::Loop& loop, Account account, base::Ulid id, std::uint64_t bytes,
                       store::Quota quota) override;
    void release(const Account& account, const base::Ulid& id) override;
    void settled(const base::Ulid& id) override;
    void forget_deliveries(base::WallTime before) override;
    Task<std::unique_ptr<store::Upload>> upload(net::Loop& loop, Account account,
                                                std::uint64_t expected_size) override;
    Task<std::vector<store::Added>> append(net::Loop& loop, Account account, store::MailboxId mailbox,
                                           std::vector<store::NewMessage> messages,
                                           std::optional<store::Quota> quota) override;
    Task<std::vector<store::Mailbox>> mailboxes(net::Loop& loop, Account account) override;
    Task<store::Mailbox> mailbox(net::Loop& loop, Account account, std::string name) override;
    Task<store::Mailbox> create_mailbox(net::Loop& loop, Account account, std::string name,
                                        store::Role role) override;
    Task<void> rename_mailbox(net::Loop& loop, Account account, std::string from, std::string to) override;
    Task<void> remove_mailbox(net::Loop& loop, Account account, std::string name) override;
    Task<void> set_role(net::Loop& loop, Account account, store::MailboxId mailbox, store::Role role) override;
    Task<void> set_sort_order(net::Loop& loop, Account account, store::MailboxId mailbox,
                              std::uint32_t order) override;
    Task<void> subscribe(net::Loop& loop, Account account, std::string name, bool on) override;
    Task<std::vector<std::string>> subscriptions(net::Loop& loop, Account account) override;
    Task<store::Snapshot> snapshot(net::Loop& loop, Account account, store::MailboxId mailbox) override;
    Task<std::vector<store::Message>> messages(net::Loop& loop, Account account, store::UidScope mailbox,
                                               store::UidSet uids, bool summaries) override;
    Task<store::MailboxChanges> changes(net::Loop& loop, Account account, store::UidScope mailbox,
                                        store::ModSeq since) override;
    Task<std::shared_ptr<store::Body>> open(net::Loop& loop, Account account, store::EmailId email) override;
    Task<store::TextAnswer> search(net::Loop& loop, Account account, store::UidScope mailbox, store::UidSet uids,
                                   store::TextQuery query) override;
    Task<store::TextAnswer> search_emails(net::Loop& loop, Account account, store::IdSet emails,
                                          store::TextQuery query) override;
    Task<store::FlagsChanged> store_flags(net::Loop& loop, Account account, store::UidScope mailbox,
                                          store::UidSet uids, store::FlagChange change) override;
    Task<store::Copied> copy(net::Loop& loop, Account account, store::UidScope from, store::UidSet uids,
                             store::MailboxId to) override;
    Task<store::Copied> move(net::Loop& loop, Account account, store::UidScope from, store::UidSet uids,
                             store::MailboxId to) override;
    Task<store::Expunged> expunge(net::Loop& loop, Account account, store::UidScope mailbox, store::UidSet uids,
                                  bool only_deleted) override;
    Task<std::vector<store::Email>> emails(net::Loop& loop, Account account, std::vector<store::EmailId> ids,
                                           bool summaries) override;
    Task<std::vector<store::EmailId>> thread(net::Loop& loop, Account account, store::ThreadId thread) override;
    Task<store::AccountChanges> account_changes(net::Loop& loop, Account account, store::ModSeq since,
                                                std::size_t limit) override;
    Task<store::ModSeq> refile(net::Loop& loop, Account account, std::vector<store::EmailId> emails,
                               std::vector<store::MailboxId> add, std::vector<store::MailboxId> remove) override;
    Task<store::ModSeq> store_email_flags(net::Loop& loop, Account account, std::vector<store::EmailId> emails,
                                          store::FlagChange change) override;
    std::unique_ptr<store::Subscription> watch(net::Loop& loop, const Account& account,
                                               std::function<void(const store::Notice&)> tell) override;

private:
    struct State;
    // Runs `fn` on the account, with the lock, unless calls are to fail; tells the watchers.
    template <class T, class F>
    base::Result<T> with(const Account& account, F&& fn);

    mutable std::mutex mutex_;
    std::optional<base::Error> failure_;
    std::function<void()> before_;
    std::map<Account, std::unique_ptr<State>> accounts_;
    store::Watchers watchers_;
};

}  // namespace posthorn::test
