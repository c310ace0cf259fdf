#include "auth/service.hpp"

#include <sodium.h>

#include <algorithm>
#include <thread>

#include "auth/exposed.hpp"
#include "auth/impl/directory_service.hpp"
#include "auth/impl/embedded.hpp"
#include "auth/impl/file_backend.hpp"
#include "auth/impl/ldap_backend.hpp"
#include "auth/impl/login_service.hpp"
#include "auth/impl/lookup.hpp"
#include "auth/impl/oauth_verifier.hpp"
#include "auth/impl/sql_backend.hpp"
#include "base/log.hpp"

namespace posthorn::auth {
namespace {

using namespace impl;

constexpr std::size_t kOutsideQueue = 1000;

// The embedded directory is there for marks and mailctl also when it is not among the backends.
class Borrowed final : public Backend {
public:
    explicit Borrowed(Backend& backend) : backend_(backend) {}
    std::string_view name() const override { return backend_.name(); }
    bool serves(std::string_view domain) const override { return backend_.serves(domain); }
    std::vector<std::string> domains() const override { return backend_.domains(); }
    net::Task<base::Result<std::optional<Entry>>> find(net::Loop& loop, mail::AccountName name) override {
        return backend_.find(loop, std::move(name));
    }
    Mechanisms mechanisms() const override { return backend_.mechanisms(); }
    net::Task<base::Result<std::optional<Secrets>>> secrets(net::Loop& loop, mail::AccountName name) override {
        return backend_.secrets(loop, std::move(name));
    }
    net::Task<base::Result<void>> replace(net::Loop& loop, mail::AccountName name, std::string old,
                                          StoredPassword fresh) override {
        return backend_.replace(loop, std::move(name), std::move(old), std::move(fresh));
    }

private:
    Backend& backend_;
};

std::size_t hash_threads(std::uint32_t configured) {
    return configured != 0 ? configured : std::max(1U, std::thread::hardware_concurrency() / 2);
}

class Whole final : public Service {
public:
    Whole(std::unique_ptr<net::Pool> hashing, std::unique_ptr<Embedded> embedded)
        : embedded_(std::move(embedded)), hashing_(std::move(hashing)) {}

    base::Result<void> open(const Deps& deps, const Config& config) {
        std::vector<std::unique_ptr<Backend>> backends;
        for (const auto kind : config.backends) {
            auto backend = make(kind, deps, config);
            if (!backend) return std::unexpected(std::move(backend.error()));
            backends.push_back(*std::move(backend));
        }
        auto key = embedded_->scram_key();
        if (!key) return std::unexpected(std::move(key.error()));
        lookup_ = std::make_unique<Lookup>(std::move(backends));
        directory_ = std::make_unique<DirectoryService>(
            *lookup_, DirectoryService::Rules{config.separator, config.default_domain, config.postmaster});
        if (!config.oauth.introspection_url.empty() || !config.oauth.jwks_url.empty())
            tokens_ = std::make_unique<OAuthVerifier>(config.oauth, deps.http, deps.clock);
        provider_ = std::make_unique<LoginService>(*lookup_, tokens_.get(), *hashing_, deps.metrics,
                                                   LoginRules{.default_domain = config.default_domain,
                                                              .cost = config.cost,
                                                              .failure_delay = config.failure_delay,
                                                              .throttle = config.throttle,
                                                              .scram_key = *std::move(key)},
                                                   deps.events);
        deps.metrics.gauge_callback("posthorn_auth_hashing_queued", "Passwords that wait to be hashed",
                                    [weak = std::weak_ptr(hashing_)] {
                                        const auto pool = weak.lock();
                                        return pool ? static_cast<double>(pool->queued()) : 0.0;
                                    });
        return {};
    }

    Directory& directory() override { return *directory_; }
    Provider& provider() override { return *provider_; }
    Editor& editor() override { return *embedded_; }
    HighMarks& marks() override { return embedded_->marks(); }

private:
    // Threads that wait for another server: one that is slow holds up its own questions alone.
    net::Pool& outside(std::string name, std::size_t connections) {
        return *pools_.emplace_back(net::make_pool(std::move(name), connections, kOutsideQueue));
    }

    base::Result<std::unique_ptr<Backend>> make(BackendKind kind, const Deps& deps, const Config& config) {
        switch (kind) {
            case BackendKind::embedded: return std::make_unique<Borrowed>(*embedded_);
            case BackendKind::file: return FileBackend::open(config.file.path, deps.disk);
            case BackendKind::sql:
                return std::make_unique<SqlBackend>(config.sql, outside("sql", config.sql.connections));
            case BackendKind::ldap:
                return std::make_unique<LdapBackend>(config.ldap, outside("ldap", config.ldap.connections));
        }
        return base::fail(base::ErrorKind::internal, "an unknown backend");
    }

    std::unique_ptr<Embedded> embedded_;
    std::unique_ptr<OAuthVerifier> tokens_;
    std::unique_ptr<Lookup> lookup_;
    std::unique_ptr<DirectoryService> directory_;
    std::unique_ptr<LoginService> provider_;
    std::shared_ptr<net::Pool> hashing_;
    std::vector<std::unique_ptr<net::Pool>> pools_;  // go first: their jobs look at the backends
};

}  // namespace

base::Result<std::unique_ptr<Service>> open_service(const Deps& deps, const Config& config) {
    if (sodium_init() < 0) return base::fail(base::ErrorKind::internal, "libsodium does not start");
    auto hashing = net::make_pool("hash", hash_threads(config.hash_threads), config.hash_queue);
    auto embedded = Embedded::open(config.database, deps.clock, {deps.disk, *hashing, config.cost});
    if (!embedded) return std::unexpected(std::move(embedded.error()));
    auto out = std::make_unique<Whole>(std::move(hashing), *std::move(embedded));
    if (auto opened = out->open(deps, config); !opened) return std::unexpected(std::move(opened.error()));
    for (const auto& text : exposed_backends(config)) base::log::warning("auth.exposed", {{"msg", text}});
    return out;
}

}  // namespace posthorn::auth
