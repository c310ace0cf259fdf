#include "auth/impl/lookup.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace posthorn::auth::impl {
namespace {

// The operator has the log; the wire learns nothing of what stands behind us.
base::Error outward(base::Error error) {
    error.kind = base::ErrorKind::temporary;
    error.status = "4.3.0";
    error.peer_text = "Temporary lookup failure";
    return error;
}

}  // namespace

void Outage::note(std::string_view what, const base::Error* error) {
    const bool down = error != nullptr;
    if (down_.exchange(down) == down) return;
    if (down) {
        base::log::error("auth.backend_down", {{"msg", "logins and recipients that depend on it are put off"},
                                               {"backend", what},
                                               {"reason", error->log_text}});
    } else {
        base::log::notice("auth.backend_up", {{"msg", "it answers again"}, {"backend", what}});
    }
}

Lookup::Lookup(std::vector<std::unique_ptr<Backend>> backends) {
    for (auto& backend : backends) members_.push_back({.backend = std::move(backend)});
}

void Lookup::note(const Backend* backend, const base::Error* error) {
    for (const auto& member : members_) {
        if (member.backend.get() == backend) member.outage->note(backend->name(), error);
    }
}

net::Task<base::Result<std::optional<Lookup::Found>>> Lookup::find(net::Loop& loop, mail::AccountName name) {
    for (const auto& member : members_) {
        if (!member.backend->serves(name.domain)) continue;
        auto entry = co_await member.backend->find(loop, name);
        note(member.backend.get(), entry ? nullptr : &entry.error());
        if (!entry) co_return std::unexpected(outward(std::move(entry.error())));
        if (*entry) co_return Found{**std::move(entry), member.backend.get()};
    }
    co_return std::optional<Found>{};
}

net::Task<base::Result<std::optional<Secrets>>> Lookup::secrets(net::Loop& loop, Backend* backend,
                                                                mail::AccountName name) {
    auto secrets = co_await backend->secrets(loop, std::move(name));
    note(backend, secrets ? nullptr : &secrets.error());
    co_return secrets;
}

net::Task<base::Result<bool>> Lookup::check(net::Loop& loop, Backend* backend, mail::AccountName name,
                                            std::string password) {
    auto right = co_await backend->check(loop, std::move(name), std::move(password));
    note(backend, right ? nullptr : &right.error());
    co_return right;
}

Backend* Lookup::first_for(std::string_view domain) const {
    for (const auto& member : members_) {
        if (member.backend->serves(domain)) return member.backend.get();
    }
    return nullptr;
}

bool Lookup::serves(std::string_view domain) const { return first_for(domain) != nullptr; }

std::vector<std::string> Lookup::domains() const {
    std::vector<std::string> out;
    for (const auto& member : members_) {
        auto theirs = member.backend->domains();
        out.insert(out.end(), std::move_iterator(theirs.begin()), std::move_iterator(theirs.end()));
    }
    std::ranges::sort(out);
    const auto [first, last] = std::ranges::unique(out);
    out.erase(first, last);
    return out;
}

Mechanisms Lookup::mechanisms() const {
    Mechanisms all{.password = true, .scram_sha_1 = true, .scram_sha_256 = true, .token = true, .external = true};
    for (const auto& member : members_) {
        const auto theirs = member.backend->mechanisms();
        all.password &= theirs.password;
        all.scram_sha_1 &= theirs.scram_sha_1;
        all.scram_sha_256 &= theirs.scram_sha_256;
        all.token &= theirs.token;
        all.external &= theirs.external;
    }
    return all;
}

}  // namespace posthorn::auth::impl
