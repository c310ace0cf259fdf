// The embedded directory: names are found in memory (book.hpp), secrets in the SQLite file on the disk pool, changes are
// durable in the file before the book shows them, and shown before their Task returns. Any loop.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "auth/editor.hpp"
#include "auth/impl/backend.hpp"
#include "auth/impl/book.hpp"
#include "auth/impl/directory_file.hpp"
#include "net/pool.hpp"

namespace posthorn::auth::impl {

class Embedded final : public Backend, public Editor {
public:
    struct Deps {
        net::Pool& disk;  // both outlive it
        net::Pool& hashing;
        HashCost cost;
    };
    // Reads all names; blocks.
    static base::Result<std::unique_ptr<Embedded>> open(const std::string& path, const base::Clock& clock,
                                                        Deps deps);

    HighMarks& marks() { return *file_; }
    base::Result<std::string> scram_key() { return file_->scram_key(); }  // blocks

    std::string_view name() const override { return "embedded"; }
    bool serves(std::string_view domain) const override { return book_.serves(domain); }
    std::vector<std::string> domains() const override { return book_.domains(); }
    net::Task<base::Result<std::optional<Entry>>> find(net::Loop& loop, mail::AccountName name) override;
    Mechanisms mechanisms() const override;
    net::Task<base::Result<std::optional<Secrets>>> secrets(net::Loop& loop, mail::AccountName name) override;
    bool ours() const override { return true; }
    net::Task<base::Result<void>> replace(net::Loop& loop, mail::AccountName name, std::string old,
                                          StoredPassword fresh) override;

    net::Task<base::Result<void>> add_domain(net::Loop& loop, std::string domain) override;
    net::Task<base::Result<void>> set_catch_all(net::Loop& loop, std::string domain,
                                                std::vector<mail::Address> targets) override;
    net::Task<base::Result<void>> remove_domain(net::Loop& loop, std::string domain, bool everything) override;
    net::Task<base::Result<std::vector<DomainInfo>>> domains(net::Loop& loop) override;
    net::Task<base::Result<void>> add_account(net::Loop& loop, mail::AccountName name, std::string password,
                                              AccountChange change) override;
    net::Task<base::Result<void>> set_account(net::Loop& loop, mail::AccountName name,
                                              AccountChange change) override;
    net::Task<base::Result<void>> set_password(net::Loop& loop, mail::AccountName name,
                                               std::string password) override;
    net::Task<base::Result<void>> set_hash(net::Loop& loop, mail::AccountName name, std::string hash) override;
    net::Task<base::Result<void>> remove_account(net::Loop& loop, mail::AccountName name) override;
    net::Task<base::Result<std::vector<Account>>> accounts(net::Loop& loop, std::string domain) override;
    net::Task<base::Result<AccountInfo>> account_info(net::Loop& loop, mail::AccountName name) override;
    net::Task<base::Result<std::string>> add_app_password(net::Loop& loop, mail::AccountName name,
                                                          std::string label, std::string service) override;
    net::Task<base::Result<void>> remove_app_password(net::Loop& loop, mail::AccountName name,
                                                      std::int64_t id) override;
    net::Task<base::Result<void>> add_alias(net::Loop& loop, mail::AccountName name,
                                            std::vector<mail::Address> targets) override;
    net::Task<base::Result<void>> set_alias(net::Loop& loop, mail::AccountName name,
                                            std::vector<mail::Address> targets) override;
    net::Task<base::Result<void>> remove_alias(net::Loop& loop, mail::AccountName name,
                                               std::vector<mail::Address> targets) override;
    net::Task<base::Result<std::vector<AliasInfo>>> aliases(net::Loop& loop, std::string domain) override;

private:
    Embedded(std::unique_ptr<DirectoryFile> file, Deps deps) : file_(std::move(file)), deps_(deps) {}

    // On the disk pool: `change`, then what the file says of `name` goes into the book.
    using Change = std::function<base::Result<void>(DirectoryFile&)>;
    net::Task<base::Result<void>> alter(net::Loop& loop, mail::AccountName name, Change change);
    net::Task<base::Result<StoredPassword>> hashed(net::Loop& loop, std::string password);

    std::unique_ptr<DirectoryFile> file_;
    const Deps deps_;
    Book book_;
    std::mutex altering_;  // the book follows the file in the order of its changes; held on the pool alone
};

}  // namespace posthorn::auth::impl
