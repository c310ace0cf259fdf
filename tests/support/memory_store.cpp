#include "tests/support/memory_store.hpp"

#include <algorithm>
#include <cerrno>

#include "base/ascii.hpp"
#include "store/text_match.hpp"

namespace posthorn::test {

using namespace posthorn::store;

namespace {

std::unexpected<base::Error> refuse(int code, std::string what) {
    const bool quota = code == EDQUOT;
    return std::unexpected(base::Error{base::ErrorKind::permanent, quota ? "5.2.2" : "5.0.0",
                                       quota ? "Mailbox full" : "Not possible", std::move(what), code});
}

std::string bytes_of(const Source& source) {
    std::string all(source.size(), '\0');
    std::size_t done = 0;
    while (done < all.size()) {
        const auto piece = std::min(kPiece, all.size() - done);
        const auto got = source.read_at(done, std::span(all).subspan(done, piece));
        if (!got || *got == 0) break;
        done += *got;
    }
    all.resize(done);
    return all;
}

class MemoryBody final : public Body {
public:
    explicit MemoryBody(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
    std::uint64_t size() const override { return bytes_->size(); }
    std::optional<std::string_view> memory() const override {
        if (bytes_->size() > kPiece) return std::nullopt;
        return *bytes_;
    }
    net::Task<base::Result<std::string>> read(net::Loop&, std::uint64_t offset, std::size_t count) override {
        co_return offset >= bytes_->size() ? std::string() : bytes_->substr(offset, std::min(count, kPiece));
    }

private:
    std::shared_ptr<const std::string> bytes_;
};

class MemoryUpload final : public Upload {
public:
    net::Task<base::Result<void>> write(net::Loop&, std::string bytes) override {
        bytes_ += bytes;
        co_return base::Result<void>();
    }
    std::uint64_t size() const override { return bytes_.size(); }
    std::shared_ptr<const Source> finish() override { return std::make_shared<MemorySource>(std::move(bytes_)); }

private:
    std::string bytes_;
};

struct StoredEmail {
    std::shared_ptr<const std::string> bytes;
    base::WallTime received{};
    std::string summary;
    ThreadId thread = 0;
    std::size_t memberships = 0;
};

struct Member {
    EmailId email = 0;
    ModSeq modseq = 0;
    Flags flags = 0;
};

struct Box {
    Mailbox meta;
    std::map<Uid, Member> members;
};

// What one command did.
struct Happened {
    enum class Kind : std::uint8_t { added, changed, removed, box_created, box_updated, box_destroyed };
    ModSeq modseq = 0;
    Kind kind = Kind::added;
    MailboxId mailbox = 0;
    UidSet uids;
    IdSet created, updated, destroyed, threads;
};

bool below(std::string_view name, std::string_view parent) {
    return name.size() > parent.size() && name.starts_with(parent) && name[parent.size()] == kSeparator;
}

}  // namespace

struct MemoryStore::State {
    State() {
        for (const auto& [title, role] :
             std::initializer_list<std::pair<const char*, Role>>{{"INBOX", Role::inbox},
                                                                 {"Drafts", Role::drafts},
                                                                 {"Sent", Role::sent},
                                                                 {"Junk", Role::junk},
                                                                 {"Trash", Role::trash},
                                                                 {"Archive", Role::archive}}) {
            make_box(title, role);
            subscriptions.insert(title);
        }
    }

    ModSeq modseq = 0;
    std::uint64_t next_id = 1;
    Keywords keywords;
    std::map<MailboxId, Box> boxes;
    std::map<EmailId, StoredEmail> emails;
    std::map<std::string, ThreadId> threads;
    std::set<std::string> subscriptions;
    std::map<base::Ulid, bool> deliveries;
    std::map<base::Ulid, std::uint64_t> reserved;
    std::vector<Happened> log;
    std::vector<MailboxId> touched;  // by the call under way

    // ---- the log
    Happened row(Happened::Kind kind, MailboxId mailbox) const {
        Happened out;
        out.modseq = modseq;
        out.kind = kind;
        out.mailbox = mailbox;
        return out;
    }
    void keep(Happened row) {
        if (std::ranges::find(touched, row.mailbox) == touched.end()) touched.push_back(row.mailbox);
        log.push_back(std::move(row));
    }
    void note(Happened::Kind kind, MailboxId mailbox) { keep(row(kind, mailbox)); }

    // ---- mailboxes
    Mailbox shown(const Box& box) const {
        Mailbox out = box.meta;
        out.subscribed = subscriptions.contains(out.name);
        out.messages = box.members.size();
        for (const auto& [uid, member] : box.members) {
            out.unseen += (member.flags & flag::seen) == 0;
            out.deleted += (member.flags & flag::deleted) != 0;
            out.bytes += emails.at(member.email).bytes->size();
        }
        return out;
    }
    Box& make_box(std::string title, Role role) {
        ++modseq;
        const auto id = next_id++;
        auto& box = boxes[id];
        box.meta = {.id = id,
                    .name = std::move(title),
                    .role = role,
                    .uid_validity = static_cast<UidValidity>(1000 + id),
                    .highest_modseq = modseq};
        note(Happened::Kind::box_created, id);
        return box;
    }
    Box* find(std::string_view title) {
        for (auto& [id, box] : boxes) {
            if (box.meta.name == title) return &box;
        }
        return nullptr;
    }
    Box* find(MailboxId id) {
        const auto found = boxes.find(id);
        return found == boxes.end() ? nullptr : &found->second;
    }
    base::Result<Box*> find(UidScope scope) {
        auto* box = find(scope.mailbox);
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        if (box->meta.uid_validity != scope.validity) return refuse(ESTALE, "its UIDs are others now");
        return box;
    }
    base::Result<Box*> create(std::string_view given, Role role) {
        const auto title = mailbox_name(given);
        if (!title) return refuse(EINVAL, "no name of a mailbox");
        if (find(*title) != nullptr) return refuse(EEXIST, "there is a mailbox " + *title);
        for (auto slash = title->find(kSeparator); slash != std::string::npos;
             slash = title->find(kSeparator, slash + 1)) {
            if (find(title->substr(0, slash)) == nullptr) make_box(title->substr(0, slash), Role::none);
        }
        take_role(role);
        return &make_box(*title, role);
    }
    void take_role(Role role) {
        for (auto& [id, box] : boxes) {
            if (role == Role::none || box.meta.role != role) continue;
            box.meta.role = Role::none;
            note(Happened::Kind::box_updated, id);
        }
    }

    // ---- messages
    Flags bits(Flags system, const Keywords& names, bool make) {
        Flags out = system & flag::system;
        for (const auto& keyword : names) {
            auto found = std::ranges::find_if(keywords, [&](const auto& k) { return base::iequals(k, keyword); });
            if (found == keywords.end()) {
                if (!make) continue;
                found = keywords.insert(found, keyword);
            }
            out |= flag::keyword(static_cast<unsigned>(found - keywords.begin()));
        }
        return out;
    }
    bool room_for(const Keywords& names) {
        auto missing = keywords.size();
        for (const auto& keyword : names) {
            missing +=
                std::ranges::none_of(keywords, [&](const auto& k) { return base::iequals(k, keyword); }) ? 1 : 0;
        }
        return missing <= flag::max_keywords;
    }
    AccountState usage() const {
        AccountState out;
        out.modseq = modseq;
        out.keywords = keywords;
        for (const auto& [id, email] : emails) {
            out.bytes += email.bytes->size();
            ++out.messages;
        }
        for (const auto& [id, bytes] : reserved) {
            out.reserved_bytes += bytes;
            ++out.reserved_messages;
        }
        return out;
    }
    bool fits(std::uint64_t bytes, std::uint64_t count, const Quota& quota) const {
        const auto used = usage();
        return (quota.bytes == 0 || used.bytes + used.reserved_bytes + bytes <= quota.bytes) &&
               (quota.messages == 0 || used.messages + used.reserved_messages + count <= quota.messages);
    }
    ThreadId thread_of(const std::vector<std::string>& all_keys, EmailId email) {
        const auto skip = all_keys.size() > kMaxThreadKeys ? all_keys.size() - kMaxThreadKeys : 0;
        const std::span keys(all_keys.begin() + static_cast<std::ptrdiff_t>(skip), all_keys.end());
        ThreadId thread = 0;
        for (const auto& key : keys) {
            if (const auto found = threads.find(key); found != threads.end()) thread = found->second;
        }
        if (thread == 0) thread = email;
        for (const auto& key : keys) threads.emplace(key, thread);
        return thread;
    }
    Uid join(Box& box, EmailId email, Flags flags) {
        const auto uid = box.meta.uid_next++;
        box.members[uid] = {email, modseq, flags};
        box.meta.highest_modseq = modseq;
        ++emails.at(email).memberships;
        return uid;
    }
    Added add(Box& box, const NewMessage& message) {
        ++modseq;
        const auto id = next_id++;
        auto& email = emails[id];
        email.bytes = std::make_shared<const std::string>(message.prefix + bytes_of(*message.body));
        email.received = message.received;
        if (message.summary) email.summary = *message.summary;
        email.thread = thread_of(message.thread_keys, id);
        const auto uid = join(box, id, bits(message.system, message.keywords, true));
        auto happened = row(Happened::Kind::added, box.meta.id);
        happened.uids.add(uid);
        happened.created.add(id);
        happened.threads.add(email.thread);
        keep(std::move(happened));
        return {box.meta.uid_validity, box.meta.id, uid, id, email.thread, modseq, false};
    }
    // The membership goes; the email, too, when it was its last.
    void part(Box& box, Uid uid, Happened& row) {
        const auto id = box.members.at(uid).email;
        box.members.erase(uid);
        box.meta.highest_modseq = modseq;
        row.uids.add(uid);
        auto& email = emails.at(id);
        if (--email.memberships > 0) {
            row.updated.add(id);
            return;
        }
        row.threads.add(email.thread);
        row.destroyed.add(id);
        emails.erase(id);
    }
    Entry entry(Uid uid, const Member& member) const {
        return {member.email, member.modseq, member.flags, emails.at(member.email).bytes->size(), uid};
    }
    Flags changed(Flags now, Flags given, FlagChange::How how) const {
        switch (how) {
            case FlagChange::How::add: return now | given;
            case FlagChange::How::remove: return now & ~given;
            case FlagChange::How::replace: return given;
        }
        return now;
    }
};

MemoryStore::MemoryStore() = default;
MemoryStore::~MemoryStore() = default;

template <class T, class F>
base::Result<T> MemoryStore::with(const Account& account, F&& fn) {
    std::optional<base::Result<T>> result;
    ModSeq modseq = 0;
    std::vector<MailboxId> touched;
    if (before_) before_();
    {
        const std::lock_guard lock(mutex_);
        if (failure_) return std::unexpected(*failure_);
        auto& state = accounts_[account];
        if (!state) state = std::make_unique<State>();
        state->touched.clear();
        result.emplace(fn(*state));
        modseq = state->modseq;
        touched = state->touched;
    }
    if (!touched.empty()) watchers_.tell(account, modseq, touched);
    return *std::move(result);
}

void MemoryStore::fail_with(std::optional<base::Error> error) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(error);
}

void MemoryStore::number_anew(const Account& account) {
    ModSeq modseq = 0;
    std::vector<MailboxId> touched;
    {
        const std::lock_guard lock(mutex_);
        auto& state = *accounts_.at(account);
        modseq = ++state.modseq;
        for (auto& [id, box] : state.boxes) {
            box.meta.uid_validity += 1000;
            touched.push_back(id);
        }
    }
    watchers_.tell(account, modseq, touched);
}

std::vector<std::string> MemoryStore::content(const Account& account, std::string_view mailbox) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    const auto found = accounts_.find(account);
    if (found == accounts_.end()) return out;
    if (const auto* box = found->second->find(mailbox)) {
        for (const auto& [uid, member] : box->members) out.push_back(*found->second->emails.at(member.email).bytes);
    }
    return out;
}

// ---- accounts

MemoryStore::Task<std::vector<mail::AccountName>> MemoryStore::accounts(net::Loop&) {
    const std::lock_guard lock(mutex_);
    if (failure_) co_return std::unexpected(*failure_);
    std::vector<Account> out;
    for (const auto& [name, state] : accounts_) out.push_back(name);
    co_return out;
}

MemoryStore::Task<AccountState> MemoryStore::state(net::Loop&, Account account) {
    co_return with<AccountState>(account, [](State& s) { return s.usage(); });
}

MemoryStore::Task<void> MemoryStore::remove_account(net::Loop&, Account account) {
    const std::lock_guard lock(mutex_);
    if (failure_) co_return std::unexpected(*failure_);
    if (accounts_.erase(account) == 0) co_return refuse(ENOENT, "no such account");
    co_return base::Result<void>();
}

// ---- mail comes in

MemoryStore::Task<Added> MemoryStore::deliver(net::Loop&, Account account, Delivery delivery) {
    co_return with<Added>(account, [&](State& s) -> base::Result<Added> {
        if (s.deliveries.contains(delivery.id)) return Added{.modseq = s.modseq, .duplicate = true};
        if (!s.room_for(delivery.message.keywords)) return refuse(ENOSPC, "too many keywords");
        const auto size = delivery.message.prefix.size() + delivery.message.body->size();
        const bool promised = s.reserved.contains(delivery.id);
        if (!promised && delivery.quota && !s.fits(size, 1, *delivery.quota)) return refuse(EDQUOT, "over quota");
        s.reserved.erase(delivery.id);
        const auto title = mailbox_name(delivery.mailbox);
        auto* box = title ? s.find(*title) : nullptr;
        if (box == nullptr && title && delivery.create_mailbox) box = *s.create(*title, Role::none);
        if (box == nullptr) box = s.find("INBOX");
        s.deliveries[delivery.id] = true;
        return s.add(*box, delivery.message);
    });
}

MemoryStore::Task<void> MemoryStore::reserve(net::Loop&, Account account, base::Ulid id, std::uint64_t bytes,
                                             Quota quota) {
    co_return with<void>(account, [&](State& s) -> base::Result<void> {
        s.reserved.erase(id);
        if (!s.fits(bytes, 1, quota)) return refuse(EDQUOT, "over quota");
        s.reserved[id] = bytes;
        return {};
    });
}

void MemoryStore::release(const Account& account, const base::Ulid& id) {
    const std::lock_guard lock(mutex_);
    const auto found = accounts_.find(account);
    if (found != accounts_.end()) found->second->reserved.erase(id);
}

void MemoryStore::settled(const base::Ulid& id) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, state] : accounts_) state->reserved.erase(id);
}

void MemoryStore::forget_deliveries(base::WallTime before) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, state] : accounts_)
        std::erase_if(state->deliveries, [&](const auto& one) { return one.first.time() < before; });
}

MemoryStore::Task<std::unique_ptr<Upload>> MemoryStore::upload(net::Loop&, Account, std::uint64_t) {
    const std::lock_guard lock(mutex_);
    if (failure_) co_return std::unexpected(*failure_);
    co_return std::make_unique<MemoryUpload>();
}

MemoryStore::Task<std::vector<Added>> MemoryStore::append(net::Loop&, Account account, MailboxId mailbox,
                                                          std::vector<NewMessage> messages,
                                                          std::optional<Quota> quota) {
    co_return with<std::vector<Added>>(account, [&](State& s) -> base::Result<std::vector<Added>> {
        auto* box = s.find(mailbox);
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        std::uint64_t bytes = 0;
        Keywords all;
        for (const auto& message : messages) {
            bytes += message.prefix.size() + message.body->size();
            for (const auto& keyword : message.keywords) {
                if (std::ranges::none_of(all, [&](const auto& k) { return base::iequals(k, keyword); }))
                    all.push_back(keyword);
            }
        }
        if (!s.room_for(all)) return refuse(ENOSPC, "too many keywords");
        if (quota && !s.fits(bytes, messages.size(), *quota)) return refuse(EDQUOT, "over quota");
        std::vector<Added> out;
        for (const auto& message : messages) out.push_back(s.add(*box, message));
        return out;
    });
}

// ---- mailboxes

MemoryStore::Task<std::vector<Mailbox>> MemoryStore::mailboxes(net::Loop&, Account account) {
    co_return with<std::vector<Mailbox>>(account, [](State& s) {
        std::vector<Mailbox> out;
        for (const auto& [id, box] : s.boxes) out.push_back(s.shown(box));
        std::ranges::sort(out, {}, &Mailbox::name);
        return out;
    });
}

MemoryStore::Task<Mailbox> MemoryStore::mailbox(net::Loop&, Account account, std::string name) {
    co_return with<Mailbox>(account, [&](State& s) -> base::Result<Mailbox> {
        const auto title = mailbox_name(name);
        const auto* box = title ? s.find(*title) : nullptr;
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        return s.shown(*box);
    });
}

MemoryStore::Task<Mailbox> MemoryStore::create_mailbox(net::Loop&, Account account, std::string name, Role role) {
    co_return with<Mailbox>(account, [&](State& s) -> base::Result<Mailbox> {
        const auto made = s.create(name, role);
        if (!made) return std::unexpected(made.error());
        return s.shown(**made);
    });
}

MemoryStore::Task<void> MemoryStore::rename_mailbox(net::Loop&, Account account, std::string from, std::string to) {
    co_return with<void>(account, [&](State& s) -> base::Result<void> {
        const auto old_name = mailbox_name(from);
        const auto title = mailbox_name(to);
        auto* box = old_name ? s.find(*old_name) : nullptr;
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        if (!title || below(*title, *old_name)) return refuse(EINVAL, "no name for it");
        if (*old_name == "INBOX") {
            auto made = s.create(*title, Role::none);
            if (!made) return std::unexpected(made.error());
            ++s.modseq;
            const auto members = box->members;
            auto in = s.row(Happened::Kind::added, (*made)->meta.id);
            auto out = s.row(Happened::Kind::removed, box->meta.id);
            for (const auto& [uid, member] : members) {
                in.uids.add(s.join(**made, member.email, member.flags));
                s.part(*box, uid, out);
            }
            if (in.uids.empty()) return {};
            s.keep(std::move(in));
            s.keep(std::move(out));
            return {};
        }
        std::vector<std::pair<MailboxId, std::string>> renamed;
        for (const auto& [id, one] : s.boxes) {
            if (one.meta.name != *old_name && !below(one.meta.name, *old_name)) continue;
            auto fresh = *title + one.meta.name.substr(old_name->size());
            if (s.find(fresh) != nullptr) return refuse(EEXIST, "there is a mailbox " + fresh);
            renamed.emplace_back(id, std::move(fresh));
        }
        for (auto slash = title->find(kSeparator); slash != std::string::npos;
             slash = title->find(kSeparator, slash + 1)) {
            if (s.find(title->substr(0, slash)) == nullptr) s.make_box(title->substr(0, slash), Role::none);
        }
        ++s.modseq;
        for (auto& [id, fresh] : renamed) {
            auto& meta = s.find(id)->meta;
            if (s.subscriptions.erase(meta.name) > 0) s.subscriptions.insert(fresh);
            meta.name = std::move(fresh);
            s.note(Happened::Kind::box_updated, id);
        }
        return {};
    });
}

MemoryStore::Task<void> MemoryStore::remove_mailbox(net::Loop&, Account account, std::string name) {
    co_return with<void>(account, [&](State& s) -> base::Result<void> {
        const auto title = mailbox_name(name);
        auto* box = title ? s.find(*title) : nullptr;
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        if (*title == "INBOX") return refuse(EPERM, "INBOX stays");
        ++s.modseq;
        const auto id = box->meta.id;
        if (!box->members.empty()) {
            auto row = s.row(Happened::Kind::removed, id);
            while (!box->members.empty()) s.part(*box, box->members.begin()->first, row);
            s.keep(std::move(row));
        }
        s.boxes.erase(id);
        s.note(Happened::Kind::box_destroyed, id);
        return {};
    });
}

MemoryStore::Task<void> MemoryStore::set_role(net::Loop&, Account account, MailboxId mailbox, Role role) {
    co_return with<void>(account, [&](State& s) -> base::Result<void> {
        auto* box = s.find(mailbox);
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        if (box->meta.role == Role::inbox || role == Role::inbox) return refuse(EPERM, "INBOX stays what it is");
        ++s.modseq;
        s.take_role(role);
        box->meta.role = role;
        s.note(Happened::Kind::box_updated, mailbox);
        return {};
    });
}

MemoryStore::Task<void> MemoryStore::set_sort_order(net::Loop&, Account account, MailboxId mailbox,
                                                    std::uint32_t order) {
    co_return with<void>(account, [&](State& s) -> base::Result<void> {
        auto* box = s.find(mailbox);
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        ++s.modseq;
        box->meta.sort_order = order;
        s.note(Happened::Kind::box_updated, mailbox);
        return {};
    });
}

MemoryStore::Task<void> MemoryStore::subscribe(net::Loop&, Account account, std::string name, bool on) {
    co_return with<void>(account, [&](State& s) -> base::Result<void> {
        const auto title = mailbox_name(name);
        if (!title) return refuse(EINVAL, "no name of a mailbox");
        if (s.subscriptions.contains(*title) == on) return {};
        if (on)
            s.subscriptions.insert(*title);
        else
            s.subscriptions.erase(*title);
        if (const auto* box = s.find(*title)) {
            ++s.modseq;
            s.note(Happened::Kind::box_updated, box->meta.id);
        }
        return {};
    });
}

MemoryStore::Task<std::vector<std::string>> MemoryStore::subscriptions(net::Loop&, Account account) {
    co_return with<std::vector<std::string>>(
        account, [](State& s) { return std::vector<std::string>(s.subscriptions.begin(), s.subscriptions.end()); });
}

// ---- looking into a mailbox

MemoryStore::Task<Snapshot> MemoryStore::snapshot(net::Loop&, Account account, MailboxId mailbox) {
    co_return with<Snapshot>(account, [&](State& s) -> base::Result<Snapshot> {
        const auto* box = s.find(mailbox);
        if (box == nullptr) return refuse(ENOENT, "no such mailbox");
        Snapshot out{.mailbox = s.shown(*box), .entries = {}, .keywords = s.keywords};
        for (const auto& [uid, member] : box->members) out.entries.push_back(s.entry(uid, member));
        return out;
    });
}

MemoryStore::Task<std::vector<Message>> MemoryStore::messages(net::Loop&, Account account, UidScope mailbox,
                                                              UidSet uids, bool summaries) {
    co_return with<std::vector<Message>>(account, [&](State& s) -> base::Result<std::vector<Message>> {
        const auto found = s.find(mailbox);
        if (!found) return std::unexpected(found.error());
        auto* box = *found;
        std::vector<Message> out;
        for (const auto& [uid, member] : box->members) {
            if (!uids.contains(uid)) continue;
            const auto& email = s.emails.at(member.email);
            out.push_back({s.entry(uid, member), email.received, email.thread, summaries ? email.summary : ""});
        }
        return out;
    });
}

MemoryStore::Task<MailboxChanges> MemoryStore::changes(net::Loop&, Account account, UidScope mailbox,
                                                       ModSeq since) {
    co_return with<MailboxChanges>(account, [&](State& s) -> base::Result<MailboxChanges> {
        const auto found = s.find(mailbox);
        if (!found) return std::unexpected(found.error());
        auto* box = *found;
        MailboxChanges out{.mailbox = s.shown(*box), .changed = {}, .vanished = {}, .keywords = s.keywords};
        for (const auto& [uid, member] : box->members) {
            if (member.modseq > since) out.changed.push_back(s.entry(uid, member));
        }
        for (const auto& row : s.log) {
            if (row.modseq > since && row.mailbox == mailbox.mailbox && row.kind == Happened::Kind::removed)
                out.vanished.add(row.uids);
        }
        return out;
    });
}

MemoryStore::Task<std::shared_ptr<Body>> MemoryStore::open(net::Loop&, Account account, EmailId email) {
    co_return with<std::shared_ptr<Body>>(account, [&](State& s) -> base::Result<std::shared_ptr<Body>> {
        const auto found = s.emails.find(email);
        if (found == s.emails.end()) return refuse(ENOENT, "no such email");
        return std::make_shared<MemoryBody>(found->second.bytes);
    });
}

// ---- full text

namespace {

// Reads them all, a few at a call.
class Scan {
public:
    explicit Scan(const TextQuery& query) : needles_(query) { answer_.found.resize(query.size()); }
    void look(std::uint64_t id, const std::string& bytes) {
        if (left_ == 0) return answer_.rest.add(id);
        --left_;
        TextMatcher matcher(needles_);
        mail::SearchText text(matcher);
        text.feed(bytes);
        text.finish();
        for (std::size_t key = 0; key < answer_.found.size(); ++key) {
            if (matcher.matches(key)) answer_.found[key].add(id);
        }
    }
    TextAnswer take() { return std::move(answer_); }

private:
    Needles needles_;
    TextAnswer answer_;
    std::size_t left_ = 50;
};

}  // namespace

MemoryStore::Task<TextAnswer> MemoryStore::search(net::Loop&, Account account, UidScope mailbox, UidSet uids,
                                                  TextQuery query) {
    co_return with<TextAnswer>(account, [&](State& s) -> base::Result<TextAnswer> {
        const auto box = s.find(mailbox);
        if (!box) return std::unexpected(box.error());
        Scan scan(query);
        for (const auto& [uid, member] : (*box)->members) {
            if (uids.contains(uid)) scan.look(uid, *s.emails.at(member.email).bytes);
        }
        return scan.take();
    });
}

MemoryStore::Task<TextAnswer> MemoryStore::search_emails(net::Loop&, Account account, IdSet emails,
                                                         TextQuery query) {
    co_return with<TextAnswer>(account, [&](State& s) -> base::Result<TextAnswer> {
        Scan scan(query);
        for (const auto& [id, email] : s.emails) {
            if (emails.contains(id)) scan.look(id, *email.bytes);
        }
        return scan.take();
    });
}

// ---- changing what is in it

MemoryStore::Task<FlagsChanged> MemoryStore::store_flags(net::Loop&, Account account, UidScope mailbox, UidSet uids,
                                                         FlagChange change) {
    co_return with<FlagsChanged>(account, [&](State& s) -> base::Result<FlagsChanged> {
        const auto found = s.find(mailbox);
        if (!found) return std::unexpected(found.error());
        auto* box = *found;
        const bool make = change.how != FlagChange::How::remove;
        if (make && !s.room_for(change.keywords)) return refuse(ENOSPC, "too many keywords");
        const auto given = s.bits(change.system, change.keywords, make);
        FlagsChanged out;
        UidSet touched;
        IdSet emails;
        for (auto& [uid, member] : box->members) {
            if (!uids.contains(uid)) continue;
            if (change.unchanged_since && member.modseq > *change.unchanged_since) {
                out.modified.add(uid);
                continue;
            }
            const auto flags = s.changed(member.flags, given, change.how);
            if (flags != member.flags) {
                member.flags = flags;
                member.modseq = s.modseq + 1;
                touched.add(uid);
                emails.add(member.email);
            }
            out.entries.push_back(s.entry(uid, member));
        }
        if (!touched.empty()) {
            box->meta.highest_modseq = ++s.modseq;
            auto row = s.row(Happened::Kind::changed, mailbox.mailbox);
            row.uids = touched;
            row.updated = emails;
            s.keep(std::move(row));
        }
        out.modseq = box->meta.highest_modseq;
        out.keywords = s.keywords;
        return out;
    });
}

MemoryStore::Task<Copied> MemoryStore::copy(net::Loop&, Account account, UidScope from, UidSet uids, MailboxId to) {
    co_return with<Copied>(account, [&](State& s) -> base::Result<Copied> {
        const auto found = s.find(from);
        if (!found) return std::unexpected(found.error());
        auto* source = *found;
        auto* target = s.find(to);
        if (target == nullptr) return refuse(ENOENT, "no such mailbox");
        Copied out{.uid_validity = target->meta.uid_validity, .uids = {}};
        const auto members = source->members;  // it may be the same mailbox
        std::vector<std::pair<Uid, Member>> chosen;
        for (const auto& one : members) {
            if (uids.contains(one.first)) chosen.push_back(one);
        }
        if (!chosen.empty()) {
            ++s.modseq;
            auto row = s.row(Happened::Kind::added, to);
            for (const auto& [uid, member] : chosen) {
                const auto fresh = s.join(*target, member.email, member.flags);
                row.uids.add(fresh);
                row.updated.add(member.email);
                out.uids.emplace_back(uid, fresh);
            }
            s.keep(std::move(row));
        }
        out.modseq = s.modseq;
        return out;
    });
}

MemoryStore::Task<Copied> MemoryStore::move(net::Loop&, Account account, UidScope from, UidSet uids, MailboxId to) {
    co_return with<Copied>(account, [&](State& s) -> base::Result<Copied> {
        const auto found = s.find(from);
        if (!found) return std::unexpected(found.error());
        auto* source = *found;
        auto* target = s.find(to);
        if (target == nullptr) return refuse(ENOENT, "no such mailbox");
        Copied out{.uid_validity = target->meta.uid_validity, .uids = {}};
        std::vector<std::pair<Uid, Member>> chosen;
        for (const auto& one : source->members) {
            if (uids.contains(one.first)) chosen.push_back(one);
        }
        if (!chosen.empty()) {
            ++s.modseq;
            auto in = s.row(Happened::Kind::added, to);
            auto gone = s.row(Happened::Kind::removed, from.mailbox);
            for (const auto& [uid, member] : chosen) {
                const auto fresh = s.join(*target, member.email, member.flags);
                in.uids.add(fresh);
                out.uids.emplace_back(uid, fresh);
                s.part(*source, uid, gone);
            }
            s.keep(std::move(in));
            s.keep(std::move(gone));
        }
        out.modseq = s.modseq;
        return out;
    });
}

MemoryStore::Task<Expunged> MemoryStore::expunge(net::Loop&, Account account, UidScope mailbox, UidSet uids,
                                                 bool only_deleted) {
    co_return with<Expunged>(account, [&](State& s) -> base::Result<Expunged> {
        const auto found = s.find(mailbox);
        if (!found) return std::unexpected(found.error());
        auto* box = *found;
        Expunged out;
        for (const auto& [uid, member] : box->members) {
            if (uids.contains(uid) && (!only_deleted || (member.flags & flag::deleted) != 0)) out.uids.add(uid);
        }
        if (!out.uids.empty()) {
            ++s.modseq;
            auto row = s.row(Happened::Kind::removed, mailbox.mailbox);
            out.uids.for_each([&](std::uint64_t uid) { s.part(*box, static_cast<Uid>(uid), row); });
            s.keep(std::move(row));
        }
        out.modseq = box->meta.highest_modseq;
        return out;
    });
}

// ---- the same mail as JMAP sees it

MemoryStore::Task<std::vector<Email>> MemoryStore::emails(net::Loop&, Account account, std::vector<EmailId> ids,
                                                          bool summaries) {
    co_return with<std::vector<Email>>(account, [&](State& s) {
        std::vector<Email> out;
        for (const auto id : ids) {
            const auto found = s.emails.find(id);
            if (found == s.emails.end()) continue;
            const auto& email = found->second;
            Email one{id, email.thread, email.bytes->size(), email.received, {}, summaries ? email.summary : ""};
            for (const auto& [box_id, box] : s.boxes) {
                for (const auto& [uid, member] : box.members) {
                    if (member.email == id) one.memberships.push_back({box_id, uid, member.flags});
                }
            }
            out.push_back(std::move(one));
        }
        return out;
    });
}

MemoryStore::Task<std::vector<EmailId>> MemoryStore::thread(net::Loop&, Account account, ThreadId thread) {
    co_return with<std::vector<EmailId>>(account, [&](State& s) {
        std::vector<std::pair<base::WallTime, EmailId>> found;
        for (const auto& [id, email] : s.emails) {
            if (email.thread == thread) found.emplace_back(email.received, id);
        }
        std::ranges::sort(found);
        std::vector<EmailId> out;
        for (const auto& [time, id] : found) out.push_back(id);
        return out;
    });
}

MemoryStore::Task<AccountChanges> MemoryStore::account_changes(net::Loop&, Account account, ModSeq since,
                                                               std::size_t limit) {
    co_return with<AccountChanges>(account, [&](State& s) {
        using Kind = Happened::Kind;
        AccountChanges out;
        out.state = since;
        for (const auto& row : s.log) {
            if (row.modseq <= since) continue;
            if (row.modseq != out.state && out.emails.created.count() + out.emails.updated.count() +
                                                   out.emails.destroyed.count() + out.mailboxes.updated.count() >=
                                               limit) {
                out.more = true;
                break;
            }
            out.state = row.modseq;
            out.emails.created.add(row.created);
            out.emails.updated.add(row.updated);
            out.emails.destroyed.add(row.destroyed);
            out.threads.add(row.threads);
            auto& boxes = row.kind == Kind::box_created     ? out.mailboxes.created
                          : row.kind == Kind::box_destroyed ? out.mailboxes.destroyed
                                                            : out.mailboxes.updated;
            boxes.add(row.mailbox);
        }
        if (!out.more) out.state = s.modseq;
        for (auto* set : {&out.emails, &out.mailboxes}) {
            set->updated.remove(set->created);
            set->updated.remove(set->destroyed);
            IdSet passed;
            set->destroyed.for_each([&](std::uint64_t id) {
                if (set->created.contains(id)) passed.add(id);
            });
            set->created.remove(passed);
            set->destroyed.remove(passed);
        }
        return out;
    });
}

MemoryStore::Task<ModSeq> MemoryStore::refile(net::Loop&, Account account, std::vector<EmailId> emails,
                                              std::vector<MailboxId> add, std::vector<MailboxId> remove) {
    co_return with<ModSeq>(account, [&](State& s) -> base::Result<ModSeq> {
        for (const auto id : emails) {
            if (!s.emails.contains(id)) return refuse(ENOENT, "no such email");
        }
        for (const auto& list : {add, remove}) {
            for (const auto id : list) {
                if (s.find(id) == nullptr) return refuse(ENOENT, "no such mailbox");
            }
        }
        const auto uids_in = [&](Box& box, EmailId id) {
            std::vector<std::pair<Uid, Flags>> out;
            for (const auto& [uid, member] : box.members) {
                if (member.email == id) out.emplace_back(uid, member.flags);
            }
            return out;
        };
        ++s.modseq;
        std::map<EmailId, Flags> flags;
        for (const auto id : emails) {
            for (auto& [box_id, box] : s.boxes) {
                for (const auto& [uid, now] : uids_in(box, id)) flags.try_emplace(id, now);
            }
        }
        for (const auto box_id : add) {
            auto& box = *s.find(box_id);
            auto row = s.row(Happened::Kind::added, box_id);
            for (const auto id : emails) {
                if (!uids_in(box, id).empty()) continue;
                row.uids.add(s.join(box, id, flags[id]));
                row.updated.add(id);
            }
            if (!row.uids.empty()) s.keep(std::move(row));
        }
        for (const auto box_id : remove) {
            auto& box = *s.find(box_id);
            auto row = s.row(Happened::Kind::removed, box_id);
            for (const auto id : emails) {
                for (const auto& [uid, now] : uids_in(box, id)) s.part(box, uid, row);
            }
            if (!row.uids.empty()) s.keep(std::move(row));
        }
        return s.modseq;
    });
}

MemoryStore::Task<ModSeq> MemoryStore::store_email_flags(net::Loop&, Account account, std::vector<EmailId> emails,
                                                         FlagChange change) {
    co_return with<ModSeq>(account, [&](State& s) -> base::Result<ModSeq> {
        for (const auto id : emails) {
            if (!s.emails.contains(id)) return refuse(ENOENT, "no such email");
        }
        const bool make = change.how != FlagChange::How::remove;
        if (make && !s.room_for(change.keywords)) return refuse(ENOSPC, "too many keywords");
        const auto given = s.bits(change.system, change.keywords, make);
        const auto next = s.modseq + 1;
        for (auto& [box_id, box] : s.boxes) {
            UidSet uids;
            IdSet touched;
            for (auto& [uid, member] : box.members) {
                if (std::ranges::find(emails, member.email) == emails.end()) continue;
                const auto flags = s.changed(member.flags, given, change.how);
                if (flags == member.flags) continue;
                member.flags = flags;
                member.modseq = next;
                uids.add(uid);
                touched.add(member.email);
            }
            if (uids.empty()) continue;
            s.modseq = box.meta.highest_modseq = next;
            auto row = s.row(Happened::Kind::changed, box_id);
            row.uids = uids;
            row.updated = touched;
            s.keep(std::move(row));
        }
        return s.modseq;
    });
}

std::unique_ptr<Subscription> MemoryStore::watch(net::Loop& loop, const Account& account,
                                                 std::function<void(const Notice&)> tell) {
    return watchers_.add(loop, account, std::move(tell));
}

}  // namespace posthorn::test
