// Stored passwords: made with argon2id (libsodium), checked against that and against what other systems wrote: crypt(3)
// of the C library (bcrypt, yescrypt, sha512-crypt, sha256-crypt) and {SSHA}. Beside the hash stand SCRAM verifiers.
//
// Everything here but the parsers burns CPU by intent: call it on the hashing pool, never on a loop. Any thread.
// Secrets are wiped by whoever owns them: wipe().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/provider.hpp"
#include "base/result.hpp"

namespace posthorn::auth {

inline constexpr std::size_t kMaxPassword = 1024;  // octets; what is longer is wrong

struct HashCost {
    std::uint64_t memory = std::uint64_t{19} << 20U;  // octets of argon2id
    std::uint32_t passes = 2;
    std::uint32_t scram_iterations = 10'000;
    bool operator==(const HashCost&) const = default;
};

// What is kept of one password.
struct StoredPassword {
    std::string hash;         // "$argon2id$…" or another scheme's text; empty: no login by password
    std::string scram_sha_1;  // scram_text(), or empty: none
    std::string scram_sha_256;
    bool operator==(const StoredPassword&) const = default;
};

// Overwrites and empties it.
void wipe(std::string& secret);

// A hash, and verifiers, of the password as SASLprep (RFC 4013) has it; where it has none, a hash of what was given. A
// temporary error: no memory for it.
base::Result<StoredPassword> store_password(std::string_view password, const HashCost& cost);

enum class Match : std::uint8_t {
    no,
    yes,
    outdated,  // yes, but of another scheme, of lower cost, or without the verifiers it could have: store it anew
};
Match check_password(const StoredPassword& stored, std::string_view password, const HashCost& cost);
// The work of a check against a hash of our own, for users that do not exist.
void check_nobody(std::string_view password, const HashCost& cost);

// Whether `hash` is of a scheme that check_password() knows.
bool known_scheme(std::string_view hash);

// A SCRAM verifier as text: "iterations,salt,StoredKey,ServerKey", the last three in base64.
std::string scram_text(const ScramSecrets& secrets);
std::optional<ScramSecrets> parse_scram(std::string_view text, ScramHash hash);
ScramSecrets scram_secrets(std::string_view password, std::string salt, std::uint32_t iterations, ScramHash hash);
// For a user that has none: the salt is derived from `key` and the name, the same at every try.
ScramSecrets scram_of_nobody(std::string_view key, std::string_view user, std::uint32_t iterations, ScramHash hash);

// 24 letters and digits without those that look alike, in groups of six: 120 bits.
std::string generate_password();
// An app password is always generated, so a plain sum of it (groups and case as typed do not matter) is enough.
std::string app_password_hash(std::string_view password);

}  // namespace posthorn::auth
