// Accounts in an LDAP directory (RFC 4511): found by a search, or by a name made of the address (user_dn); passwords are
// checked by a bind as that entry, so that no hash ever leaves the server. SCRAM is not served. Domains are configured: a server that is down must not
// make its domains foreign. libldap blocks: everything runs on a pool of its own, with the network's time limit and
// the search's. Searches share pooled connections; a password has a connection for itself. Any loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/config.hpp"
#include "auth/impl/backend.hpp"
#include "base/guarded.hpp"
#include "net/pool.hpp"

namespace posthorn::auth::impl {

// A value as it may stand in a filter (RFC 4515 §3): what means something there is escaped.
std::string filter_escaped(std::string_view value);
// %a the address, %u its local part, %d its domain, each escaped; %% a percent sign.
std::string filter_for(std::string_view pattern, const mail::AccountName& name);
// The same in a distinguished name (RFC 4514 §2.4).
std::string dn_for(std::string_view pattern, const mail::AccountName& name);

class LdapBackend final : public Backend {
public:
    // `pool` outlives it.
    LdapBackend(LdapConfig config, net::Pool& pool);
    ~LdapBackend() override;

    std::string_view name() const override { return "ldap"; }
    bool serves(std::string_view domain) const override;
    std::vector<std::string> domains() const override { return domains_; }
    net::Task<base::Result<std::optional<Entry>>> find(net::Loop& loop, mail::AccountName name) override;
    Mechanisms mechanisms() const override { return {.password = true, .external = true}; }
    net::Task<base::Result<std::optional<Secrets>>> secrets(net::Loop&, mail::AccountName) override {
        co_return std::optional<Secrets>{};
    }
    bool checks() const override { return true; }
    net::Task<base::Result<bool>> check(net::Loop& loop, mail::AccountName name, std::string password) override;

private:
    class Connection;
    struct Person;

    base::Result<std::unique_ptr<Connection>> take();
    void give_back(std::unique_ptr<Connection> connection);
    base::Result<std::optional<Person>> search(const std::string& base, int scope, const std::string& filter);
    base::Result<std::optional<Person>> person(
        const mail::AccountName& name);  // nothing: nobody, or not in the group
    base::Result<std::optional<Entry>> look(const mail::AccountName& name);
    base::Result<bool> try_password(const mail::AccountName& name, const std::string& password);

    const LdapConfig config_;
    std::vector<std::string> domains_;  // sorted
    net::Pool& pool_;
    base::Guarded<std::vector<std::unique_ptr<Connection>>> idle_;
};

}  // namespace posthorn::auth::impl
