// The store on files: which accounts are open, and the port's calls as work in their turns.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/fd.hpp"
#include "store/backend.hpp"
#include "store/impl/account.hpp"

namespace posthorn::store {

class SqliteStore final : public Backend {
public:
    static base::Result<std::unique_ptr<SqliteStore>> open(Config config, Ports ports);
    ~SqliteStore() override;

    template <class T>
    using Task = Store::Task<T>;

    void start(net::Loop& loop) override;
    void stop() override;

    Task<std::vector<Account>> accounts(net::Loop& loop) override;
    Task<AccountState> state(net::Loop& loop, Account account) override;
    Task<void> remove_account(net::Loop& loop, Account account) override;
    Task<Added> deliver(net::Loop& loop, Account account, Delivery delivery) override;
    Task<void> reserve(net::Loop& loop, Account account, base::Ulid id, std::uint64_t bytes, Quota quota) override;
    void release(const Account& account, const base::Ulid& id) override;
    void settled(const base::Ulid& id) override;
    void forget_deliveries(base::WallTime before) override;
    Task<std::unique_ptr<Upload>> upload(net::Loop& loop, Account account, std::uint64_t expected_size) override;
    Task<std::vector<Added>> append(net::Loop& loop, Account account, MailboxId mailbox,
                                    std::vector<NewMessage> messages, std::optional<Quota> quota) override;
    Task<std::vector<Mailbox>> mailboxes(net::Loop& loop, Account account) override;
    Task<Mailbox> mailbox(net::Loop& loop, Account account, std::string name) override;
    Task<Mailbox> create_mailbox(net::Loop& loop, Account account, std::string name, Role role) override;
    Task<void> rename_mailbox(net::Loop& loop, Account account, std::string from, std::string to) override;
    Task<void> remove_mailbox(net::Loop& loop, Account account, std::string name) override;
    Task<void> set_role(net::Loop& loop, Account account, MailboxId mailbox, Role role) override;
    Task<void> set_sort_order(net::Loop& loop, Account account, MailboxId mailbox, std::uint32_t order) override;
    Task<void> subscribe(net::Loop& loop, Account account, std::string name, bool on) override;
    Task<std::vector<std::string>> subscriptions(net::Loop& loop, Account account) override;
    Task<Snapshot> snapshot(net::Loop& loop, Account account, MailboxId mailbox) override;
    Task<std::vector<Message>> messages(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                        bool summaries) override;
    Task<MailboxChanges> changes(net::Loop& loop, Account account, UidScope mailbox, ModSeq since) override;
    Task<std::shared_ptr<Body>> open(net::Loop& loop, Account account, EmailId email) override;
    Task<Opened> open_all(net::Loop& loop, Account account, std::vector<EmailId> emails) override;
    Task<TextAnswer> search(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                            TextQuery query) override;
    Task<TextAnswer> search_emails(net::Loop& loop, Account account, IdSet emails, TextQuery query) override;
    Task<FlagsChanged> store_flags(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                   FlagChange change) override;
    Task<Copied> copy(net::Loop& loop, Account account, UidScope from, UidSet uids, MailboxId to) override;
    Task<Copied> move(net::Loop& loop, Account account, UidScope from, UidSet uids, MailboxId to) override;
    Task<Expunged> expunge(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                           bool only_deleted) override;
    Task<std::vector<Email>> emails(net::Loop& loop, Account account, std::vector<EmailId> ids,
                                    bool summaries) override;
    Task<std::vector<EmailId>> thread(net::Loop& loop, Account account, ThreadId thread) override;
    Task<AccountChanges> account_changes(net::Loop& loop, Account account, ModSeq since,
                                         std::size_t limit) override;
    Task<ModSeq> refile(net::Loop& loop, Account account, std::vector<EmailId> emails, std::vector<MailboxId> add,
                        std::vector<MailboxId> remove) override;
    Task<ModSeq> store_email_flags(net::Loop& loop, Account account, std::vector<EmailId> emails,
                                   FlagChange change) override;
    std::unique_ptr<Subscription> watch(net::Loop& loop, const Account& account,
                                        std::function<void(const Notice&)> tell) override;

    Task<CheckReport> check(net::Loop& loop, Account account, bool bodies) override;
    Task<RepairReport> repair(net::Loop& loop, Account account) override;
    Task<BackupReport> backup(net::Loop& loop, Account account, std::string folder) override;
    Task<BackupReport> restore(net::Loop& loop, Account account, std::string folder) override;
    Task<std::uint64_t> undelete(net::Loop& loop, Account account, base::WallTime since) override;
    Task<GarbageReport> collect(net::Loop& loop, Account account) override;
    Task<std::uint64_t> reindex(net::Loop& loop, Account account) override;

private:
    using Turns = store::Account;
    SqliteStore(base::Fd lock, std::shared_ptr<Shared> shared)
        : lock_(std::move(lock)), shared_(std::move(shared)) {}

    // Null after stop().
    std::shared_ptr<Turns> find(const Account& account);
    void close_some();  // locked
    void forget_promise(const std::shared_ptr<Turns>& turns, const base::Ulid& id);
    // `fn(OpenAccount&) -> Result<T>` in the account's turn.
    template <class T, class F>
    Task<T> in_turn(net::Loop& loop, Account account, Work::Kind kind, F fn);

    // `fn() -> Result<T>` in the account's turn, while it is closed.
    template <class T, class F>
    Task<T> while_closed(net::Loop& loop, std::shared_ptr<Turns> turns, F fn);
    // sqlite_search.cpp
    using FindWanted = std::function<base::Result<std::vector<Wanted>>(OpenAccount&, const IdSet&)>;
    Task<TextAnswer> search_step(net::Loop& loop, Account account, IdSet ids, TextQuery query, FindWanted find);

    Task<std::uint64_t> index_step(net::Loop& loop, Account account, bool make);
    net::Task<> index_all(net::Loop& loop, std::shared_ptr<const std::atomic<bool>> alive);
    std::vector<Account> take_behind();

    Task<void> must_exist(net::Loop& loop, Account account);
    // Until `alive` is false.
    net::Task<> collect_all(net::Loop& loop, std::shared_ptr<const std::atomic<bool>> alive);
    std::vector<Account> known() const;
    void listen(const Account& account);  // something was heard of its Maildir

    base::Fd lock_;
    std::shared_ptr<Shared> shared_;
    const std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
    mutable std::mutex mutex_;
    std::unordered_map<Account, std::shared_ptr<Turns>> accounts_;
    std::unordered_map<base::Ulid, std::vector<std::shared_ptr<Turns>>> promised_;  // what settled() is to free
    std::uint64_t tick_ = 0;
    bool stopped_ = false;
};

}  // namespace posthorn::store
