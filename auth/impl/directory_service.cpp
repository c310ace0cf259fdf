#include "auth/impl/directory_service.hpp"

#include "base/ascii.hpp"

namespace posthorn::auth::impl {
namespace {

Resolution resolution(Entry entry) {
    Resolution out;
    if (entry.account) {
        out.kind = Resolution::Kind::account;
        out.account = *std::move(entry.account);
    } else {
        out.kind = Resolution::Kind::alias;
        out.targets = std::move(entry.targets);
    }
    return out;
}

}  // namespace

net::Task<base::Result<Resolution>> DirectoryService::resolve(net::Loop& loop, mail::Address address) {
    if (address.domain.empty()) address.domain = rules_.default_domain;  // RFC 5321 §4.5.1: "postmaster" alone
    const auto name = mail::account_name(address);
    if (!name || !lookup_.serves(name->domain)) co_return Resolution{};
    auto found = co_await lookup_.find(loop, *name);
    if (!found) co_return std::unexpected(std::move(found.error()));
    if (*found) co_return resolution(std::move((*found)->entry));

    const auto mark = rules_.separator.empty() ? std::string::npos : address.local.find(rules_.separator, 1);
    if (mark != std::string::npos) {
        const mail::AccountName plain{base::lower(address.local.substr(0, mark)), name->domain};
        found = co_await lookup_.find(loop, plain);
        if (!found) co_return std::unexpected(std::move(found.error()));
        if (*found) {
            auto out = resolution(std::move((*found)->entry));
            out.tag = address.local.substr(mark + rules_.separator.size());
            co_return out;
        }
    }
    co_return co_await nobody(loop, *name);
}

net::Task<base::Result<Resolution>> DirectoryService::nobody(net::Loop& loop, mail::AccountName name) {
    const mail::AccountName everybody{"", name.domain};
    auto found = co_await lookup_.find(loop, everybody);
    if (!found) co_return std::unexpected(std::move(found.error()));
    Resolution out;
    out.kind = Resolution::Kind::unknown;
    if (*found && !(*found)->entry.account) {
        out = resolution(std::move((*found)->entry));
        out.catch_all = true;
    } else if (name.local == "postmaster") {
        const auto postmaster = mail::parse_address(rules_.postmaster);
        if (postmaster && mail::account_name(*postmaster) != name) {
            out.kind = Resolution::Kind::alias;
            out.targets = {*postmaster};
        }
    }
    co_return out;
}

net::Task<base::Result<std::optional<Account>>> DirectoryService::account(net::Loop& loop, mail::AccountName name) {
    auto found = co_await lookup_.find(loop, std::move(name));
    if (!found) co_return std::unexpected(std::move(found.error()));
    if (!*found) co_return std::optional<Account>{};
    co_return std::move((*found)->entry.account);
}

}  // namespace posthorn::auth::impl
