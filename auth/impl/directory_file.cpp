#include "auth/impl/directory_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/random.hpp"

namespace posthorn::auth::impl {
namespace {

using base::sqlite::Blob;
using base::sqlite::Query;
using base::sqlite::Transaction;

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kKey = 32;

// Names are kept in canonical form; an alias with an empty local part is its domain's catch-all.
constexpr const char* kSchema = R"(
CREATE TABLE domain(name TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE account(
  domain TEXT NOT NULL, local TEXT NOT NULL,
  display_name TEXT NOT NULL DEFAULT '', disabled INTEGER NOT NULL DEFAULT 0,
  quota_bytes INTEGER NOT NULL DEFAULT 0, quota_messages INTEGER NOT NULL DEFAULT 0,
  messages_per_hour INTEGER NOT NULL DEFAULT 0, recipients_per_day INTEGER NOT NULL DEFAULT 0,
  max_message_size INTEGER NOT NULL DEFAULT 0,
  hash TEXT NOT NULL DEFAULT '', scram_sha_1 TEXT NOT NULL DEFAULT '', scram_sha_256 TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL, password_changed INTEGER NOT NULL,
  PRIMARY KEY(domain, local)) WITHOUT ROWID;
CREATE TABLE app_password(
  id INTEGER PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL, local TEXT NOT NULL,
  hash TEXT NOT NULL, label TEXT NOT NULL, service TEXT NOT NULL, created INTEGER NOT NULL);
CREATE INDEX app_password_of ON app_password(domain, local);
CREATE TABLE alias(domain TEXT NOT NULL, local TEXT NOT NULL, target TEXT NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY(domain, local, target)) WITHOUT ROWID;
CREATE TABLE high_mark(domain TEXT NOT NULL, local TEXT NOT NULL,
  modseq INTEGER NOT NULL, uid_validity INTEGER NOT NULL, PRIMARY KEY(domain, local)) WITHOUT ROWID;
CREATE TABLE secret(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
)";

#define ACCOUNT_COLUMNS                                                                                           \
    "domain, local, display_name, disabled, quota_bytes, quota_messages, messages_per_hour, recipients_per_day, " \
    "max_message_size"

Account account_of(const Query& row) {
    Account out;
    out.name = {std::string(row.text(1)), std::string(row.text(0))};
    out.display_name = row.text(2);
    out.disabled = row.integer(3) != 0;
    out.quota = {row.uinteger(4), row.uinteger(5)};
    out.send = {static_cast<std::uint32_t>(row.integer(6)), static_cast<std::uint32_t>(row.integer(7)),
                row.uinteger(8)};
    return out;
}

std::string scheme_of(std::string_view hash) {
    if (hash.empty()) return {};
    if (hash.starts_with("$argon2id$")) return "argon2id";
    if (hash.starts_with("$2")) return "bcrypt";
    if (hash.starts_with("$y$")) return "yescrypt";
    if (hash.starts_with("$6$")) return "sha512-crypt";
    if (hash.starts_with("{")) return std::string(hash.substr(1, hash.find('}') - 1));
    return "other";
}

}  // namespace

base::Result<std::unique_ptr<DirectoryFile>> DirectoryFile::open(const std::string& path,
                                                                 const base::Clock& clock) {
    auto db = base::sqlite::Database::open(path);
    if (!db) return std::unexpected(std::move(db.error()));
    std::unique_ptr<DirectoryFile> out(new DirectoryFile(*std::move(db), clock));
    if (auto done = out->migrate(); !done) return std::unexpected(std::move(done.error()));
    return out;
}

base::Result<std::vector<std::string>> DirectoryFile::read_domains(const std::string& path) {
    std::vector<std::string> out;
    if (::access(path.c_str(), F_OK) != 0) {
        if (errno == ENOENT) return out;
        return base::fail_errno(path, errno);
    }
    auto db = base::sqlite::Database::open(path, {.create = false, .read_only = true});
    if (!db) return std::unexpected(std::move(db.error()));
    for (auto row = (*db)->query("SELECT name FROM domain"); row.next();) out.emplace_back(row.text(0));
    if (auto error = (*db)->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

base::Result<void> DirectoryFile::migrate() {
    db_->script("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    const auto version = db_->value("PRAGMA user_version");
    if (auto error = db_->take_error(); !error) return error;
    if (version > kVersion)
        return base::fail(base::ErrorKind::permanent,
                          fmt::format("{} is of version {}, newer than this program knows ({}): start the newer "
                                      "program, or put back the file that was there before it",
                                      db_->path(), version, kVersion));
    if (version == kVersion) return {};
    Transaction all(*db_);
    db_->script(kSchema);
    db_->script(fmt::format("PRAGMA user_version={}", kVersion));
    return all.commit();
}

base::Result<DirectoryFile::All> DirectoryFile::load() {
    const std::lock_guard lock(mutex_);
    All out;
    for (auto row = db_->query("SELECT name FROM domain"); row.next();) out.domains.emplace(row.text(0));
    for (auto row = db_->query("SELECT " ACCOUNT_COLUMNS " FROM account"); row.next();) {
        auto account = account_of(row);
        auto name = account.name;
        out.entries.emplace_back(std::move(name), Entry{.account = std::move(account)});
    }
    mail::AccountName last;
    for (auto row = db_->query("SELECT domain, local, target FROM alias ORDER BY domain, local, place");
         row.next();) {
        mail::AccountName name{std::string(row.text(1)), std::string(row.text(0))};
        if (out.entries.empty() || name != last) out.entries.emplace_back(name, Entry{});
        if (auto target = mail::parse_address(row.text(2))) out.entries.back().second.targets.push_back(*target);
        last = std::move(name);
    }
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

std::vector<mail::Address> DirectoryFile::targets(const mail::AccountName& name) {
    std::vector<mail::Address> out;
    auto row = db_->query("SELECT target FROM alias WHERE domain = ? AND local = ? ORDER BY place", name.domain,
                          name.local);
    while (row.next()) {
        if (auto target = mail::parse_address(row.text(0))) out.push_back(*std::move(target));
    }
    return out;
}

base::Result<std::optional<Entry>> DirectoryFile::entry(const mail::AccountName& name) {
    const std::lock_guard lock(mutex_);
    std::optional<Entry> out;
    {
        auto row = db_->query("SELECT " ACCOUNT_COLUMNS " FROM account WHERE domain = ? AND local = ?", name.domain,
                              name.local);
        if (row.next()) out = Entry{.account = account_of(row)};
    }
    if (!out) {
        auto all = targets(name);
        if (!all.empty()) out = Entry{.targets = std::move(all)};
    }
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

base::Result<std::optional<Secrets>> DirectoryFile::secrets(const mail::AccountName& name) {
    const std::lock_guard lock(mutex_);
    std::optional<Secrets> out;
    {
        auto row = db_->query("SELECT hash, scram_sha_1, scram_sha_256 FROM account WHERE domain = ? AND local = ?",
                              name.domain, name.local);
        if (row.next()) {
            out.emplace();
            out->password = {std::string(row.text(0)), std::string(row.text(1)), std::string(row.text(2))};
        }
    }
    auto row = db_->query("SELECT hash, service FROM app_password WHERE domain = ? AND local = ?", name.domain,
                          name.local);
    while (out && row.next()) out->app_passwords.push_back({std::string(row.text(0)), std::string(row.text(1))});
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

base::Result<std::string> DirectoryFile::scram_key() {
    const std::lock_guard lock(mutex_);
    std::string key(kKey, '\0');
    base::secure_random(key.data(), key.size());
    Transaction all(*db_);
    db_->run("INSERT OR IGNORE INTO secret(name, value) VALUES('scram', ?)", Blob{key});
    {
        auto row = db_->query("SELECT value FROM secret WHERE name = 'scram'");
        if (row.next()) key = row.blob(0);
    }
    if (auto done = all.commit(); !done) return std::unexpected(std::move(done.error()));
    return key;
}

// What went wrong before is the reason, not what it made us believe.
std::unexpected<base::Error> DirectoryFile::refuse(int code, std::string text) {
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    auto out = base::fail(base::ErrorKind::permanent, std::move(text));
    out.error().code = code;
    return out;
}
std::unexpected<base::Error> DirectoryFile::no_domain(const std::string& domain) {
    return refuse(ENOENT, fmt::format("there is no domain {}", domain));
}
std::unexpected<base::Error> DirectoryFile::no_account(const mail::AccountName& name) {
    return refuse(ENOENT, fmt::format("there is no account {}", name.text()));
}

bool DirectoryFile::has_domain(const std::string& domain) {
    return db_->value("SELECT count(*) FROM domain WHERE name = ?", domain) > 0;
}
bool DirectoryFile::has_account(const mail::AccountName& name) {
    return db_->value("SELECT count(*) FROM account WHERE domain = ? AND local = ?", name.domain, name.local) > 0;
}
bool DirectoryFile::has_alias(const mail::AccountName& name) {
    return db_->value("SELECT count(*) FROM alias WHERE domain = ? AND local = ?", name.domain, name.local) > 0;
}

base::Result<void> DirectoryFile::add_domain(const std::string& domain) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (has_domain(domain)) return refuse(EEXIST, fmt::format("the domain {} is there already", domain));
    db_->run("INSERT INTO domain(name, created) VALUES(?, ?)", domain, base::to_ms(clock_.wall()));
    return all.commit();
}

base::Result<void> DirectoryFile::remove_domain(const std::string& domain, bool everything) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!has_domain(domain)) return no_domain(domain);
    const auto held = db_->value("SELECT count(*) FROM account WHERE domain = ?", domain) +
                      db_->value("SELECT count(*) FROM alias WHERE domain = ? AND local <> ''", domain);
    if (held > 0 && !everything) return refuse(ENOTEMPTY, fmt::format("{} still has accounts or aliases", domain));
    db_->run("DELETE FROM app_password WHERE domain = ?", domain);
    db_->run("DELETE FROM account WHERE domain = ?", domain);
    db_->run("DELETE FROM alias WHERE domain = ?", domain);
    db_->run("DELETE FROM domain WHERE name = ?", domain);
    return all.commit();
}

base::Result<std::vector<DomainInfo>> DirectoryFile::domains() {
    const std::lock_guard lock(mutex_);
    std::vector<DomainInfo> out;
    auto row = db_->query(
        "SELECT name, (SELECT count(*) FROM account WHERE domain = name),"
        " (SELECT count(DISTINCT local) FROM alias WHERE domain = name AND local <> '') FROM domain ORDER BY name");
    while (row.next()) out.push_back({std::string(row.text(0)), {}, row.uinteger(1), row.uinteger(2)});
    for (auto& domain : out) domain.catch_all = targets({"", domain.name});
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

void DirectoryFile::change(const mail::AccountName& name, const AccountChange& change) {
    db_->run(
        "UPDATE account SET display_name = coalesce(?, display_name), disabled = coalesce(?, disabled),"
        " quota_bytes = coalesce(?, quota_bytes), quota_messages = coalesce(?, quota_messages),"
        " messages_per_hour = coalesce(?, messages_per_hour),"
        " recipients_per_day = coalesce(?, recipients_per_day),"
        " max_message_size = coalesce(?, max_message_size) WHERE domain = ? AND local = ?",
        change.display_name, change.disabled, change.quota_bytes, change.quota_messages, change.messages_per_hour,
        change.recipients_per_day, change.max_message_size, name.domain, name.local);
}

base::Result<void> DirectoryFile::add_account(const mail::AccountName& name, const StoredPassword& password,
                                              const AccountChange& wanted) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!has_domain(name.domain)) return no_domain(name.domain);
    if (has_account(name)) return refuse(EEXIST, fmt::format("the account {} is there already", name.text()));
    if (has_alias(name)) return refuse(EEXIST, fmt::format("{} is an alias", name.text()));
    const auto now = base::to_ms(clock_.wall());
    db_->run(
        "INSERT INTO account(domain, local, hash, scram_sha_1, scram_sha_256, created, password_changed)"
        " VALUES(?, ?, ?, ?, ?, ?, ?)",
        name.domain, name.local, password.hash, password.scram_sha_1, password.scram_sha_256, now, now);
    change(name, wanted);
    return all.commit();
}

base::Result<void> DirectoryFile::set_account(const mail::AccountName& name, const AccountChange& wanted) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!has_account(name)) return no_account(name);
    change(name, wanted);
    return all.commit();
}

base::Result<void> DirectoryFile::set_password(const mail::AccountName& name, const StoredPassword& password,
                                               const std::optional<std::string>& old) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!old && !has_account(name)) return no_account(name);
    db_->run(
        "UPDATE account SET hash = ?1, scram_sha_1 = ?2, scram_sha_256 = ?3,"
        " password_changed = iif(?4 IS NULL, ?5, password_changed)"
        " WHERE domain = ?6 AND local = ?7 AND (?4 IS NULL OR hash = ?4)",
        password.hash, password.scram_sha_1, password.scram_sha_256, old, base::to_ms(clock_.wall()), name.domain,
        name.local);
    return all.commit();
}

base::Result<void> DirectoryFile::remove_account(const mail::AccountName& name) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!has_account(name)) return no_account(name);
    db_->run("DELETE FROM app_password WHERE domain = ? AND local = ?", name.domain, name.local);
    db_->run("DELETE FROM account WHERE domain = ? AND local = ?", name.domain, name.local);
    return all.commit();
}

base::Result<std::vector<Account>> DirectoryFile::accounts(const std::string& domain) {
    const std::lock_guard lock(mutex_);
    if (!domain.empty() && !has_domain(domain)) return no_domain(domain);
    std::vector<Account> out;
    auto row = db_->query(
        "SELECT " ACCOUNT_COLUMNS " FROM account WHERE ?1 = '' OR domain = ?1 ORDER BY domain, local", domain);
    while (row.next()) out.push_back(account_of(row));
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

base::Result<AccountInfo> DirectoryFile::account_info(const mail::AccountName& name) {
    const std::lock_guard lock(mutex_);
    AccountInfo out;
    auto row = db_->query("SELECT " ACCOUNT_COLUMNS
                          ", hash, scram_sha_256, created, password_changed FROM account"
                          " WHERE domain = ? AND local = ?",
                          name.domain, name.local);
    const bool found = row.next();
    if (found) {
        out.account = account_of(row);
        out.scheme = scheme_of(row.text(9));
        out.scram = !row.text(10).empty();
        out.created = base::from_ms(row.integer(11));
        out.password_changed = base::from_ms(row.integer(12));
        auto app = db_->query(
            "SELECT id, label, service, created FROM app_password WHERE domain = ? AND local = ? ORDER BY id",
            name.domain, name.local);
        while (app.next())
            out.app_passwords.push_back({app.integer(0), std::string(app.text(1)), std::string(app.text(2)),
                                         base::from_ms(app.integer(3))});
    }
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    if (!found) return no_account(name);
    return out;
}

base::Result<void> DirectoryFile::add_app_password(const mail::AccountName& name, const std::string& hash,
                                                   const std::string& label, const std::string& service) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!has_account(name)) return no_account(name);
    db_->run("INSERT INTO app_password(domain, local, hash, label, service, created) VALUES(?, ?, ?, ?, ?, ?)",
             name.domain, name.local, hash, label, service, base::to_ms(clock_.wall()));
    return all.commit();
}

base::Result<void> DirectoryFile::remove_app_password(const mail::AccountName& name, std::int64_t id) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    db_->run("DELETE FROM app_password WHERE domain = ? AND local = ? AND id = ?", name.domain, name.local, id);
    if (!db_->error() && db_->changes() == 0)
        return refuse(ENOENT, fmt::format("{} has no app password {}", name.text(), id));
    return all.commit();
}

base::Result<void> DirectoryFile::set_targets(const mail::AccountName& name,
                                              const std::vector<mail::Address>& wanted, bool anew) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!has_domain(name.domain)) return no_domain(name.domain);
    if (has_account(name)) return refuse(EEXIST, fmt::format("{} is an account", name.text()));
    if (anew) db_->run("DELETE FROM alias WHERE domain = ? AND local = ?", name.domain, name.local);
    auto place = db_->value("SELECT coalesce(max(place), 0) FROM alias WHERE domain = ? AND local = ?", name.domain,
                            name.local);
    for (const auto& target : wanted)
        db_->run("INSERT OR IGNORE INTO alias(domain, local, target, place) VALUES(?, ?, ?, ?)", name.domain,
                 name.local, target.to_string(), ++place);
    return all.commit();
}

base::Result<void> DirectoryFile::remove_targets(const mail::AccountName& name,
                                                 const std::vector<mail::Address>& which) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    if (!has_alias(name)) return refuse(ENOENT, fmt::format("there is no alias {}", name.text()));
    if (which.empty()) db_->run("DELETE FROM alias WHERE domain = ? AND local = ?", name.domain, name.local);
    for (const auto& target : which) {
        db_->run("DELETE FROM alias WHERE domain = ? AND local = ? AND target = ?", name.domain, name.local,
                 target.to_string());
        if (!db_->error() && db_->changes() == 0)
            return refuse(ENOENT, fmt::format("{} does not lead to {}", name.text(), target.to_string()));
    }
    return all.commit();
}

base::Result<std::vector<AliasInfo>> DirectoryFile::aliases(const std::string& domain) {
    const std::lock_guard lock(mutex_);
    if (!domain.empty() && !has_domain(domain)) return no_domain(domain);
    std::vector<AliasInfo> out;
    auto row = db_->query(
        "SELECT domain, local, target FROM alias WHERE (?1 = '' OR domain = ?1) AND local <> ''"
        " ORDER BY domain, local, place",
        domain);
    while (row.next()) {
        mail::AccountName name{std::string(row.text(1)), std::string(row.text(0))};
        if (out.empty() || out.back().name != name) out.push_back({std::move(name), {}});
        if (auto target = mail::parse_address(row.text(2))) out.back().targets.push_back(*std::move(target));
    }
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

base::Result<HighMark> DirectoryFile::mark(const mail::AccountName& account) {
    const std::lock_guard lock(mutex_);
    HighMark out;
    {
        auto row = db_->query("SELECT modseq, uid_validity FROM high_mark WHERE domain = ? AND local = ?",
                              account.domain, account.local);
        if (row.next()) out = {row.uinteger(0), static_cast<std::uint32_t>(row.integer(1))};
    }
    if (auto error = db_->take_error(); !error) return std::unexpected(std::move(error.error()));
    return out;
}

base::Result<void> DirectoryFile::raise_mark(const mail::AccountName& account, HighMark mark) {
    const std::lock_guard lock(mutex_);
    Transaction all(*db_);
    db_->run(
        "INSERT INTO high_mark(domain, local, modseq, uid_validity) VALUES(?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET modseq = max(modseq, excluded.modseq),"
        " uid_validity = max(uid_validity, excluded.uid_validity)",
        account.domain, account.local, mark.modseq, mark.uid_validity);
    return all.commit();
}

}  // namespace posthorn::auth::impl
