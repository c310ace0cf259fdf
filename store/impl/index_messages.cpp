#include <algorithm>

#include "base/ascii.hpp"
#include "base/sha256.hpp"
#include "store/impl/index.hpp"
#include "store/impl/refuse.hpp"
#include "store/store.hpp"

namespace posthorn::store {

using base::sqlite::Blob;

namespace {

constexpr std::uint64_t kMaxUid = 0xFFFFFFFF;

std::string_view octets(const base::Ulid& id) {
    return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

// Who could choose keys that meet could put mail into another's thread: hence no weaker sum.
std::int64_t sum_of(std::string_view key) {
    const auto sum = base::sha256(key);
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < 8; ++i) out = out << 8U | sum[i];
    return static_cast<std::int64_t>(out);
}

}  // namespace

base::Result<Flags> Index::bits(Flags system, const Keywords& names, bool make) {
    Flags out = system & flag::system;
    for (const auto& name : names) {
        auto found = std::ranges::find_if(keywords_, [&](const auto& known) { return base::iequals(known, name); });
        if (found == keywords_.end()) {
            if (!make) continue;
            if (!valid_keyword(name)) return refuse(EINVAL, "that is no keyword");
            if (keywords_.size() >= flag::max_keywords) return refuse(ENOSPC, "there are too many keywords");
            db_->run("INSERT INTO keyword VALUES(?, ?)", keywords_.size(), name);
            found = keywords_.insert(found, name);
        }
        out |= flag::keyword(static_cast<unsigned>(found - keywords_.begin()));
    }
    return out;
}

bool Index::delivered(const base::Ulid& id) {
    return db_->query("SELECT 1 FROM delivery WHERE id = ?", Blob{octets(id)}).next();
}

void Index::remember_delivery(const base::Ulid& id) {
    db_->run("INSERT INTO delivery VALUES(?)", Blob{octets(id)});
}

void Index::forget_deliveries(base::WallTime before) {
    base::Ulid first;
    const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(base::to_ms(before), 0));
    for (std::size_t i = 0; i < 6; ++i) first.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
    db_->run("DELETE FROM delivery WHERE id < ?", Blob{octets(first)});
}

ThreadId Index::thread_of(const std::vector<std::string>& keys, EmailId email) {
    const auto skip = keys.size() > kMaxThreadKeys ? keys.size() - kMaxThreadKeys : 0;
    ThreadId thread = 0;
    std::vector<std::int64_t> fresh;
    for (auto i = skip; i < keys.size(); ++i) {
        const auto sum = sum_of(keys[i]);
        const auto known = db_->value("SELECT thread FROM thread_key WHERE key = ?", sum);
        if (known != 0)
            thread = static_cast<ThreadId>(known);
        else
            fresh.push_back(sum);
    }
    if (thread == 0) thread = email;
    for (const auto sum : fresh) db_->run("INSERT OR IGNORE INTO thread_key VALUES(?, ?)", sum, thread);
    return thread;
}

Added Index::add(MailboxId mailbox, const NewEmail& email, Flags flags) {
    const auto modseq = next_modseq();
    static const std::vector<std::string> kNone;
    const auto thread = thread_of(email.thread_keys != nullptr ? *email.thread_keys : kNone, email.id);
    const auto& place = email.place;
    db_->run("INSERT INTO email VALUES(?, ?, ?, ?, ?, ?, ?, 1)", email.id, place.pack, place.offset, place.size,
             place.crc, base::to_ms(email.received), thread);
    if (email.summary != nullptr && !email.summary->empty())
        db_->run("INSERT INTO summary VALUES(?, ?)", email.id, Blob{*email.summary});
    auto box = db_->query("SELECT uid_next, uid_validity FROM mailbox WHERE id = ?", mailbox);
    (void)box.next();
    const auto uid = static_cast<Uid>(box.integer(0));
    const auto validity = static_cast<UidValidity>(box.integer(1));
    join(mailbox, uid, email.id, flags, place.size);
    Tally tally;
    tally.count(flags, place.size, 1);
    apply(mailbox, tally, 1);
    counters_.bytes += place.size;
    counters_.messages += 1;
    note(
        {.kind = ChangeKind::added, .mailbox = mailbox, .uids = {uid}, .created = {email.id}, .threads = {thread}});
    return {validity, mailbox, uid, email.id, thread, modseq, false};
}

Uid Index::join(MailboxId mailbox, Uid uid, EmailId email, Flags flags, std::uint64_t size) {
    if (uid == 0 || uid >= kMaxUid) {
        db_->fail(refuse(ENOSPC, "the mailbox has used up its UIDs").error());
        return 0;
    }
    db_->run("INSERT INTO membership VALUES(?, ?, ?, ?, ?, ?)", mailbox, uid, email, counters_.modseq, flags, size);
    return uid;
}

void Index::Tally::count(Flags flags, std::uint64_t size, int sign) {
    messages += sign;
    unseen += (flags & flag::seen) == 0 ? sign : 0;
    deleted += (flags & flag::deleted) != 0 ? sign : 0;
    bytes += static_cast<std::int64_t>(size) * sign;
}

void Index::apply(MailboxId mailbox, const Tally& tally, std::uint64_t new_uids) {
    db_->run(
        "UPDATE mailbox SET uid_next = uid_next + ?, modseq = ?, messages = messages + ?, unseen = unseen + ?,"
        " deleted = deleted + ?, bytes = bytes + ? WHERE id = ?",
        new_uids, counters_.modseq, tally.messages, tally.unseen, tally.deleted, tally.bytes, mailbox);
}

Uid Index::uid_next(MailboxId mailbox) {
    return static_cast<Uid>(db_->value("SELECT uid_next FROM mailbox WHERE id = ?", mailbox));
}

std::vector<Index::Row> Index::rows(MailboxId mailbox, const UidSet& uids) {
    std::vector<Row> out;
    for (const auto& range : uids.ranges()) {
        if (range.first > kMaxUid) break;
        auto found = db_->query(
            "SELECT uid, email, modseq, flags, size FROM membership WHERE mailbox = ? AND uid BETWEEN ? AND ?"
            " ORDER BY uid",
            mailbox, range.first, std::min(range.last, kMaxUid));
        while (found.next()) {
            out.push_back({static_cast<Uid>(found.integer(0)), found.uinteger(1), found.uinteger(2),
                           found.uinteger(3), found.uinteger(4)});
        }
    }
    return out;
}

base::Result<Snapshot> Index::snapshot(MailboxId id) {
    auto box = mailbox(id);
    if (!box) return no_mailbox();
    Snapshot out{.mailbox = *std::move(box), .entries = {}, .keywords = keywords_};
    out.entries.reserve(out.mailbox.messages);
    auto all =
        db_->query("SELECT uid, email, modseq, flags, size FROM membership WHERE mailbox = ? ORDER BY uid", id);
    while (all.next()) {
        out.entries.push_back(entry_of(all.uinteger(1), all.uinteger(2), all.uinteger(3), all.uinteger(4),
                                       static_cast<Uid>(all.integer(0))));
    }
    return out;
}

base::Result<std::vector<Message>> Index::messages(UidScope scope, const UidSet& uids, bool summaries) {
    if (auto box = mailbox(scope); !box) return std::unexpected(box.error());
    static constexpr auto* kPlain =
        "SELECT m.uid, m.email, m.modseq, m.flags, m.size, e.received, e.thread FROM membership m"
        " JOIN email e ON e.id = m.email WHERE m.mailbox = ? AND m.uid BETWEEN ? AND ? ORDER BY m.uid";
    static constexpr auto* kFull =
        "SELECT m.uid, m.email, m.modseq, m.flags, m.size, e.received, e.thread, s.blob FROM membership m"
        " JOIN email e ON e.id = m.email LEFT JOIN summary s ON s.email = m.email"
        " WHERE m.mailbox = ? AND m.uid BETWEEN ? AND ? ORDER BY m.uid";
    std::vector<Message> out;
    for (const auto& range : uids.ranges()) {
        if (range.first > kMaxUid) break;
        auto found =
            db_->query(summaries ? kFull : kPlain, scope.mailbox, range.first, std::min(range.last, kMaxUid));
        while (found.next()) {
            out.push_back({entry_of(found.uinteger(1), found.uinteger(2), found.uinteger(3), found.uinteger(4),
                                    static_cast<Uid>(found.integer(0))),
                           base::from_ms(found.integer(5)), found.uinteger(6),
                           summaries ? std::string(found.blob(7)) : std::string()});
        }
    }
    return out;
}

std::vector<std::pair<MailboxId, Index::Row>> Index::memberships(EmailId email) {
    std::vector<std::pair<MailboxId, Row>> out;
    auto all = db_->query(
        "SELECT mailbox, uid, modseq, flags, size FROM membership WHERE email = ? ORDER BY mailbox, uid", email);
    while (all.next()) {
        out.emplace_back(all.uinteger(0), Row{static_cast<Uid>(all.integer(1)), email, all.uinteger(2),
                                              all.uinteger(3), all.uinteger(4)});
    }
    return out;
}

std::vector<Email> Index::emails(const std::vector<EmailId>& ids, bool summaries) {
    std::vector<Email> out;
    for (const auto id : ids) {
        auto found = db_->query("SELECT thread, size, received FROM email WHERE id = ? AND refs > 0", id);
        if (!found.next()) continue;
        Email email{id, found.uinteger(0), found.uinteger(1), base::from_ms(found.integer(2)), {}, {}};
        for (const auto& [mailbox, row] : memberships(id))
            email.memberships.push_back({mailbox, row.uid, row.flags});
        if (summaries) {
            auto blob = db_->query("SELECT blob FROM summary WHERE email = ?", id);
            if (blob.next()) email.summary = blob.blob(0);
        }
        out.push_back(std::move(email));
    }
    return out;
}

std::vector<EmailId> Index::thread(ThreadId thread) {
    std::vector<EmailId> out;
    auto all = db_->query("SELECT id FROM email WHERE thread = ? AND refs > 0 ORDER BY received, id", thread);
    while (all.next()) out.push_back(all.uinteger(0));
    return out;
}

std::optional<Located> Index::locate(EmailId email) {
    auto one = db_->query("SELECT pack, offset, size, crc FROM email WHERE id = ? AND refs > 0", email);
    if (!one.next()) return std::nullopt;
    return Located{email,
                   {one.uinteger(0), one.uinteger(1), one.uinteger(2), static_cast<std::uint32_t>(one.integer(3))}};
}

}  // namespace posthorn::store
