// What an outgoing connection demands of TLS (docs/configuration: `tls`). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/smtp/client_types.hpp"

namespace posthorn::policy {

// none: plaintext, STARTTLS is not used. may: TLS, unverified, when offered; plaintext when it is not, or when the
// handshake fails. require: TLS, not verified; no plaintext. verify: TLS, chain and name verified (PKIX).
using smtp::TlsPolicy;

std::string_view name(TlsPolicy policy);
std::optional<TlsPolicy> parse_tls_policy(std::string_view text);

// Must the chain and the name hold? `verify` with `accept_invalid_certs` is as `require`, and is warned about.
inline bool must_verify(TlsPolicy policy, bool accept_invalid_certs) {
    return policy == TlsPolicy::verify && !accept_invalid_certs;
}

}  // namespace posthorn::policy
