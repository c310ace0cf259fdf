#include "auth/impl/embedded.hpp"

#include <cerrno>

namespace posthorn::auth::impl {
namespace {

std::unexpected<base::Error> unfit(std::string text) {
    auto out = base::fail(base::ErrorKind::permanent, std::move(text));
    out.error().code = EINVAL;
    return out;
}

}  // namespace

base::Result<std::unique_ptr<Embedded>> Embedded::open(const std::string& path, const base::Clock& clock,
                                                       Deps deps) {
    auto file = DirectoryFile::open(path, clock);
    if (!file) return std::unexpected(std::move(file.error()));
    auto all = (*file)->load();
    if (!all) return std::unexpected(std::move(all.error()));
    std::unique_ptr<Embedded> out(new Embedded(*std::move(file), deps));
    out->book_.replace(std::move(all->domains), std::move(all->entries));
    return out;
}

net::Task<base::Result<std::optional<Entry>>> Embedded::find(net::Loop&, mail::AccountName name) {
    co_return book_.find(name);
}

Mechanisms Embedded::mechanisms() const {
    return {.password = true, .scram_sha_1 = true, .scram_sha_256 = true, .external = true};
}

net::Task<base::Result<std::optional<Secrets>>> Embedded::secrets(net::Loop& loop, mail::AccountName name) {
    auto job = [this, name = std::move(name)] { return file_->secrets(name); };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<void>> Embedded::replace(net::Loop& loop, mail::AccountName name, std::string old,
                                                StoredPassword fresh) {
    auto job = [this, name = std::move(name), old = std::move(old), fresh = std::move(fresh)] {
        return file_->set_password(name, fresh, old);
    };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<StoredPassword>> Embedded::hashed(net::Loop& loop, std::string password) {
    if (password.empty()) co_return StoredPassword{};
    if (password.size() > kMaxPassword) co_return unfit("the password is too long");
    auto job = [password, cost = deps_.cost]() mutable {
        auto out = store_password(password, cost);
        wipe(password);
        return out;
    };
    wipe(password);
    co_return co_await net::offload(loop, deps_.hashing, std::move(job));
}

net::Task<base::Result<void>> Embedded::alter(net::Loop& loop, mail::AccountName name, Change change) {
    auto job = [this, name = std::move(name), change = std::move(change)]() -> base::Result<void> {
        const std::lock_guard lock(altering_);
        if (auto done = change(*file_); !done) return done;
        auto fresh = file_->entry(name);
        if (!fresh) return std::unexpected(std::move(fresh.error()));
        book_.set(name, *std::move(fresh));
        return {};
    };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<void>> Embedded::add_domain(net::Loop& loop, std::string domain) {
    auto job = [this, domain = std::move(domain)]() -> base::Result<void> {
        const std::lock_guard lock(altering_);
        auto done = file_->add_domain(domain);
        if (done) book_.set_domain(domain, true);
        return done;
    };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<void>> Embedded::remove_domain(net::Loop& loop, std::string domain, bool everything) {
    auto job = [this, domain = std::move(domain), everything]() -> base::Result<void> {
        const std::lock_guard lock(altering_);
        auto done = file_->remove_domain(domain, everything);
        if (done) book_.set_domain(domain, false);
        return done;
    };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<void>> Embedded::set_catch_all(net::Loop& loop, std::string domain,
                                                      std::vector<mail::Address> targets) {
    const mail::AccountName name{"", std::move(domain)};
    Change change = [name, targets = std::move(targets)](DirectoryFile& file) {
        return file.set_targets(name, targets, true);
    };
    co_return co_await alter(loop, name, std::move(change));
}

net::Task<base::Result<std::vector<DomainInfo>>> Embedded::domains(net::Loop& loop) {
    auto job = [this] { return file_->domains(); };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<void>> Embedded::add_account(net::Loop& loop, mail::AccountName name, std::string password,
                                                    AccountChange change) {
    auto stored = co_await hashed(loop, std::move(password));
    if (!stored) co_return std::unexpected(std::move(stored.error()));
    Change doing = [name, stored = *std::move(stored), change = std::move(change)](DirectoryFile& file) {
        return file.add_account(name, stored, change);
    };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<void>> Embedded::set_account(net::Loop& loop, mail::AccountName name, AccountChange change) {
    Change doing = [name, change = std::move(change)](DirectoryFile& file) {
        return file.set_account(name, change);
    };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<void>> Embedded::set_password(net::Loop& loop, mail::AccountName name,
                                                     std::string password) {
    auto stored = co_await hashed(loop, std::move(password));
    if (!stored) co_return std::unexpected(std::move(stored.error()));
    Change doing = [name, stored = *std::move(stored)](DirectoryFile& file) {
        return file.set_password(name, stored);
    };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<void>> Embedded::set_hash(net::Loop& loop, mail::AccountName name, std::string hash) {
    if (!known_scheme(hash)) co_return unfit("this is no hash of a scheme that is known here");
    Change doing = [name, hash = std::move(hash)](DirectoryFile& file) {
        return file.set_password(name, {.hash = hash});
    };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<void>> Embedded::remove_account(net::Loop& loop, mail::AccountName name) {
    Change doing = [name](DirectoryFile& file) { return file.remove_account(name); };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<std::vector<Account>>> Embedded::accounts(net::Loop& loop, std::string domain) {
    auto job = [this, domain = std::move(domain)] { return file_->accounts(domain); };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<AccountInfo>> Embedded::account_info(net::Loop& loop, mail::AccountName name) {
    auto job = [this, name = std::move(name)] { return file_->account_info(name); };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

net::Task<base::Result<std::string>> Embedded::add_app_password(net::Loop& loop, mail::AccountName name,
                                                                std::string label, std::string service) {
    auto password = generate_password();
    Change doing = [name, hash = app_password_hash(password), label = std::move(label),
                    service = std::move(service)](DirectoryFile& file) {
        return file.add_app_password(name, hash, label, service);
    };
    auto done = co_await alter(loop, std::move(name), std::move(doing));
    if (!done) co_return std::unexpected(std::move(done.error()));
    co_return password;
}

net::Task<base::Result<void>> Embedded::remove_app_password(net::Loop& loop, mail::AccountName name,
                                                            std::int64_t id) {
    Change doing = [name, id](DirectoryFile& file) { return file.remove_app_password(name, id); };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<void>> Embedded::add_alias(net::Loop& loop, mail::AccountName name,
                                                  std::vector<mail::Address> targets) {
    Change doing = [name, targets = std::move(targets)](DirectoryFile& file) {
        return file.set_targets(name, targets, false);
    };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<void>> Embedded::set_alias(net::Loop& loop, mail::AccountName name,
                                                  std::vector<mail::Address> targets) {
    Change doing = [name, targets = std::move(targets)](DirectoryFile& file) {
        return file.set_targets(name, targets, true);
    };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<void>> Embedded::remove_alias(net::Loop& loop, mail::AccountName name,
                                                     std::vector<mail::Address> targets) {
    Change doing = [name, targets = std::move(targets)](DirectoryFile& file) {
        return file.remove_targets(name, targets);
    };
    co_return co_await alter(loop, std::move(name), std::move(doing));
}

net::Task<base::Result<std::vector<AliasInfo>>> Embedded::aliases(net::Loop& loop, std::string domain) {
    auto job = [this, domain = std::move(domain)] { return file_->aliases(domain); };
    co_return co_await net::offload(loop, deps_.disk, std::move(job));
}

}  // namespace posthorn::auth::impl
