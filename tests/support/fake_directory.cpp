#include "tests/support/fake_directory.hpp"

#include "base/ascii.hpp"
#include "mail/account.hpp"

namespace posthorn::testing {
namespace {

base::Error down() {
    return {base::ErrorKind::temporary, "4.3.0", "Temporary lookup failure", "the directory is down", 0};
}

}  // namespace

auth::Account& FakeDirectory::add_account(std::string_view address) {
    const auto at = address.rfind('@');
    auto& account = accounts_[std::string(address)];
    account.name = {std::string(address.substr(0, at)), std::string(address.substr(at + 1))};
    domains_.try_emplace(account.name.domain);
    return account;
}

void FakeDirectory::add_alias(std::string_view address, std::vector<std::string> targets) {
    auto& list = aliases_[std::string(address)];
    list.clear();
    for (const auto& target : targets) list.push_back(mail::parse_address(target).value());
    domains_.try_emplace(std::string(address.substr(address.rfind('@') + 1)));
}

void FakeDirectory::add_domain(std::string domain, std::string catch_all) {
    domains_[std::move(domain)] = std::move(catch_all);
}

void FakeDirectory::remove(std::string_view address) {
    accounts_.erase(std::string(address));
    aliases_.erase(std::string(address));
}

std::optional<auth::Resolution> FakeDirectory::named(const std::string& address) const {
    auth::Resolution out;
    if (const auto found = aliases_.find(address); found != aliases_.end()) {
        out.kind = auth::Resolution::Kind::alias;
        out.targets = found->second;
        return out;
    }
    if (const auto found = accounts_.find(address); found != accounts_.end()) {
        out.kind = auth::Resolution::Kind::account;
        out.account = found->second;
        return out;
    }
    return std::nullopt;
}

net::Task<base::Result<auth::Resolution>> FakeDirectory::resolve(net::Loop&, mail::Address address) {
    const auto name = mail::account_name(address);
    const auto whole = name ? name->text() : std::string();
    questions_.push_back(whole);
    if (down_) co_return std::unexpected(down());
    const auto home = name ? domains_.find(name->domain) : domains_.end();
    if (home == domains_.end()) co_return auth::Resolution{};
    if (auto found = named(whole)) co_return *std::move(found);
    const auto mark = separator_.empty() ? std::string::npos : address.local.find(separator_, 1);
    if (mark != std::string::npos) {
        if (auto found = named(base::lower(address.local.substr(0, mark)) + "@" + name->domain)) {
            found->tag = address.local.substr(mark + separator_.size());
            co_return *std::move(found);
        }
    }
    if (!home->second.empty()) {
        auth::Resolution caught{.kind = auth::Resolution::Kind::alias, .catch_all = true};
        caught.targets.push_back(mail::parse_address(home->second).value());
        co_return caught;
    }
    auth::Resolution unknown;
    unknown.kind = auth::Resolution::Kind::unknown;
    co_return unknown;
}

net::Task<base::Result<std::optional<auth::Account>>> FakeDirectory::account(net::Loop&, mail::AccountName name) {
    if (down_) co_return std::unexpected(down());
    const auto found = accounts_.find(name.text());
    if (found == accounts_.end()) co_return std::optional<auth::Account>{};
    co_return std::optional(found->second);
}

bool FakeDirectory::is_local_domain(std::string_view domain) const { return domains_.contains(domain); }

std::vector<std::string> FakeDirectory::local_domains() const {
    std::vector<std::string> out;
    for (const auto& [domain, catch_all] : domains_) out.push_back(domain);
    return out;
}

}  // namespace posthorn::testing
