// The SASL mechanisms we serve, and their names on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace posthorn::sasl {

// Strongest first: the order in which they are offered.
enum class Mechanism : std::uint8_t {
    scram_sha_256_plus,  // RFC 7677, bound to its TLS channel
    scram_sha_256,
    scram_sha_1,  // RFC 5802
    external,     // RFC 4422 appendix A
    oauthbearer,  // RFC 7628
    xoauth2,      // of Google, older than RFC 7628
    plain,        // RFC 4616
    login,        // never standardised, still asked for
};

std::string_view name(Mechanism mechanism);                  // "SCRAM-SHA-256-PLUS"
std::optional<Mechanism> parse_mechanism(std::string_view);  // case does not matter

// Shows the secret itself to whoever reads along: for TLS only.
bool in_the_clear(Mechanism mechanism);

}  // namespace posthorn::sasl
