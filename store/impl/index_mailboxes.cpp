#include <algorithm>

#include "store/impl/index.hpp"
#include "store/impl/refuse.hpp"

namespace posthorn::store {

namespace {

#define POSTHORN_MAILBOX_COLUMNS                                                                             \
    "SELECT m.id, m.name, m.role, m.sort_order, m.uid_validity, m.uid_next, m.modseq, m.messages, m.unseen," \
    " m.deleted, m.bytes, s.name FROM mailbox m LEFT JOIN subscription s ON s.name = m.name"

// What is below `name`: BETWEEN these, by octets. '0' follows '/'.
std::string first_below(std::string_view name) { return std::string(name) + kSeparator; }
std::string behind_below(std::string_view name) { return std::string(name) + static_cast<char>(kSeparator + 1); }

bool is_below(std::string_view name, std::string_view parent) {
    return name.size() > parent.size() && name.starts_with(parent) && name[parent.size()] == kSeparator;
}

}  // namespace

Mailbox Index::read_mailbox(base::sqlite::Query& row) {
    return {.id = row.uinteger(0),
            .name = std::string(row.text(1)),
            .role = static_cast<Role>(row.integer(2)),
            .subscribed = !row.null(11),
            .sort_order = static_cast<std::uint32_t>(row.integer(3)),
            .uid_validity = static_cast<UidValidity>(row.integer(4)),
            .uid_next = static_cast<Uid>(row.integer(5)),
            .highest_modseq = row.uinteger(6),
            .messages = row.uinteger(7),
            .unseen = row.uinteger(8),
            .deleted = row.uinteger(9),
            .bytes = row.uinteger(10)};
}

std::vector<Mailbox> Index::mailboxes() {
    std::vector<Mailbox> out;
    auto all = db_->query(POSTHORN_MAILBOX_COLUMNS " ORDER BY m.name");
    while (all.next()) out.push_back(read_mailbox(all));
    return out;
}

std::optional<Mailbox> Index::mailbox(MailboxId id) {
    auto one = db_->query(POSTHORN_MAILBOX_COLUMNS " WHERE m.id = ?", id);
    if (!one.next()) return std::nullopt;
    return read_mailbox(one);
}

std::optional<Mailbox> Index::mailbox(std::string_view name) {
    auto one = db_->query(POSTHORN_MAILBOX_COLUMNS " WHERE m.name = ?", name);
    if (!one.next()) return std::nullopt;
    return read_mailbox(one);
}

base::Result<Mailbox> Index::mailbox(UidScope scope) {
    auto found = mailbox(scope.mailbox);
    if (!found) return no_mailbox();
    if (found->uid_validity != scope.validity)
        return refuse(ESTALE, "the mailbox's UIDs are no longer what they were");
    return *std::move(found);
}

MailboxId Index::make_mailbox(std::string_view name, Role role) {
    const auto modseq = next_modseq();
    const auto id = counters_.next_id++;
    db_->run("INSERT INTO mailbox VALUES(?, ?, ?, 0, ?, 1, ?, 0, 0, 0, 0)", id, name, role, next_validity(),
             modseq);
    note({.kind = ChangeKind::mailbox_created, .mailbox = id});
    return id;
}

void Index::make_levels_above(std::string_view name) {
    for (auto slash = name.find(kSeparator); slash != std::string_view::npos;
         slash = name.find(kSeparator, slash + 1)) {
        if (!mailbox(name.substr(0, slash))) make_mailbox(name.substr(0, slash), Role::none);
    }
}

void Index::take_role(Role role) {
    if (role == Role::none) return;
    auto others = db_->query("UPDATE mailbox SET role = 0 WHERE role = ? RETURNING id", role);
    while (others.next()) note({.kind = ChangeKind::mailbox_updated, .mailbox = others.uinteger(0)});
}

base::Result<Mailbox> Index::create(std::string_view given, Role role) {
    const auto name = mailbox_name(given);
    if (!name) return refuse(EINVAL, "that can be no name of a mailbox");
    if (role == Role::inbox) return refuse(EPERM, "INBOX is there already");
    if (mailbox(*name)) return refuse(EEXIST, "there is a mailbox " + *name);
    make_levels_above(*name);
    const auto id = make_mailbox(*name, Role::none);
    take_role(role);
    db_->run("UPDATE mailbox SET role = ? WHERE id = ?", role, id);
    auto made = mailbox(id);
    if (!made) return damaged("a mailbox that was made is not there");
    return *std::move(made);
}

base::Result<void> Index::rename(std::string_view given_from, std::string_view given_to) {
    const auto from = mailbox_name(given_from);
    const auto to = mailbox_name(given_to);
    const auto box = from ? mailbox(*from) : std::nullopt;
    if (!box) return no_mailbox();
    if (!to || is_below(*to, *from)) return refuse(EINVAL, "that can be no name for it");
    if (*from == "INBOX") {
        auto made = create(*to, Role::none);
        if (!made) return std::unexpected(made.error());
        auto moved = move(box->scope(), UidSet::all(), made->id);
        if (!moved) return std::unexpected(moved.error());
        return {};
    }
    std::vector<std::pair<MailboxId, std::string>> renamed{{box->id, *from}};
    auto below = db_->query("SELECT id, name FROM mailbox WHERE name > ? AND name < ?", first_below(*from),
                            behind_below(*from));
    while (below.next()) renamed.emplace_back(below.uinteger(0), below.text(1));
    for (auto& [id, name] : renamed) {
        name = *to + name.substr(from->size());
        if (name.size() > kMaxMailboxName) return refuse(EINVAL, "a name below it would be too long");
        if (mailbox(name)) return refuse(EEXIST, "there is a mailbox " + name);
    }
    make_levels_above(*to);
    next_modseq();
    for (const auto& [id, name] : renamed) {
        db_->run("UPDATE OR REPLACE subscription SET name = ? WHERE name = (SELECT name FROM mailbox WHERE id = ?)",
                 name, id);
        db_->run("UPDATE mailbox SET name = ? WHERE id = ?", name, id);
        note({.kind = ChangeKind::mailbox_updated, .mailbox = id});
    }
    return {};
}

base::Result<void> Index::remove(std::string_view given) {
    const auto name = mailbox_name(given);
    const auto box = name ? mailbox(*name) : std::nullopt;
    if (!box) return no_mailbox();
    if (*name == "INBOX") return refuse(EPERM, "INBOX stays");
    if (auto emptied = expunge(box->scope(), UidSet::all(), false); !emptied)
        return std::unexpected(emptied.error());
    next_modseq();
    db_->run("DELETE FROM mailbox WHERE id = ?", box->id);
    note({.kind = ChangeKind::mailbox_destroyed, .mailbox = box->id});
    return {};
}

base::Result<void> Index::set_role(MailboxId id, Role role) {
    const auto box = mailbox(id);
    if (!box) return no_mailbox();
    if (box->role == Role::inbox || role == Role::inbox) return refuse(EPERM, "INBOX stays what it is");
    if (box->role == role) return {};
    next_modseq();
    take_role(role);
    db_->run("UPDATE mailbox SET role = ? WHERE id = ?", role, id);
    note({.kind = ChangeKind::mailbox_updated, .mailbox = id});
    return {};
}

base::Result<void> Index::set_sort_order(MailboxId id, std::uint32_t order) {
    if (!mailbox(id)) return no_mailbox();
    next_modseq();
    db_->run("UPDATE mailbox SET sort_order = ? WHERE id = ?", order, id);
    note({.kind = ChangeKind::mailbox_updated, .mailbox = id});
    return {};
}

base::Result<void> Index::subscribe(std::string_view given, bool on) {
    const auto name = mailbox_name(given);
    if (!name) return refuse(EINVAL, "that can be no name of a mailbox");
    if (on)
        db_->run("INSERT OR IGNORE INTO subscription VALUES(?)", *name);
    else
        db_->run("DELETE FROM subscription WHERE name = ?", *name);
    if (db_->changes() == 0) return {};
    if (const auto box = mailbox(*name)) {
        next_modseq();
        note({.kind = ChangeKind::mailbox_updated, .mailbox = box->id});
    }
    return {};
}

std::vector<std::string> Index::subscriptions() {
    std::vector<std::string> out;
    auto all = db_->query("SELECT name FROM subscription ORDER BY name");
    while (all.next()) out.emplace_back(all.text(0));
    return out;
}

}  // namespace posthorn::store
