// auth::Directory over the backends: canonical names, tags, catch-alls and postmasters.
#pragma once

#include <string>

#include "auth/impl/lookup.hpp"

namespace posthorn::auth::impl {

class DirectoryService final : public Directory {
public:
    struct Rules {
        std::string separator;
        std::string default_domain;
        std::string postmaster;  // an address; empty: none
    };
    DirectoryService(Lookup& lookup, Rules rules) : lookup_(lookup), rules_(std::move(rules)) {}  // it outlives us

    net::Task<base::Result<Resolution>> resolve(net::Loop& loop, mail::Address address) override;
    net::Task<base::Result<std::optional<Account>>> account(net::Loop& loop, mail::AccountName name) override;
    bool is_local_domain(std::string_view domain) const override { return lookup_.serves(domain); }
    std::vector<std::string> local_domains() const override { return lookup_.domains(); }

private:
    // What stands behind the bare domain: its catch-all, else who gets a missing postmaster's mail.
    net::Task<base::Result<Resolution>> nobody(net::Loop& loop, mail::AccountName name);

    Lookup& lookup_;
    const Rules rules_;
};

}  // namespace posthorn::auth::impl
