// An account's Maildir held against its index, and an index made again from it.
#include <fmt/format.h>

#include <set>

#include "store/impl/bodies.hpp"
#include "store/impl/maildir.hpp"
#include "store/impl/maildir_files.hpp"

namespace posthorn::store {

namespace {

void find(CheckReport& report, std::string text) {
    ++report.findings;
    if (report.texts.size() < CheckReport::kMaxTexts) report.texts.push_back(std::move(text));
}

}  // namespace

void Maildir::check(bool read, CheckReport& report) {
    for (const auto& email : index_->all_bodies()) {
        ++report.emails;
        report.octets += email.place.size;
        const auto path = path_of(email.id);
        if (!path) {
            ++report.missing;
            find(report, fmt::format("email {}: its file is not there", email.id));
            continue;
        }
        if (!read) continue;
        const auto file = open(email.id, email.place);
        const auto good = file ? intact(**file, email.place) : base::Result<bool>(false);
        if (good && *good) continue;
        ++report.damaged;
        find(report, fmt::format("email {}: {} is not what was stored", email.id, *path));
    }
    const auto without = db().value(
        "SELECT count(*) FROM membership m LEFT JOIN maildir_file f ON f.mailbox = m.mailbox AND f.uid = m.uid"
        " WHERE f.uid IS NULL");
    if (without != 0) find(report, fmt::format("{} messages have no file in their folder yet", without));
    const auto unknown = orphans();
    for (const auto id : unknown ? *unknown : std::vector<EmailId>()) {
        ++report.orphans;
        find(report, fmt::format("bodies/{:016x}.eml belongs to no email", id));
    }
}

base::Result<std::vector<EmailId>> Maildir::orphans() {
    const auto graves = Bodies::open(disk_, account_folder_ + "/bodies", 1);
    if (!graves) return std::unexpected(graves.error());
    auto out = (*graves)->large();
    if (!out) return out;
    // Also one that was brought back, or is in use again: its file may not have followed yet.
    std::set<EmailId> known;
    auto rows = db().query("SELECT id FROM email");
    while (rows.next()) known.insert(rows.uinteger(0));
    if (const auto& error = db().error()) return std::unexpected(*error);
    std::erase_if(*out, [&](EmailId id) { return known.contains(id); });
    return out;
}

base::Result<std::vector<EmailId>> Maildir::mend(RepairReport& report, ModSeq used) {
    if (!report.index_was_lost) return orphans();  // the rest is seen to at each opening
    index_->skip_ids(used);                        // no file tells the id it had
    const auto before = index_->counters().messages;
    while (news()) {
        if (auto taken = take_news(); !taken) return std::unexpected(taken.error());
    }
    const auto after = index_->counters().messages;
    report.recovered = after > before ? after - before : 0;
    // Which of the expunged were to be kept, only a lost index knew: they stay until the next repair.
    return std::vector<EmailId>();
}

}  // namespace posthorn::store
