// The embedded directory's SQLite file: its schema and the statements, blocking, one thread at a time (a lock inside).
// Every change is one transaction, durable when its function returns (WAL, synchronous=FULL). The file's version is its
// user_version: an older one is brought up step by step, a newer one is refused with a remedy.
//
// Errors as auth/editor.hpp has them.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "auth/editor.hpp"
#include "auth/high_marks.hpp"
#include "auth/impl/backend.hpp"
#include "auth/impl/book.hpp"
#include "base/sqlite/database.hpp"

namespace posthorn::auth::impl {

class DirectoryFile final : public HighMarks {
public:
    static base::Result<std::unique_ptr<DirectoryFile>> open(const std::string& path, const base::Clock& clock);

    // Without opening it for work: nothing is made or changed. No file has none.
    static base::Result<std::vector<std::string>> read_domains(const std::string& path);

    struct All {
        std::set<std::string, std::less<>> domains;
        std::vector<Book::Named> entries;
    };
    base::Result<All> load();
    base::Result<std::optional<Entry>> entry(const mail::AccountName& name);
    base::Result<std::optional<Secrets>> secrets(const mail::AccountName& name);
    // Made at the first start, 32 octets; what the salts of unknown users come from.
    base::Result<std::string> scram_key();

    base::Result<void> add_domain(const std::string& domain);
    base::Result<void> remove_domain(const std::string& domain, bool everything);
    base::Result<std::vector<DomainInfo>> domains();

    base::Result<void> add_account(const mail::AccountName& name, const StoredPassword& password,
                                   const AccountChange& change);
    base::Result<void> set_account(const mail::AccountName& name, const AccountChange& change);
    // `old`: only where the hash is still that one; not being so is no error.
    base::Result<void> set_password(const mail::AccountName& name, const StoredPassword& password,
                                    const std::optional<std::string>& old = {});
    base::Result<void> remove_account(const mail::AccountName& name);
    base::Result<std::vector<Account>> accounts(const std::string& domain);
    base::Result<AccountInfo> account_info(const mail::AccountName& name);
    base::Result<void> add_app_password(const mail::AccountName& name, const std::string& hash,
                                        const std::string& label, const std::string& service);
    base::Result<void> remove_app_password(const mail::AccountName& name, std::int64_t id);

    // An empty local part: the domain's catch-all. `anew`: without the targets it has.
    base::Result<void> set_targets(const mail::AccountName& name, const std::vector<mail::Address>& targets,
                                   bool anew);
    base::Result<void> remove_targets(const mail::AccountName& name, const std::vector<mail::Address>& targets);
    base::Result<std::vector<AliasInfo>> aliases(const std::string& domain);

    base::Result<HighMark> mark(const mail::AccountName& account) override;
    base::Result<void> raise_mark(const mail::AccountName& account, HighMark mark) override;

private:
    DirectoryFile(std::unique_ptr<base::sqlite::Database> db, const base::Clock& clock)
        : db_(std::move(db)), clock_(clock) {}
    base::Result<void> migrate();
    bool has_domain(const std::string& domain);
    bool has_account(const mail::AccountName& name);
    bool has_alias(const mail::AccountName& name);
    void change(const mail::AccountName& name, const AccountChange& change);
    std::unexpected<base::Error> refuse(int code, std::string text);
    std::unexpected<base::Error> no_domain(const std::string& domain);
    std::unexpected<base::Error> no_account(const mail::AccountName& name);
    std::vector<mail::Address> targets(const mail::AccountName& name);

    std::mutex mutex_;
    std::unique_ptr<base::sqlite::Database> db_;
    const base::Clock& clock_;
};

}  // namespace posthorn::auth::impl
