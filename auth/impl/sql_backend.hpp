// Accounts and aliases in somebody's SQL database, by queries of the configuration. Domains are configured: a database
// that is down must not make its domains foreign. Connections are pooled, one for each thread of a pool of its own;
// one that fails is closed, and the next question opens another. Any loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth/config.hpp"
#include "auth/impl/backend.hpp"
#include "auth/impl/sql.hpp"
#include "base/guarded.hpp"
#include "net/pool.hpp"

namespace posthorn::auth::impl {

class SqlBackend final : public Backend {
public:
    // `pool` outlives it.
    SqlBackend(SqlConfig config, net::Pool& pool);

    std::string_view name() const override { return name_; }
    bool serves(std::string_view domain) const override;
    std::vector<std::string> domains() const override { return domains_; }
    net::Task<base::Result<std::optional<Entry>>> find(net::Loop& loop, mail::AccountName name) override;
    Mechanisms mechanisms() const override;
    net::Task<base::Result<std::optional<Secrets>>> secrets(net::Loop& loop, mail::AccountName name) override;

private:
    base::Result<SqlRows> ask(const std::string& query, const mail::AccountName& name);
    base::Result<std::optional<Entry>> look(const mail::AccountName& name);
    base::Result<std::optional<Secrets>> look_secrets(const mail::AccountName& name);

    const SqlConfig config_;
    const std::string name_;
    std::vector<std::string> domains_;  // sorted
    net::Pool& pool_;
    base::Guarded<std::vector<std::unique_ptr<SqlConnection>>> idle_;
};

}  // namespace posthorn::auth::impl
