#include <fmt/format.h>

#include <map>
#include <set>

#include "store/impl/bodies.hpp"
#include "store/impl/keeping.hpp"

namespace posthorn::store {

namespace {

void find(CheckReport& report, std::string text) {
    ++report.findings;
    if (report.texts.size() < CheckReport::kMaxTexts) report.texts.push_back(std::move(text));
}

// Each answers the number of rows that are not as they must be.
struct Rule {
    const char* text;
    const char* sql;
};
constexpr Rule kRules[] = {
    {"mailboxes whose figures are not those of their messages",
     "SELECT count(*) FROM mailbox b WHERE (messages, unseen, deleted, bytes) IS NOT (SELECT count(*),"
     " ifnull(sum((flags & 1) = 0), 0), ifnull(sum((flags & 8) != 0), 0), ifnull(sum(size), 0)"
     " FROM membership m WHERE m.mailbox = b.id)"},
    {"mailboxes that would give a UID again",
     "SELECT count(*) FROM mailbox b WHERE uid_next <= (SELECT ifnull(max(uid), 0) FROM membership m WHERE "
     "m.mailbox"
     " = b.id)"},
    {"messages of no mailbox", "SELECT count(*) FROM membership WHERE mailbox NOT IN (SELECT id FROM mailbox)"},
    {"messages of no email", "SELECT count(*) FROM membership WHERE email NOT IN (SELECT id FROM email)"},
    {"messages with another size than their email",
     "SELECT count(*) FROM membership m JOIN email e ON e.id = m.email WHERE m.size != e.size"},
    {"emails with a wrong count of mailboxes",
     "SELECT count(*) FROM email e WHERE refs != (SELECT count(*) FROM membership m WHERE m.email = e.id)"},
    {"emails in no mailbox and in no grave",
     "SELECT count(*) FROM email WHERE refs = 0 AND id NOT IN (SELECT email FROM grave)"},
    {"graves of emails that are in a mailbox or not there",
     "SELECT count(*) FROM grave g LEFT JOIN email e ON e.id = g.email WHERE e.id IS NULL OR e.refs > 0"},
    {"changes newer than the account",
     "SELECT count(*) FROM membership WHERE modseq > (SELECT modseq FROM account)"},
    {"ids that would be given again", "SELECT count(*) FROM email WHERE id >= (SELECT next_id FROM account)"},
    {"figures of the account that are not those of its emails",
     "SELECT (bytes, messages, grave_bytes, grave_messages) IS NOT (SELECT ifnull(sum(size * (refs > 0)), 0),"
     " ifnull(sum(refs > 0), 0), ifnull(sum(size * (refs = 0)), 0), ifnull(sum(refs = 0), 0) FROM email) FROM "
     "account"},
};

void check_index(Index& index, CheckReport& report) {
    auto& db = index.db();
    auto lines = db.query("PRAGMA quick_check(20)");
    while (lines.next()) {
        if (lines.text(0) != "ok") find(report, "index: " + std::string(lines.text(0)));
    }
    for (const auto& rule : kRules) {
        const auto count = db.value(rule.sql);
        if (count != 0) find(report, fmt::format("index: {} {}", count, rule.text));
    }
    if (auto good = db.take_error(); !good) find(report, good.error().log_text);
}

void check_body(const base::File& file, std::uint64_t file_size, const Located& email, bool read,
                CheckReport& report) {
    const auto& place = email.place;
    if (place.offset > file_size || place.size > file_size - place.offset) {
        ++report.missing;
        find(report, fmt::format("email {}: its body is not whole", email.id));
        return;
    }
    if (!read) return;
    const auto good = intact(file, place);
    if (good && *good) return;
    ++report.damaged;
    find(report, fmt::format("email {}: its body is {}", email.id, good ? "not what was stored" : "not readable"));
}

}  // namespace

void Bodies::check(bool read, CheckReport& report) {
    std::set<EmailId> known;
    std::map<std::uint64_t, std::uint64_t> live;
    std::shared_ptr<base::File> file;
    std::uint64_t file_size = 0;
    std::uint64_t pack = 0;
    for (const auto& email : index_->all_bodies()) {
        ++report.emails;
        report.octets += email.place.size;
        if (email.place.pack == 0)
            known.insert(email.id);
        else
            live[email.place.pack] += email.place.size;
        if (!file || email.place.pack == 0 || email.place.pack != pack) {
            auto opened = open(email.id, email.place);
            file = opened ? *std::move(opened) : nullptr;
            const auto size = file ? file->size() : base::Result<std::uint64_t>(0);
            file_size = size.value_or(0);
            pack = email.place.pack;
        }
        if (file) {
            check_body(*file, file_size, email, read, report);
        } else {
            ++report.missing;
            find(report, fmt::format("email {}: its body is not there", email.id));
        }
    }
    const auto files = large();
    for (const auto id : files ? *files : std::vector<EmailId>()) {
        if (known.contains(id)) continue;
        ++report.orphans;
        find(report, fmt::format("bodies/{:016x}.eml belongs to no email", id));
    }
    const auto sizes = packs();
    if (!sizes) find(report, sizes.error().log_text);
    for (const auto& [number, size] : sizes ? *sizes : decltype(sizes)::value_type())
        report.dead += size - std::min(size, live[number]);
}

namespace {

// It is made again by itself when it does not open; what is wrong within, `mailctl store reindex` mends.
void check_search(OpenAccount& open, CheckReport& report) {
    const auto search = open.open_search(false);
    if (!search) {
        if (search.error().code != ENOENT) find(report, "full-text index: " + search.error().log_text);
        return;
    }
    auto& db = (*search)->db();
    {
        auto line = db.query("PRAGMA quick_check(1)");
        if (line.next() && line.text(0) != "ok") find(report, "full-text index: " + std::string(line.text(0)));
    }
    const auto lost = db.value("SELECT count(*) FROM doc WHERE email NOT IN (SELECT email FROM text)");
    if (lost != 0) find(report, fmt::format("full-text index: {} messages without their text", lost));
    if (auto good = db.take_error(); !good) find(report, "full-text index: " + good.error().log_text);
}

}  // namespace

CheckReport check_account(OpenAccount& open, bool bodies) {
    CheckReport report;
    check_index(open.index(), report);
    open.bodies().check(bodies, report);
    check_search(open, report);
    return report;
}

bool count_anew(Index& index, base::WallTime now) {
    auto& db = index.db();
    std::int64_t wrong = 0;
    for (const auto& rule : kRules) wrong += db.value(rule.sql);
    if (wrong == 0) return false;
    db.script(
        "DELETE FROM membership WHERE mailbox NOT IN (SELECT id FROM mailbox) OR email NOT IN (SELECT id FROM "
        "email);"
        "UPDATE membership SET size = (SELECT size FROM email WHERE id = email);"
        "UPDATE email SET refs = (SELECT count(*) FROM membership m WHERE m.email = email.id);"
        "DELETE FROM grave WHERE email NOT IN (SELECT id FROM email WHERE refs = 0)");
    db.run(
        "INSERT INTO grave SELECT id, ?, 0, 'INBOX', 0 FROM email WHERE refs = 0 AND id NOT IN (SELECT email FROM"
        " grave)",
        base::to_ms(now));
    db.script(
        "UPDATE mailbox SET (messages, unseen, deleted, bytes) = (SELECT count(*), ifnull(sum((flags & 1) = 0), 0),"
        " ifnull(sum((flags & 8) != 0), 0), ifnull(sum(size), 0) FROM membership m WHERE m.mailbox = mailbox.id);"
        "UPDATE mailbox SET uid_next = max(uid_next, 1 + (SELECT ifnull(max(uid), 0) FROM membership m WHERE "
        "m.mailbox"
        " = mailbox.id));"
        "UPDATE account SET (bytes, messages, grave_bytes, grave_messages) = (SELECT ifnull(sum(size * (refs > "
        "0)), 0),"
        " ifnull(sum(refs > 0), 0), ifnull(sum(size * (refs = 0)), 0), ifnull(sum(refs = 0), 0) FROM email),"
        " modseq = max(modseq, (SELECT ifnull(max(modseq), 0) FROM membership)),"
        " next_id = max(next_id, 1 + (SELECT ifnull(max(id), 0) FROM email));");
    return true;
}

}  // namespace posthorn::store
