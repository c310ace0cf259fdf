#include "store/impl/sqlite_store.hpp"

#include <algorithm>
#include <filesystem>

#include "base/log.hpp"
#include "store/impl/layout.hpp"
#include "store/impl/refuse.hpp"
#include "store/impl/turn_pool.hpp"

namespace posthorn::store {

namespace {

constexpr auto kPatience = std::chrono::seconds(30);  // at the end, for a turn that is under way

bool fits(const Counters& used, const Account::Reserved& reserved, std::uint64_t bytes, std::uint64_t count,
          const Quota& quota) {
    return (quota.bytes == 0 || used.bytes + reserved.bytes + bytes <= quota.bytes) &&
           (quota.messages == 0 || used.messages + reserved.messages + count <= quota.messages);
}

std::unexpected<base::Error> over_quota(const mail::AccountName& account) {
    return refuse(EDQUOT, account.text() + " is over quota");
}

std::uint64_t octets(const NewMessage& message) { return message.prefix.size() + message.body->size(); }

}  // namespace

base::Result<std::unique_ptr<Backend>> open_store(Config config, Ports ports) {
    auto opened = SqliteStore::open(std::move(config), ports);
    if (!opened) return std::unexpected(opened.error());
    return *std::move(opened);
}

base::Result<std::unique_ptr<SqliteStore>> SqliteStore::open(Config config, Ports ports) {
    if (auto made = ports.disk.make_directory(config.directory, 0750); !made) return std::unexpected(made.error());
    auto lock = lock_store(config.directory);
    if (!lock) return std::unexpected(lock.error());
    if (auto ready = prepare_layout(ports.disk, config.directory, config.backend); !ready)
        return std::unexpected(ready.error());
    if (config.backend == BackendKind::maildir) config.pack_limit = 0;  // all are staged, side by side
    auto shared = std::make_shared<Shared>(std::move(config), ports.disk, ports.pool, ports.clock, ports.high_water,
                                           ports.metrics);
    ports.metrics.gauge_callback("posthorn_store_open_accounts", "Accounts whose index is open.",
                                 [shared] { return static_cast<double>(shared->open_accounts.load()); });
    return std::unique_ptr<SqliteStore>(new SqliteStore(*std::move(lock), std::move(shared)));
}

SqliteStore::~SqliteStore() { SqliteStore::stop(); }

void SqliteStore::stop() {
    *alive_ = false;
    if (shared_->maildir_watch) shared_->maildir_watch->stop();
    std::unordered_map<Account, std::shared_ptr<Turns>> all;
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        all.swap(accounts_);
        promised_.clear();
    }
    for (auto& [name, account] : all) {
        if (!account->shut(kPatience))
            base::log::error("store.abandoned", {{"account", name.text()}, {"msg", "its turn does not end"}});
    }
}

std::shared_ptr<Account> SqliteStore::find(const Account& account) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return nullptr;
    auto& found = accounts_[account];
    if (!found) found = std::make_shared<Turns>(shared_, account);
    found->used = ++tick_;
    auto out = found;
    if (shared_->open_accounts.load() >= shared_->config.max_open_accounts && !out->open()) close_some();
    return out;
}

// The one that has not been asked for the longest time. Closed ones without promises are forgotten meanwhile.
void SqliteStore::close_some() {
    std::shared_ptr<Turns> oldest;
    for (auto it = accounts_.begin(); it != accounts_.end();) {
        const auto& one = it->second;
        if (one.use_count() == 1 && one->forgettable()) {  // nobody else has it, nor gets it: we hold the lock
            it = accounts_.erase(it);
            continue;
        }
        if (one->idle() && (!oldest || one->used < oldest->used)) oldest = one;
        ++it;
    }
    if (!oldest) return;
    (void)oldest->submit({.kind = Work::Kind::close,
                          .run = [](OpenAccount*) -> std::optional<base::Error> { return std::nullopt; },
                          .end = [](const base::Error*) {}});
}

// ---- accounts

Store::Task<std::vector<mail::AccountName>> SqliteStore::accounts(net::Loop& loop) {
    auto list = [shared = shared_] { return list_accounts(shared->disk, shared->config.directory); };
    base::Result<std::vector<Account>> found = co_await net::offload(loop, shared_->pool, std::move(list));
    co_return found;
}

Store::Task<AccountState> SqliteStore::state(net::Loop& loop, Account account) {
    auto turns = find(account);
    if (!turns) co_return stopping();
    auto look = [turns](OpenAccount& open) -> base::Result<AccountState> {
        const auto& c = open.index().counters();
        const auto reserved = turns->reserved();
        return AccountState{c.modseq,          c.bytes,          c.messages,    reserved.bytes,
                            reserved.messages, c.grave_messages, c.grave_bytes, open.index().keywords()};
    };
    co_return co_await in_turn<AccountState>(loop, std::move(account), Work::Kind::read, std::move(look));
}

namespace {

// Out of sight at once, then away; what is left of it by a crash goes with the staging folder at the next start.
base::Result<void> remove_folder(Shared& shared, const mail::AccountName& account) {
    const auto folder = shared.folder(account);
    if (!shared.disk.status(folder + "/bodies")) return refuse(ENOENT, "there is no account " + account.text());
    const auto away = shared.staging() + "/removed-" + std::to_string(shared.next_staged.fetch_add(1));
    if (auto moved = shared.disk.rename(folder, away); !moved) return moved;
    if (auto done = shared.disk.sync_directory(folder.substr(0, folder.rfind('/'))); !done) return done;
    std::error_code ignored;
    std::filesystem::remove_all(away, ignored);
    return {};
}

}  // namespace

Store::Task<void> SqliteStore::remove_account(net::Loop& loop, Account account) {
    auto turns = find(account);
    if (!turns) co_return stopping();
    auto remove = [shared = shared_, account] { return remove_folder(*shared, account); };
    co_return co_await while_closed<void>(loop, std::move(turns), std::move(remove));
}

// ---- mail comes in

namespace {

base::Result<Added> take_delivery(OpenAccount& open, Account& turns, const Delivery& delivery,
                                  const Staged* staged) {
    auto& index = open.index();
    if (index.delivered(delivery.id)) {
        turns.release(delivery.id);
        return Added{.modseq = index.counters().modseq, .duplicate = true};
    }
    if (delivery.quota && !turns.has_reserved(delivery.id) &&
        !fits(index.counters(), turns.reserved(), octets(delivery.message), 1, *delivery.quota))
        return over_quota(turns.name());
    const auto name = mailbox_name(delivery.mailbox);
    auto box = name ? index.mailbox(std::string_view(*name)) : std::nullopt;
    if (!box && name && delivery.create_mailbox) {
        auto made = index.create(*name, Role::none);
        if (!made) return std::unexpected(made.error());
        box = *std::move(made);
    }
    if (!box) box = index.mailbox(std::string_view("INBOX"));
    if (!box) return no_mailbox();
    auto added = open.add(box->id, delivery.message, staged, delivery.id);
    if (added) index.remember_delivery(delivery.id);
    return added;
}

void count(const Account::Counts& counts, const base::Result<Added>& result, std::uint64_t size,
           base::Duration took) {
    if (!result) {
        (is_over_quota(result.error()) ? counts.over_quota : counts.failed)->add();
        return;
    }
    (result->duplicate ? counts.duplicate : counts.delivered)->add();
    counts.duration->observe(std::chrono::duration<double>(took).count());
    counts.size->observe(static_cast<double>(size));
}

}  // namespace

Store::Task<Added> SqliteStore::deliver(net::Loop& loop, Account account, Delivery delivery) {
    auto turns = find(account);
    if (!turns) co_return stopping();
    const auto began = loop.now();
    const auto size = octets(delivery.message);
    std::shared_ptr<const Staged> staged;
    if (size > shared_->config.pack_limit) {
        auto make = [shared = shared_, message = delivery.message] { return stage(shared, message); };
        base::Result<std::shared_ptr<const Staged>> made =
            co_await net::offload(loop, shared_->pool, std::move(make));
        if (!made) {
            turns->counts().failed->add();
            co_return std::unexpected(made.error());
        }
        staged = *std::move(made);
    }
    const auto id = delivery.id;
    auto take = [turns, delivery = std::move(delivery), staged](OpenAccount& open) {
        return take_delivery(open, *turns, delivery, staged.get());
    };
    base::Result<Added> added =
        co_await in_turn<Added>(loop, std::move(account), Work::Kind::write, std::move(take));
    if (added) turns->release(id);
    count(turns->counts(), added, size, loop.now() - began);
    co_return added;
}

Store::Task<void> SqliteStore::reserve(net::Loop& loop, Account account, base::Ulid id, std::uint64_t bytes,
                                       Quota quota) {
    auto turns = find(account);
    if (!turns) co_return stopping();
    auto take = [turns, id, bytes, quota](OpenAccount& open) -> base::Result<void> {
        turns->release(id);
        if (!fits(open.index().counters(), turns->reserved(), bytes, 1, quota)) return over_quota(turns->name());
        turns->reserve(id, bytes);
        return {};
    };
    {
        const std::lock_guard lock(mutex_);
        promised_[id].push_back(turns);
    }
    base::Result<void> kept = co_await in_turn<void>(loop, std::move(account), Work::Kind::read, std::move(take));
    if (!kept) forget_promise(turns, id);
    co_return kept;
}

void SqliteStore::release(const Account& account, const base::Ulid& id) {
    std::shared_ptr<Turns> turns;
    {
        const std::lock_guard lock(mutex_);
        const auto found = accounts_.find(account);
        if (found == accounts_.end()) return;
        turns = found->second;
    }
    turns->release(id);
    forget_promise(turns, id);
}

void SqliteStore::forget_promise(const std::shared_ptr<Turns>& turns, const base::Ulid& id) {
    const std::lock_guard lock(mutex_);
    const auto found = promised_.find(id);
    if (found == promised_.end()) return;
    std::erase(found->second, turns);
    if (found->second.empty()) promised_.erase(found);
}

void SqliteStore::settled(const base::Ulid& id) {
    std::vector<std::shared_ptr<Turns>> all;
    {
        const std::lock_guard lock(mutex_);
        const auto found = promised_.find(id);
        if (found == promised_.end()) return;
        all = std::move(found->second);
        promised_.erase(found);
    }
    for (const auto& turns : all) turns->release(id);
}

void SqliteStore::forget_deliveries(base::WallTime before) { shared_->forget_before = base::to_ms(before); }

Store::Task<std::unique_ptr<Upload>> SqliteStore::upload(net::Loop&, Account, std::uint64_t) {
    co_return make_upload(shared_);
}

namespace {

base::Result<std::vector<std::shared_ptr<const Staged>>> stage_all(const std::shared_ptr<Shared>& shared,
                                                                   const std::vector<NewMessage>& messages) {
    std::vector<std::shared_ptr<const Staged>> out;
    for (const auto& message : messages) {
        auto made = stage(shared, message);
        if (!made) return std::unexpected(made.error());
        out.push_back(*std::move(made));
    }
    return out;
}

base::Result<std::vector<Added>> take_messages(OpenAccount& open, Account& turns, MailboxId mailbox,
                                               const std::vector<NewMessage>& messages,
                                               const std::vector<std::shared_ptr<const Staged>>& staged,
                                               const std::optional<Quota>& quota) {
    if (!open.index().mailbox(mailbox)) return no_mailbox();
    std::uint64_t bytes = 0;
    for (const auto& message : messages) bytes += octets(message);
    if (quota && !fits(open.index().counters(), turns.reserved(), bytes, messages.size(), *quota))
        return over_quota(turns.name());
    std::vector<Added> out;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        auto added = open.add(mailbox, messages[i], staged[i].get(), {});
        if (!added) return std::unexpected(added.error());
        out.push_back(*added);
    }
    return out;
}

}  // namespace

Store::Task<std::vector<Added>> SqliteStore::append(net::Loop& loop, Account account, MailboxId mailbox,
                                                    std::vector<NewMessage> messages, std::optional<Quota> quota) {
    using AllStaged = std::vector<std::shared_ptr<const Staged>>;
    auto turns = find(account);
    if (!turns) co_return stopping();
    auto make = [shared = shared_, messages] { return stage_all(shared, messages); };
    base::Result<AllStaged> staged = co_await net::offload(loop, shared_->pool, std::move(make));
    if (!staged) co_return std::unexpected(staged.error());
    auto take = [turns, mailbox, messages = std::move(messages), staged = *std::move(staged), quota](
                    OpenAccount& open) { return take_messages(open, *turns, mailbox, messages, staged, quota); };
    co_return co_await in_turn<std::vector<Added>>(loop, std::move(account), Work::Kind::write, std::move(take));
}

// ---- calls that are one call of the index

Store::Task<std::vector<Mailbox>> SqliteStore::mailboxes(net::Loop& loop, Account account) {
    auto call = [](OpenAccount& open) -> base::Result<std::vector<Mailbox>> { return open.index().mailboxes(); };
    co_return co_await in_turn<std::vector<Mailbox>>(loop, std::move(account), Work::Kind::read, std::move(call));
}

namespace {

base::Result<Mailbox> find_mailbox(Index& index, std::string_view given) {
    const auto name = mailbox_name(given);
    auto box = name ? index.mailbox(std::string_view(*name)) : std::nullopt;
    if (!box) return no_mailbox();
    return *std::move(box);
}

}  // namespace

Store::Task<Mailbox> SqliteStore::mailbox(net::Loop& loop, Account account, std::string name) {
    auto call = [name = std::move(name)](OpenAccount& open) { return find_mailbox(open.index(), name); };
    co_return co_await in_turn<Mailbox>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<Mailbox> SqliteStore::create_mailbox(net::Loop& loop, Account account, std::string name, Role role) {
    auto call = [name = std::move(name), role](OpenAccount& open) { return open.index().create(name, role); };
    co_return co_await in_turn<Mailbox>(loop, std::move(account), Work::Kind::write, std::move(call));
}

Store::Task<void> SqliteStore::rename_mailbox(net::Loop& loop, Account account, std::string from, std::string to) {
    auto call = [from = std::move(from), to = std::move(to)](OpenAccount& open) {
        return open.index().rename(from, to);
    };
    co_return co_await in_turn<void>(loop, std::move(account), Work::Kind::bulk, std::move(call));
}

Store::Task<void> SqliteStore::remove_mailbox(net::Loop& loop, Account account, std::string name) {
    auto call = [name = std::move(name)](OpenAccount& open) { return open.index().remove(name); };
    co_return co_await in_turn<void>(loop, std::move(account), Work::Kind::write, std::move(call));
}

Store::Task<void> SqliteStore::set_role(net::Loop& loop, Account account, MailboxId mailbox, Role role) {
    auto call = [mailbox, role](OpenAccount& open) { return open.index().set_role(mailbox, role); };
    co_return co_await in_turn<void>(loop, std::move(account), Work::Kind::write, std::move(call));
}

Store::Task<void> SqliteStore::set_sort_order(net::Loop& loop, Account account, MailboxId mailbox,
                                              std::uint32_t order) {
    auto call = [mailbox, order](OpenAccount& open) { return open.index().set_sort_order(mailbox, order); };
    co_return co_await in_turn<void>(loop, std::move(account), Work::Kind::write, std::move(call));
}

Store::Task<void> SqliteStore::subscribe(net::Loop& loop, Account account, std::string name, bool on) {
    auto call = [name = std::move(name), on](OpenAccount& open) { return open.index().subscribe(name, on); };
    co_return co_await in_turn<void>(loop, std::move(account), Work::Kind::write, std::move(call));
}

Store::Task<std::vector<std::string>> SqliteStore::subscriptions(net::Loop& loop, Account account) {
    auto call = [](OpenAccount& open) -> base::Result<std::vector<std::string>> {
        return open.index().subscriptions();
    };
    co_return co_await in_turn<std::vector<std::string>>(loop, std::move(account), Work::Kind::read,
                                                         std::move(call));
}

Store::Task<Snapshot> SqliteStore::snapshot(net::Loop& loop, Account account, MailboxId mailbox) {
    auto call = [mailbox](OpenAccount& open) -> base::Result<Snapshot> { return open.index().snapshot(mailbox); };
    co_return co_await in_turn<Snapshot>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<std::vector<Message>> SqliteStore::messages(net::Loop& loop, Account account, UidScope mailbox,
                                                        UidSet uids, bool summaries) {
    auto call = [mailbox, uids = std::move(uids), summaries](OpenAccount& open) {
        return open.index().messages(mailbox, uids, summaries);
    };
    co_return co_await in_turn<std::vector<Message>>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<MailboxChanges> SqliteStore::changes(net::Loop& loop, Account account, UidScope mailbox, ModSeq since) {
    auto call = [mailbox, since](OpenAccount& open) { return open.index().changes(mailbox, since); };
    co_return co_await in_turn<MailboxChanges>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<std::shared_ptr<Body>> SqliteStore::open(net::Loop& loop, Account account, EmailId email) {
    auto call = [email](OpenAccount& open) { return open.open_body(email); };
    co_return co_await in_turn<std::shared_ptr<Body>>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<Store::Opened> SqliteStore::open_all(net::Loop& loop, Account account, std::vector<EmailId> emails) {
    auto call = [emails = std::move(emails)](OpenAccount& open) -> base::Result<Opened> {
        Opened out;
        for (const auto email : emails) out.push_back(open.open_body(email));
        return out;
    };
    co_return co_await in_turn<Opened>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<FlagsChanged> SqliteStore::store_flags(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                                   FlagChange change) {
    auto call = [mailbox, uids = std::move(uids), change = std::move(change)](OpenAccount& open) {
        return open.index().store_flags(mailbox, uids, change);
    };
    co_return co_await in_turn<FlagsChanged>(loop, std::move(account), Work::Kind::write, std::move(call));
}

Store::Task<Copied> SqliteStore::copy(net::Loop& loop, Account account, UidScope from, UidSet uids, MailboxId to) {
    auto call = [from, uids = std::move(uids), to](OpenAccount& open) { return open.index().copy(from, uids, to); };
    co_return co_await in_turn<Copied>(loop, std::move(account), Work::Kind::bulk, std::move(call));
}

Store::Task<Copied> SqliteStore::move(net::Loop& loop, Account account, UidScope from, UidSet uids, MailboxId to) {
    auto call = [from, uids = std::move(uids), to](OpenAccount& open) { return open.index().move(from, uids, to); };
    co_return co_await in_turn<Copied>(loop, std::move(account), Work::Kind::bulk, std::move(call));
}

Store::Task<Expunged> SqliteStore::expunge(net::Loop& loop, Account account, UidScope mailbox, UidSet uids,
                                           bool only_deleted) {
    auto call = [mailbox, uids = std::move(uids), only_deleted](OpenAccount& open) {
        return open.index().expunge(mailbox, uids, only_deleted);
    };
    co_return co_await in_turn<Expunged>(loop, std::move(account), Work::Kind::write, std::move(call));
}

Store::Task<std::vector<Email>> SqliteStore::emails(net::Loop& loop, Account account, std::vector<EmailId> ids,
                                                    bool summaries) {
    auto call = [ids = std::move(ids), summaries](OpenAccount& open) -> base::Result<std::vector<Email>> {
        return open.index().emails(ids, summaries);
    };
    co_return co_await in_turn<std::vector<Email>>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<std::vector<EmailId>> SqliteStore::thread(net::Loop& loop, Account account, ThreadId thread) {
    auto call = [thread](OpenAccount& open) -> base::Result<std::vector<EmailId>> {
        return open.index().thread(thread);
    };
    co_return co_await in_turn<std::vector<EmailId>>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<AccountChanges> SqliteStore::account_changes(net::Loop& loop, Account account, ModSeq since,
                                                         std::size_t limit) {
    auto call = [since, limit](OpenAccount& open) -> base::Result<AccountChanges> {
        return open.index().account_changes(since, limit);
    };
    co_return co_await in_turn<AccountChanges>(loop, std::move(account), Work::Kind::read, std::move(call));
}

Store::Task<ModSeq> SqliteStore::refile(net::Loop& loop, Account account, std::vector<EmailId> emails,
                                        std::vector<MailboxId> add, std::vector<MailboxId> remove) {
    auto call = [emails = std::move(emails), add = std::move(add), remove = std::move(remove)](OpenAccount& open) {
        return open.index().refile(emails, add, remove);
    };
    co_return co_await in_turn<ModSeq>(loop, std::move(account), Work::Kind::bulk, std::move(call));
}

Store::Task<ModSeq> SqliteStore::store_email_flags(net::Loop& loop, Account account, std::vector<EmailId> emails,
                                                   FlagChange change) {
    auto call = [emails = std::move(emails), change = std::move(change)](OpenAccount& open) {
        return open.index().store_email_flags(emails, change);
    };
    co_return co_await in_turn<ModSeq>(loop, std::move(account), Work::Kind::write, std::move(call));
}

std::unique_ptr<Subscription> SqliteStore::watch(net::Loop& loop, const Account& account,
                                                 std::function<void(const Notice&)> tell) {
    return shared_->watchers.add(loop, account, std::move(tell));
}

}  // namespace posthorn::store
