// Bearer tokens of OAuth 2: a JWT is held against the issuer's published keys, which are kept; any other token is asked
// of the issuer (introspection, RFC 7662). Whichever of the two is configured serves. Any loop.
#pragma once

#include <memory>
#include <string>

#include "auth/config.hpp"
#include "auth/impl/jwt.hpp"
#include "auth/impl/lookup.hpp"
#include "auth/impl/token_verifier.hpp"
#include "base/guarded.hpp"
#include "net/http_client.hpp"

namespace posthorn::auth::impl {

class OAuthVerifier final : public TokenVerifier {
public:
    OAuthVerifier(OAuthConfig config, net::HttpClient http, const base::Clock& clock);
    net::Task<base::Result<std::optional<std::string>>> verify(net::Loop& loop, std::string bearer) override;

private:
    struct Kept {
        std::shared_ptr<const KeySet> keys;
        base::SteadyTime fetched{};
        base::SteadyTime tried{};
        bool ever_tried = false;
    };
    net::Task<base::Result<std::optional<std::string>>> introspect(net::Loop& loop, std::string bearer);
    net::Task<base::Result<std::optional<std::string>>> check(net::Loop& loop, Jwt token);
    // Those that are kept, fetched anew where they are old or lack `key_id`; old ones rather than none.
    net::Task<base::Result<std::shared_ptr<const KeySet>>> keys(net::Loop& loop, std::string key_id);
    std::optional<std::string> user_of(const base::JsonValue& claims) const;

    const OAuthConfig config_;
    const net::HttpClient http_;
    const base::Clock& clock_;
    base::Guarded<Kept> kept_;
    Outage outage_;
};

}  // namespace posthorn::auth::impl
