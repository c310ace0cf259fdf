#include "auth/password.hpp"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <vector>

#include "base/ascii.hpp"
#include "base/base64.hpp"
#include "base/random.hpp"
#include "base/sha256.hpp"
#include "proto/sasl/saslprep.hpp"

namespace posthorn::auth {
namespace {

constexpr std::size_t kSalt = 16;
constexpr std::size_t kSha1 = 20;
constexpr std::size_t kSha256 = 32;
constexpr std::uint32_t kMaxIterations = 10'000'000;

// Dovecot's names for schemes whose text says itself what it is.
constexpr std::array<std::string_view, 7> kMarks = {"{ARGON2ID}",     "{ARGON2I}", "{BLF-CRYPT}", "{SHA512-CRYPT}",
                                                    "{SHA256-CRYPT}", "{CRYPT}",   "{YESCRYPT}"};

bool equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

const EVP_MD* digest(ScramHash hash) { return hash == ScramHash::sha_1 ? EVP_sha1() : EVP_sha256(); }
std::size_t digest_size(ScramHash hash) { return hash == ScramHash::sha_1 ? kSha1 : kSha256; }

std::string hmac(const EVP_MD* md, std::string_view key, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    HMAC(md, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), out.data(), &size);
    return {reinterpret_cast<char*>(out.data()), size};
}

std::string sum(const EVP_MD* md, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), out.data(), &size, md, nullptr);
    return {reinterpret_cast<char*>(out.data()), size};
}

std::string random_bytes(std::size_t count) {
    std::string out(count, '\0');
    base::secure_random(out.data(), out.size());
    return out;
}

std::string_view unmarked(std::string_view hash) {
    for (const auto mark : kMarks) {
        if (base::istarts_with(hash, mark)) return hash.substr(mark.size());
    }
    return hash;
}

bool argon2(std::string_view hash) { return hash.starts_with("$argon2"); }
bool salted_sha(std::string_view hash) { return base::istarts_with(hash, "{SSHA}"); }
bool crypted(std::string_view hash) {
    for (const std::string_view prefix : {"$2a$", "$2b$", "$2y$", "$y$", "$gy$", "$7$", "$6$", "$5$"}) {
        if (hash.starts_with(prefix)) return true;
    }
    return false;
}

bool check_crypt(const std::string& hash, const std::string& password) {
    // 32 KiB: too much for a stack that a coroutine may share.
    auto data = std::make_unique<crypt_data>();
    // Not crypt_r(): the sanitizers' own takes its place, and then the library is not linked at all.
    const char* made = crypt_rn(password.c_str(), hash.c_str(), data.get(), sizeof(*data));
    const bool same = made != nullptr && equal(made, hash);
    sodium_memzero(data.get(), sizeof(*data));
    return same;
}

// {SSHA}: base64 of SHA-1(password, salt) followed by the salt.
bool check_salted_sha(std::string_view hash, std::string_view password) {
    const auto raw = base::base64_decode(hash.substr(std::string_view("{SSHA}").size()));
    if (!raw || raw->size() <= kSha1) return false;
    auto salted = std::string(password) + raw->substr(kSha1);
    const bool same = equal(sum(EVP_sha1(), salted), std::string_view(*raw).substr(0, kSha1));
    wipe(salted);
    return same;
}

// Of "$argon2id$v=19$m=19456,t=2,p=1$…": whether our cost asks for more.
bool cheaper(std::string_view hash, const HashCost& cost) {
    const auto number = [&](std::string_view name) {
        const auto at = hash.find(name);
        std::uint64_t n = 0;
        if (at != std::string_view::npos)
            std::from_chars(hash.data() + at + name.size(), hash.data() + hash.size(), n);
        return n;
    };
    return !hash.starts_with("$argon2id$") || number("$m=") < cost.memory / 1024 || number(",t=") < cost.passes;
}

// What a password given at a login is tried as: prepared, and, where that is something else, as it came: other systems
// hash what they are given. As many for an account that is not there.
struct Forms {
    explicit Forms(std::string_view password) {
        if (auto prepared = sasl::saslprep(password, false); prepared && *prepared != password)
            all.push_back(*std::move(prepared));
        all.emplace_back(password);
    }
    ~Forms() {
        for (auto& form : all) wipe(form);
    }
    Forms(const Forms&) = delete;
    std::vector<std::string> all;  // the best first
};

bool check_hash(std::string_view hash, std::string_view password) {
    if (salted_sha(hash)) return check_salted_sha(hash, password);
    const std::string text(unmarked(hash));
    if (argon2(text)) return crypto_pwhash_str_verify(text.c_str(), password.data(), password.size()) == 0;
    if (!crypted(text) || password.find('\0') != std::string_view::npos) return false;
    std::string secret(password);
    const bool same = check_crypt(text, secret);
    wipe(secret);
    return same;
}

base::Result<StoredPassword> hashed(std::string_view password, const HashCost& cost) {
    std::array<char, crypto_pwhash_STRBYTES> text{};
    if (crypto_pwhash_str_alg(text.data(), password.data(), password.size(), cost.passes, cost.memory,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return base::fail(base::ErrorKind::temporary, "no memory to hash a password", "4.3.2");
    return StoredPassword{.hash = text.data()};
}

}  // namespace

void wipe(std::string& secret) {
    sodium_memzero(secret.data(), secret.size());
    secret.clear();
}

base::Result<StoredPassword> store_password(std::string_view password, const HashCost& cost) {
    auto prepared = sasl::saslprep(password, true);
    // Without a prepared form there is no SCRAM for it: a client would not find the same (RFC 5802 §2.2).
    if (!prepared) return hashed(password, cost);
    auto out = hashed(*prepared, cost);
    if (out) {
        const auto verifier = [&](ScramHash hash) {
            return scram_text(scram_secrets(*prepared, random_bytes(kSalt), cost.scram_iterations, hash));
        };
        out->scram_sha_1 = verifier(ScramHash::sha_1);
        out->scram_sha_256 = verifier(ScramHash::sha_256);
    }
    wipe(*prepared);
    return out;
}

Match check_password(const StoredPassword& stored, std::string_view password, const HashCost& cost) {
    if (password.size() > kMaxPassword) return Match::no;
    const Forms forms(password);
    const auto form =
        std::ranges::find_if(forms.all, [&](const std::string& one) { return check_hash(stored.hash, one); });
    if (form == forms.all.end()) return Match::no;
    const bool verifiers = !stored.scram_sha_1.empty() && !stored.scram_sha_256.empty();
    if (cheaper(unmarked(stored.hash), cost)) return Match::outdated;
    // Nothing is gained by storing anew what can be stored no better.
    auto best = sasl::saslprep(password, true);
    const bool better = best && (!verifiers || *best != *form);
    if (best) wipe(*best);
    return better ? Match::outdated : Match::yes;
}

void check_nobody(std::string_view password, const HashCost& cost) {
    const Forms forms(password);
    for (const auto& form : forms.all) {
        std::array<unsigned char, kSha256> out{};
        const auto salt = random_bytes(crypto_pwhash_SALTBYTES);
        [[maybe_unused]] const int made = crypto_pwhash(out.data(), out.size(), form.data(), form.size(),
                                                        reinterpret_cast<const unsigned char*>(salt.data()),
                                                        cost.passes, cost.memory, crypto_pwhash_ALG_ARGON2ID13);
    }
}

bool known_scheme(std::string_view hash) {
    const auto text = unmarked(hash);
    return salted_sha(hash) || argon2(text) || crypted(text);
}

std::string scram_text(const ScramSecrets& secrets) {
    return fmt::format("{},{},{},{}", secrets.iterations, base::base64_encode(secrets.salt),
                       base::base64_encode(secrets.stored_key), base::base64_encode(secrets.server_key));
}

std::optional<ScramSecrets> parse_scram(std::string_view text, ScramHash hash) {
    std::vector<std::string_view> parts;
    for (std::size_t at = 0; at <= text.size();) {
        const auto comma = std::min(text.find(',', at), text.size());
        parts.push_back(text.substr(at, comma - at));
        at = comma + 1;
    }
    if (parts.size() != 4) return std::nullopt;
    ScramSecrets out;
    const auto [end, bad] = std::from_chars(parts[0].data(), parts[0].data() + parts[0].size(), out.iterations);
    if (bad != std::errc{} || end != parts[0].data() + parts[0].size() || out.iterations == 0 ||
        out.iterations > kMaxIterations)
        return std::nullopt;
    const auto salt = base::base64_decode(parts[1]);
    const auto stored = base::base64_decode(parts[2]);
    const auto server = base::base64_decode(parts[3]);
    if (!salt || salt->empty() || !stored || stored->size() != digest_size(hash) || !server ||
        server->size() != digest_size(hash))
        return std::nullopt;
    out.salt = *salt;
    out.stored_key = *stored;
    out.server_key = *server;
    return out;
}

// RFC 5802 §3
ScramSecrets scram_secrets(std::string_view password, std::string salt, std::uint32_t iterations, ScramHash hash) {
    const EVP_MD* md = digest(hash);
    std::string salted(digest_size(hash), '\0');
    PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                      reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                      static_cast<int>(iterations), md, static_cast<int>(salted.size()),
                      reinterpret_cast<unsigned char*>(salted.data()));
    ScramSecrets out{.salt = std::move(salt), .iterations = iterations};
    auto client_key = hmac(md, salted, "Client Key");
    out.stored_key = sum(md, client_key);
    out.server_key = hmac(md, salted, "Server Key");
    wipe(client_key);
    wipe(salted);
    return out;
}

ScramSecrets scram_of_nobody(std::string_view key, std::string_view user, std::uint32_t iterations,
                             ScramHash hash) {
    ScramSecrets out;
    out.salt = hmac(EVP_sha256(), key, std::string(hash == ScramHash::sha_1 ? "1 " : "256 ") + std::string(user))
                   .substr(0, kSalt);
    out.iterations = iterations;
    out.stored_key = random_bytes(digest_size(hash));  // nobody's: no proof fits it
    out.server_key = random_bytes(digest_size(hash));
    return out;
}

std::string generate_password() {
    constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";  // 32: five bits each
    constexpr std::size_t kCount = 24;
    constexpr std::size_t kGroup = 6;
    static_assert(kLetters.size() == 32);
    std::array<unsigned char, kCount> bits{};
    base::secure_random(bits.data(), bits.size());
    std::string out;
    for (std::size_t i = 0; i < kCount; ++i) {
        if (i > 0 && i % kGroup == 0) out += '-';
        out += kLetters[bits[i] % kLetters.size()];
    }
    return out;
}

std::string app_password_hash(std::string_view password) {
    std::string plain;
    for (const char c : password) {
        if (c != '-' && c != ' ') plain += base::to_lower(c);
    }
    auto out = "sha256:" + base::hex(base::sha256(plain));
    wipe(plain);
    return out;
}

}  // namespace posthorn::auth
