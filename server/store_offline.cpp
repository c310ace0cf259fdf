#include "server/store_offline.hpp"

#include <cstdio>

#include "auth/impl/directory_file.hpp"
#include "control/store_commands.hpp"
#include "net/pool.hpp"
#include "server/folders.hpp"
#include "server/high_water.hpp"
#include "store/backend.hpp"

namespace posthorn::server {
namespace {

using control::Value;

base::Result<Value> act(const Config& config, const Options& options) {
    const auto account = mail::parse_account_name(options.account);
    if (!account) return base::fail(base::ErrorKind::permanent, "account: that is no address");
    const auto identity = wanted_identity(config.server);
    if (!identity) return std::unexpected(identity.error());
    if (*identity) {
        if (auto done = become(**identity); !done) return std::unexpected(done.error());
    }
    base::SystemClock clock;
    base::Metrics metrics;
    const auto disk = base::posix_disk();
    const auto pool = net::make_pool("store", 1, 16);
    // The marks stand in the embedded directory, whoever else knows the accounts.
    const auto marks = auth::impl::DirectoryFile::open(config.auth.database, clock);
    if (!marks) return std::unexpected(marks.error());
    HighWater high_water(**marks);
    const store::Ports ports{*disk, *pool, clock, metrics, &high_water};
    if (options.action == Options::Action::store_check) {
        const auto report = store::check_offline(config.store, ports, *account, options.bodies);
        if (!report) return std::unexpected(report.error());
        return control::check_view(*account, *report);
    }
    const auto report = store::repair_offline(config.store, ports, *account);
    if (!report) return std::unexpected(report.error());
    return control::repair_view(*account, *report);
}

}  // namespace

int run_store_offline(const Config& config, const Options& options) {
    const auto result = act(config, options);
    auto answer = Value::map().set("ok", result.has_value());
    if (result)
        answer.set("result", *result);
    else
        answer.set("error", result.error().log_text);
    const auto text = control::to_json(answer, false) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    return result ? 0 : 1;
}

}  // namespace posthorn::server
