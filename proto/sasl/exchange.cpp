#include "proto/sasl/exchange.hpp"

#include <algorithm>
#include <utility>

#include "base/base64.hpp"

namespace posthorn::sasl {

bool Offer::has(Mechanism mechanism) const { return std::ranges::find(mechanisms, mechanism) != mechanisms.end(); }

bool Offer::allows(Mechanism mechanism) const {
    if (!has(mechanism)) return false;
    if (in_the_clear(mechanism)) return passwords();
    if (mechanism == Mechanism::scram_sha_256_plus) return tls && !tls->tls_exporter.empty();
    if (mechanism == Mechanism::external) return tls && tls->certificate;
    return true;
}

std::string Offer::names(std::string_view before) const {
    std::string out;
    for (const auto mechanism : mechanisms) {
        if (allows(mechanism)) (out += before) += name(mechanism);
    }
    return out;
}

Step Exchange::begin(const Offer& offer, Mechanism mechanism, std::optional<std::string> initial) {
    verdict_ = LoginVerdict::ok;
    server_ = make_server(mechanism, {.tls_exporter = offer.tls ? offer.tls->tls_exporter : std::string(),
                                      .plus_offered = offer.allows(Mechanism::scram_sha_256_plus),
                                      .token_scope = offer.token_scope});
    auto step = server_->start(initial ? std::optional<std::string_view>(*initial) : std::nullopt);
    if (initial) wipe(*initial);
    return step;
}

std::optional<Step> Exchange::respond(std::string_view base64) {
    auto octets = base::base64_decode(base64);
    if (!octets) return std::nullopt;
    auto step = server_->respond(*octets);
    wipe(*octets);
    return step;
}

std::optional<Step> Exchange::judge(LoginVerdict verdict) {
    switch (verdict) {
        case LoginVerdict::ok: return server_->grant();
        case LoginVerdict::wrong:
        case LoginVerdict::disabled: verdict_ = verdict; return server_->deny();
        case LoginVerdict::throttled:
        case LoginVerdict::unavailable: break;
    }
    return std::nullopt;
}

std::optional<LoginVerdict> Exchange::refusal(const Failed& failed) const {
    if (verdict_ != LoginVerdict::ok) return verdict_;
    if (failed.why == Failed::Why::malformed) return std::nullopt;
    return LoginVerdict::wrong;
}

void Exchange::end() { server_.reset(); }

}  // namespace posthorn::sasl
