#include "auth/impl/oauth_verifier.hpp"

#include <fmt/format.h>

#include "base/ascii.hpp"
#include "base/base64.hpp"
#include "base/log.hpp"

namespace posthorn::auth::impl {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenFetches = 10s;  // an unknown key id is anybody's to invent

std::string form_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (base::is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

std::unexpected<base::Error> trouble(const std::string& url, std::string what) {
    return base::fail(base::ErrorKind::temporary, url + ": " + std::move(what), "4.3.0");
}

}  // namespace

OAuthVerifier::OAuthVerifier(OAuthConfig config, net::HttpClient http, const base::Clock& clock)
    : config_(std::move(config)), http_(std::move(http)), clock_(clock) {}

std::optional<std::string> OAuthVerifier::user_of(const base::JsonValue& claims) const {
    const auto* user = claims[config_.user_claim].string();
    if (user == nullptr || user->empty()) return std::nullopt;
    // Whoever registered an address there without owning it is not its owner here.
    const auto& verified = claims["email_verified"];
    const auto* text = verified.string();  // some issuers write "true"
    const bool good = verified.null() || verified.boolean() == true || (text != nullptr && *text == "true");
    if (config_.user_claim == "email" && !good) return std::nullopt;
    return *user;
}

net::Task<base::Result<std::optional<std::string>>> OAuthVerifier::verify(net::Loop& loop, std::string bearer) {
    if (bearer.empty() || bearer.size() > kMaxToken) co_return std::optional<std::string>{};
    auto token = config_.jwks_url.empty() ? std::nullopt : Jwt::parse(bearer);
    if (!token && config_.introspection_url.empty()) co_return std::optional<std::string>{};
    auto asking = token ? check(loop, *std::move(token)) : introspect(loop, std::move(bearer));
    auto whose = co_await std::move(asking);
    outage_.note("oauth", whose ? nullptr : &whose.error());
    co_return whose;
}

net::Task<base::Result<std::optional<std::string>>> OAuthVerifier::introspect(net::Loop& loop, std::string bearer) {
    net::HttpPost request;
    request.url = *net::HttpUrl::parse(config_.introspection_url);
    request.content_type = "application/x-www-form-urlencoded";
    request.body = "token=" + form_encoded(bearer) + "&token_type_hint=access_token";
    request.fields.emplace_back("Accept", "application/json");
    if (!config_.client_id.empty()) {
        // RFC 6749 §2.3.1: both parts encoded as in a form, then Basic.
        const auto both = form_encoded(config_.client_id) + ":" + form_encoded(config_.client_secret);
        request.fields.emplace_back("Authorization", "Basic " + base::base64_encode(both));
    }
    const auto deadline = loop.now() + config_.timeout;
    const auto answer = co_await http_.post(loop, std::move(request), deadline);
    if (!answer) co_return std::unexpected(answer.error());
    if (answer->status != 200)
        co_return trouble(config_.introspection_url, fmt::format("status {}", answer->status));
    const auto claims = base::read_json(answer->body);
    if (!claims || !(*claims)["active"].boolean()) co_return trouble(config_.introspection_url, "no such answer");
    if (!*(*claims)["active"].boolean()) co_return std::optional<std::string>{};
    const JwtRules rules{config_.issuer, config_.audience, config_.clock_skew, false};
    if (!claims_objection(*claims, rules, clock_.wall()).empty()) co_return std::optional<std::string>{};
    co_return user_of(*claims);
}

net::Task<base::Result<std::shared_ptr<const KeySet>>> OAuthVerifier::keys(net::Loop& loop, std::string key_id) {
    const auto now = loop.now();
    std::shared_ptr<const KeySet> old;
    const bool fetch = kept_.with([&](Kept& kept) {
        old = kept.keys;
        const bool missing = !old || (!key_id.empty() && !old->has(key_id));
        const bool stale = old && now - kept.fetched >= config_.key_lifetime;
        if ((!missing && !stale) || (kept.ever_tried && now - kept.tried < kBetweenFetches)) return false;
        kept.tried = now;
        kept.ever_tried = true;
        return true;
    });
    if (!fetch && old) co_return old;
    if (!fetch) co_return trouble(config_.jwks_url, "no keys yet");
    net::HttpPost request;
    request.method = "GET";
    request.url = *net::HttpUrl::parse(config_.jwks_url);
    const auto deadline = now + config_.timeout;
    const auto answer = co_await http_.post(loop, std::move(request), deadline);
    auto fresh = answer && answer->status == 200 ? KeySet::parse(answer->body) : std::nullopt;
    if (!fresh) {
        const auto why = !answer                 ? answer.error().log_text
                         : answer->status != 200 ? fmt::format("status {}", answer->status)
                                                 : "that is no key set";
        if (!old) co_return trouble(config_.jwks_url, why);
        base::log::warning("auth.keys_stale", {{"msg", "the old keys go on"}, {"reason", why}});
        co_return old;
    }
    auto shared = std::make_shared<const KeySet>(*std::move(fresh));
    kept_.with([&](Kept& kept) {
        kept.keys = shared;
        kept.fetched = now;
    });
    co_return shared;
}

net::Task<base::Result<std::optional<std::string>>> OAuthVerifier::check(net::Loop& loop, Jwt token) {
    auto known = co_await keys(loop, token.key_id);
    if (!known) co_return std::unexpected(std::move(known.error()));
    const bool good = (*known)->verify(token.algorithm, token.key_id, token.signed_text, token.signature);
    const JwtRules rules{config_.issuer, config_.audience, config_.clock_skew};
    if (!good || !claims_objection(token.claims, rules, clock_.wall()).empty())
        co_return std::optional<std::string>{};
    co_return user_of(token.claims);
}

}  // namespace posthorn::auth::impl
