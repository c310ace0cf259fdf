#include "auth/impl/jwt.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "base/base64.hpp"

namespace posthorn::auth::impl {
namespace {

using Pkey = std::shared_ptr<EVP_PKEY>;

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};
using Bignum = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

constexpr std::size_t kCoordinate = 32;  // octets of P-256
constexpr std::size_t kLeastRsa = 256;   // octets: 2048 bits (RFC 7518 §3.3)

const unsigned char* octets(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string text_of(const base::JsonValue& value) {
    return value.string() != nullptr ? *value.string() : std::string();
}

Pkey build(const char* type, OSSL_PARAM_BLD* builder) {
    const Params params(OSSL_PARAM_BLD_to_param(builder));
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
        return nullptr;
    return {key, EVP_PKEY_free};
}

Pkey rsa_key(const std::string& n, const std::string& e) {
    if (n.size() < kLeastRsa || e.empty()) return nullptr;
    const Bignum modulus(BN_bin2bn(octets(n), static_cast<int>(n.size()), nullptr));
    const Bignum exponent(BN_bin2bn(octets(e), static_cast<int>(e.size()), nullptr));
    const Builder builder(OSSL_PARAM_BLD_new());
    if (!modulus || !exponent || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
        return nullptr;
    return build("RSA", builder.get());
}

Pkey ec_key(const std::string& x, const std::string& y) {
    if (x.size() != kCoordinate || y.size() != kCoordinate) return nullptr;
    const auto point = "\x04" + x + y;
    const Builder builder(OSSL_PARAM_BLD_new());
    if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
        return nullptr;
    return build("EC", builder.get());
}

Pkey ed25519_key(const std::string& x) {
    EVP_PKEY* key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(x), x.size());
    return key != nullptr ? Pkey(key, EVP_PKEY_free) : nullptr;
}

// RFC 7518 §3.4: r and s side by side; OpenSSL wants them in DER.
std::string ecdsa_der(std::string_view raw) {
    if (raw.size() != 2 * kCoordinate) return {};
    const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> signature(ECDSA_SIG_new());
    auto* r = BN_bin2bn(octets(raw), kCoordinate, nullptr);
    auto* s = BN_bin2bn(octets(raw.substr(kCoordinate)), kCoordinate, nullptr);
    if (ECDSA_SIG_set0(signature.get(), r, s) != 1) return {};
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature.get(), &der);
    if (size <= 0) return {};
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
}

bool holds(EVP_PKEY* key, std::string_view algorithm, std::string_view text, std::string_view signature) {
    const auto der = algorithm == "ES256" ? ecdsa_der(signature) : std::string(signature);
    const EVP_MD* digest = algorithm == "EdDSA" ? nullptr : EVP_sha256();
    const DigestContext context(EVP_MD_CTX_new());
    return context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
           EVP_DigestVerify(context.get(), octets(der), der.size(), octets(text), text.size()) == 1;
}

std::optional<base::JsonValue> json_part(std::string_view part) {
    const auto text = base64url_decode(part);
    auto value = text ? base::read_json(*text) : std::nullopt;
    if (!value || value->object() == nullptr) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::string> base64url_decode(std::string_view text) {
    std::string plain(text);
    if (plain.find_first_of("+/=") != std::string::npos) return std::nullopt;
    std::ranges::replace(plain, '-', '+');
    std::ranges::replace(plain, '_', '/');
    plain.append((4 - plain.size() % 4) % 4, '=');
    return base::base64_decode(plain);
}

std::optional<KeySet::Key> KeySet::key_of(const base::JsonValue& jwk) {
    const auto part = [&](std::string_view name) { return base64url_decode(text_of(jwk[name])).value_or(""); };
    const auto kind = text_of(jwk["kty"]);
    const auto curve = text_of(jwk["crv"]);
    const auto use = text_of(jwk["use"]);
    const auto named = text_of(jwk["alg"]);
    Key out{.id = text_of(jwk["kid"])};
    if (kind == "RSA") {
        out.algorithm = "RS256";
        out.key = rsa_key(part("n"), part("e"));
    } else if (kind == "EC" && curve == "P-256") {
        out.algorithm = "ES256";
        out.key = ec_key(part("x"), part("y"));
    } else if (kind == "OKP" && curve == "Ed25519") {
        out.algorithm = "EdDSA";
        out.key = ed25519_key(part("x"));
    }
    const bool ours = (use.empty() || use == "sig") && (named.empty() || named == out.algorithm);
    if (!out.key || !ours) return std::nullopt;
    return out;
}

std::optional<KeySet> KeySet::parse(std::string_view json) {
    const auto set = json.size() <= kMaxKeySet ? base::read_json(json) : std::nullopt;
    const auto* list = set ? (*set)["keys"].array() : nullptr;
    if (list == nullptr) return std::nullopt;
    KeySet out;
    for (const auto& jwk : *list) {
        if (auto key = key_of(jwk)) out.keys_.push_back(*std::move(key));
    }
    return out;
}

bool KeySet::has(std::string_view key_id) const {
    return std::ranges::any_of(keys_, [&](const Key& key) { return key.id == key_id; });
}

bool KeySet::verify(std::string_view algorithm, std::string_view key_id, std::string_view text,
                    std::string_view signature) const {
    return std::ranges::any_of(keys_, [&](const Key& key) {
        return (key_id.empty() || key.id == key_id) && key.algorithm == algorithm &&
               holds(key.key.get(), algorithm, text, signature);
    });
}

std::optional<Jwt> Jwt::parse(std::string_view token) {
    const auto first = token.find('.');
    const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos || token.size() > kMaxToken) return std::nullopt;
    const auto header = json_part(token.substr(0, first));
    auto claims = json_part(token.substr(first + 1, second - first - 1));
    auto signature = base64url_decode(token.substr(second + 1));
    if (!header || !claims || !signature || !(*header)["crit"].null()) return std::nullopt;
    return Jwt{text_of((*header)["alg"]), text_of((*header)["kid"]), *std::move(claims),
               std::string(token.substr(0, second)), *std::move(signature)};
}

std::string claims_objection(const base::JsonValue& claims, const JwtRules& rules, base::WallTime now) {
    const auto seconds = [&](std::string_view name) { return claims[name].number(); };
    const double at = static_cast<double>(base::to_ms(now)) / 1000;
    const double skew = std::chrono::duration<double>(rules.skew).count();
    const auto expires = seconds("exp");
    if (!expires && rules.expires) return "it does not say when it expires";
    if (expires && at >= *expires + skew) return "it has expired";
    if (const auto from = seconds("nbf"); from && at + skew < *from) return "it does not hold yet";
    if (!rules.issuer.empty() && text_of(claims["iss"]) != rules.issuer) return "another issuer made it";
    if (rules.audience.empty()) return {};
    const auto* list = claims["aud"].array();
    const auto ours = [&](const base::JsonValue& one) { return text_of(one) == rules.audience; };
    const bool meant = list != nullptr ? std::ranges::any_of(*list, ours) : ours(claims["aud"]);
    return meant ? std::string() : "it is for somebody else";
}

}  // namespace posthorn::auth::impl
