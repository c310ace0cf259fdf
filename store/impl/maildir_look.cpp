// The index follows the files: what other programs did in the Maildir.
#include <algorithm>
#include <charconv>
#include <tuple>
#include <unordered_map>

#include "base/log.hpp"
#include "store/impl/maildir.hpp"
#include "store/impl/maildir_files.hpp"

namespace posthorn::store {

namespace {

constexpr std::string_view kKeywords = "dovecot-keywords";
// What one turn takes, so that others have theirs: a message costs one, and one more for each of these octets.
constexpr std::uint64_t kBudget = 4096;
constexpr std::uint64_t kCostly = 64UL << 10U;

// In the order in which they came: names begin with the time.
auto order_of(const std::string& name) {
    const auto base = std::string_view(name).substr(4);  // behind "cur/" or "new/"
    std::uint64_t seconds = 0;
    std::from_chars(base.data(), base.data() + base.size(), seconds);
    return std::tuple(seconds, base);
}

std::string without(std::string_view letters, std::string_view others) {
    std::string out;
    for (const char c : letters) {
        if (others.find(c) == std::string_view::npos) out += c;
    }
    return out;
}

}  // namespace

// ---- what was heard

bool Maildir::news() {
    hear();
    return all_unknown_ || folders_unknown_ || !unknown_.empty();
}

void Maildir::hear() {
    if (!shared_.maildir_watch) return;
    const auto events = shared_.maildir_watch->take(account_);
    if (events.lost) all_unknown_ = true;
    for (const auto& [directory, name, came] : events.list) {
        if (all_unknown_) return;
        if (expected(directory, name, came)) continue;
        auto path = directory;
        const bool messages = path.ends_with("/cur") || path.ends_with("/new");
        if (messages) path.resize(path.size() - 4);
        path.erase(0, std::min(root_.size() + 1, path.size()));
        if (messages || name == kKeywords)
            unknown_.insert(path);
        else
            folders_unknown_ = true;
    }
}

// Whether it is what we know: most of what is heard is what we did ourselves. What came and went again meanwhile tells
// nothing either.
bool Maildir::expected(const std::string& directory, const std::string& name, bool came) {
    if (name == kKeywords) return !came;
    if (directory == root_) return !name.starts_with('.') || mailbox_at(name).has_value() == came;
    const auto part = directory.substr(directory.rfind('/') + 1);
    if (part != "cur" && part != "new") return name != "cur" && name != "new";
    if (name.starts_with('.')) return true;
    auto path = directory.substr(root_.size(), directory.size() - root_.size() - 4);
    if (!path.empty()) path.erase(0, 1);
    const auto mailbox = mailbox_at(path);
    if (!mailbox) return true;  // its folder is news by itself
    const auto known = db().value("SELECT count(*) FROM maildir_file WHERE mailbox = ? AND base = ? AND name = ?",
                                  *mailbox, maildir::parse_file(name).base, part + '/' + name) != 0;
    return known == came || static_cast<bool>(disk_.status(directory + '/' + name)) != came;
}

base::Result<void> Maildir::take_news() {
    budget_ = kBudget;
    looking_ = true;
    if (all_unknown_ || folders_unknown_) {
        if (auto looked = look_folders(); !looked) return looked;
        if (all_unknown_) {
            auto paths = db().query("SELECT path FROM maildir_folder");
            while (paths.next()) unknown_.emplace(paths.text(0));
        }
        all_unknown_ = false;
    }
    while (!unknown_.empty()) {
        const auto path = *unknown_.begin();
        const auto whole = look(path);
        if (!whole) return std::unexpected(whole.error());
        if (!*whole) return {};  // the rest in the next turn
        unknown_.erase(path);
    }
    return {};
}

// ---- folders

base::Result<void> Maildir::look_folders() {
    folders_unknown_ = false;
    if (auto made = make_folders("", "INBOX"); !made) return made;
    listen("");
    const auto names = disk_.list(root_);
    if (!names) return std::unexpected(names.error());
    std::set<std::string> found{""};
    for (const auto& name : *names) {
        if (!name.starts_with('.') || name.starts_with("..")) continue;
        const auto status = disk_.status(at(name));
        if (!status || status->regular) continue;
        if (disk_.status(at(name) + "/cur")) {
            found.insert(name);
        } else if (shared_.maildir_watch) {
            shared_.maildir_watch->watch(account_, at(name));  // perhaps it is just being made
        }
    }
    std::vector<std::pair<MailboxId, std::string>> gone;
    {
        auto rows = db().query("SELECT mailbox, path FROM maildir_folder");
        while (rows.next()) {
            if (found.erase(std::string(rows.text(1))) == 0) gone.emplace_back(rows.uinteger(0), rows.text(1));
        }
    }
    for (const auto& path : found) {
        if (auto taken = take_folder(path); !taken) return taken;
    }
    for (const auto& [mailbox, path] : gone) {
        if (auto taken = drop_folder(mailbox); !taken) return taken;
    }
    return {};
}

base::Result<void> Maildir::take_folder(const std::string& path) {
    auto name = maildir::mailbox_of(path);
    if (path.empty()) name = "INBOX";
    if (maildir::named_by_sum(path)) {
        const auto marker = disk_.open(at(path) + "/maildirfolder", base::OpenMode::read);
        std::string text(kMaxMailboxName, '\0');
        const auto got = marker ? (*marker)->read(0, text) : base::Result<std::size_t>(0);
        name = mailbox_name(std::string_view(text).substr(0, got.value_or(0)));
    }
    if (!name) return {};  // no mailbox can have such a name
    const auto box = index_->mailbox(std::string_view(*name));
    if (box && folder(box->id) != nullptr) {
        base::log::warning("store.maildir_folder_twice", {{"account", account_.text()}, {"folder", path}});
        return {};
    }
    MailboxId id = box ? box->id : 0;
    if (!box) {
        const auto made = index_->create(*name, Role::none);
        if (!made) return {};
        id = made->id;
    }
    db().run("INSERT INTO maildir_folder VALUES(?, ?)", id, path);
    unknown_.insert(path);
    return {};
}

base::Result<void> Maildir::drop_folder(MailboxId mailbox) {
    std::vector<EmailId> lost;
    {
        auto rows = db().query("SELECT email FROM maildir_file WHERE mailbox = ?", mailbox);
        while (rows.next()) lost.push_back(rows.uinteger(0));
    }
    db().run("DELETE FROM maildir_folder WHERE mailbox = ?", mailbox);
    db().run("DELETE FROM maildir_file WHERE mailbox = ?", mailbox);
    folders_.erase(mailbox);
    const auto box = index_->mailbox(mailbox);
    if (!box) return {};
    if (auto removed = index_->remove(box->name); !removed) return removed;
    forget_lost(lost);
    return {};
}

// ---- messages

base::Result<bool> Maildir::look(const std::string& path) {
    const auto mailbox = mailbox_at(path);
    if (!mailbox) return true;
    listen(path);  // before what is there is read: so nothing is missed
    auto& where = *folder(*mailbox);
    if (auto taken = take_learned(*mailbox, where); !taken) return std::unexpected(taken.error());
    auto looked = compare(*mailbox, where);
    if (!looked) return std::unexpected(looked.error());
    if (auto taken = take_renamed(*mailbox, where, *looked); !taken) return std::unexpected(taken.error());
    if (auto taken = take_gone(*mailbox, *looked); !taken) return std::unexpected(taken.error());
    std::ranges::sort(looked->fresh, {}, order_of);
    bool whole = true;
    for (const auto& name : looked->fresh) {
        if (budget_ == 0) return false;
        whole = take_fresh(*mailbox, where, name) && whole;
    }
    return whole;
}

base::Result<Maildir::Looked> Maildir::compare(MailboxId mailbox, const Folder& where) {
    std::unordered_map<std::string, File> known;
    {
        auto rows = db().query("SELECT uid, email, base, name FROM maildir_file WHERE mailbox = ?", mailbox);
        while (rows.next()) {
            File file{static_cast<Uid>(rows.integer(0)), rows.uinteger(1), std::string(rows.text(2)),
                      std::string(rows.text(3))};
            auto base = file.base;
            known.emplace(std::move(base), std::move(file));
        }
    }
    std::unordered_map<std::string, std::string> seen;  // base, name
    const auto read = [&]() -> base::Result<bool> {
        for (const auto* part : {"cur", "new"}) {
            const auto names = disk_.list(at(where.path) + '/' + part);
            if (!names && names.error().code == ENOENT) return false;
            if (!names) return std::unexpected(names.error());
            for (const auto& name : *names) {
                if (!name.starts_with('.'))
                    seen.emplace(maildir::parse_file(name).base, part + std::string("/") + name);
            }
        }
        return true;
    };
    Looked out;
    // A file that is renamed while a directory is read may be missed: what is missing is looked for once more.
    for (int pass = 0; pass < 2; ++pass) {
        const auto there = read();
        if (!there) return std::unexpected(there.error());
        if (!*there) {
            folders_unknown_ = true;
            return out;
        }
        if (std::ranges::all_of(known, [&](const auto& one) { return seen.contains(one.first); })) break;
    }
    for (auto& [base, file] : known) {
        const auto now = seen.find(base);
        if (now == seen.end())
            out.gone.push_back(std::move(file));
        else if (now->second != file.name)
            out.renamed.emplace_back(std::move(file), now->second);
        if (now != seen.end()) seen.erase(now);
    }
    for (auto& [base, name] : seen) out.fresh.push_back(name);
    return out;
}

void Maildir::flags_of(Folder& where, std::string_view letters, Flags& system, Keywords& keywords) {
    if (std::ranges::any_of(letters, [](char c) { return c >= 'a' && c <= 'z'; })) where.letters.refresh(disk_);
    for (const char c : letters) {
        system |= maildir::system_flag(c);
        if (c == maildir::kPassed) keywords.emplace_back(maildir::kForwarded);
        if (const auto name = where.letters.keyword(c); !name.empty()) keywords.emplace_back(name);
    }
}

// Dovecot puts a new keyword's letter into names before it tells what it means.
base::Result<void> Maildir::take_learned(MailboxId mailbox, Folder& where) {
    where.letters.refresh(disk_);
    const auto learned = where.letters.take_learned();
    if (learned.empty()) return {};
    std::map<char, UidSet> uids;
    {
        auto rows = db().query("SELECT uid, name FROM maildir_file WHERE mailbox = ? ORDER BY uid", mailbox);
        while (rows.next()) {
            for (const char c : maildir::parse_file(rows.text(1)).letters) {
                if (learned.find(c) != std::string::npos) uids[c].add(rows.uinteger(0));
            }
        }
    }
    const auto box = index_->mailbox(mailbox);
    for (const auto& [letter, those] : uids) {
        FlagChange change;
        change.keywords.emplace_back(where.letters.keyword(letter));
        const auto done = index_->store_flags(box->scope(), those, change);
        if (!done && done.error().code != ENOSPC) return std::unexpected(done.error());
    }
    return {};
}

// What they changed is what is other in the name than it was when we last saw it.
base::Result<void> Maildir::take_renamed(MailboxId mailbox, Folder& where, const Looked& looked) {
    if (looked.renamed.empty()) return {};
    std::map<std::pair<std::string, std::string>, UidSet> changes;  // letters that came and went
    for (const auto& [file, name] : looked.renamed) {
        const auto before = maildir::parse_file(file.name).letters;
        const auto now = maildir::parse_file(name).letters;
        changes[{without(now, before), without(before, now)}].add(file.uid);
        put_file(mailbox, {file.uid, file.email, file.base, name});
        behind_.emplace(mailbox, file.uid);  // what we changed meanwhile may not stand in it
    }
    const auto box = index_->mailbox(mailbox);
    for (const auto& [letters, uids] : changes) {
        for (const bool add : {true, false}) {
            FlagChange change{.how = add ? FlagChange::How::add : FlagChange::How::remove};
            flags_of(where, add ? letters.first : letters.second, change.system, change.keywords);
            if (change.system == 0 && change.keywords.empty()) continue;
            auto done = index_->store_flags(box->scope(), uids, change);
            if (!done && done.error().code == ENOSPC) {  // no room for another keyword
                change.keywords.clear();
                done = index_->store_flags(box->scope(), uids, change);
            }
            if (!done) return std::unexpected(done.error());
        }
    }
    return {};
}

base::Result<void> Maildir::take_gone(MailboxId mailbox, const Looked& looked) {
    if (looked.gone.empty()) return {};
    UidSet uids;
    std::vector<EmailId> lost;
    for (const auto& file : looked.gone) {
        uids.add(file.uid);
        lost.push_back(file.email);
        db().run("DELETE FROM maildir_file WHERE mailbox = ? AND uid = ?", mailbox, file.uid);
    }
    const auto box = index_->mailbox(mailbox);
    if (auto done = index_->expunge(box->scope(), uids, false); !done) return std::unexpected(done.error());
    forget_lost(lost);
    return {};
}

// Whose bytes another has thrown away, nobody brings back.
void Maildir::forget_lost(const std::vector<EmailId>& emails) {
    for (const auto email : emails) {
        if (db().value("SELECT count(*) FROM email WHERE id = ? AND refs = 0", email) != 0) index_->bury(email);
    }
}

// False: it is not there any more, under this name.
bool Maildir::take_fresh(MailboxId mailbox, Folder& where, const std::string& name) {
    const auto measured = maildir::measure(disk_, at(where.path) + '/' + name);
    if (!measured && measured.error().code == ENOENT) return false;
    if (!measured) {
        base::log::warning("store.maildir_unreadable",
                           {{"account", account_.text()}, {"error", measured.error().log_text}});
        return true;
    }
    budget_ -= std::min(budget_, 1 + measured->size / kCostly);
    const auto parsed = maildir::parse_file(name.substr(4));
    Flags system = 0;
    Keywords keywords;
    flags_of(where, parsed.letters, system, keywords);
    const auto all = index_->bits(system, keywords, true);
    const auto id = index_->new_id();
    const auto added =
        index_->add(mailbox, {id, {0, 0, measured->size, measured->crc}, measured->modified, nullptr, nullptr},
                    all.value_or(system));
    put_file(mailbox, {added.uid, id, parsed.base, name});
    const auto delivery = maildir::delivery_of(parsed.base);
    if (delivery && !index_->delivered(*delivery)) index_->remember_delivery(*delivery);
    return true;
}

}  // namespace posthorn::store
