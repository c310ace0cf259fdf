// JSON Web Tokens (RFC 7519) signed by keys of a JWK set (RFC 7517): RS256, ES256 (RFC 7518) and EdDSA with Ed25519
// (RFC 8037). Nothing else is taken: neither "none" nor a shared secret. Pure; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/json_value.hpp"

struct evp_pkey_st;

namespace posthorn::auth::impl {

inline constexpr std::size_t kMaxToken = 16U << 10U;  // octets
inline constexpr std::size_t kMaxKeySet = 256U << 10U;

// Without padding (RFC 7515 §2).
std::optional<std::string> base64url_decode(std::string_view text);

// The keys of one issuer. What is no key of a kind we take is left out.
class KeySet {
public:
    static std::optional<KeySet> parse(std::string_view json);  // nothing: it is no key set

    bool has(std::string_view key_id) const;
    std::size_t size() const { return keys_.size(); }
    // A signature over `text` by the key of this id, or (id empty) by any, as `algorithm` has it.
    bool verify(std::string_view algorithm, std::string_view key_id, std::string_view text,
                std::string_view signature) const;

private:
    struct Key {
        std::string id;
        std::string algorithm;  // the one it serves
        std::shared_ptr<evp_pkey_st> key;
    };
    static std::optional<Key> key_of(const base::JsonValue& jwk);
    std::vector<Key> keys_;
};

struct Jwt {
    std::string algorithm;
    std::string key_id;
    base::JsonValue claims;
    std::string signed_text;  // header and payload as they came
    std::string signature;

    // Nothing: it is none, or its header demands what we do not know (RFC 7515 §4.1.11).
    static std::optional<Jwt> parse(std::string_view token);
};

// What a token must say.
struct JwtRules {
    std::string issuer;    // empty: anything
    std::string audience;  // the same
    base::Duration skew{};
    bool expires = true;  // "exp" must be there
};
// Why its claims do not hold now, or nothing. RFC 7519 §4.1.
std::string claims_objection(const base::JsonValue& claims, const JwtRules& rules, base::WallTime now);

}  // namespace posthorn::auth::impl
