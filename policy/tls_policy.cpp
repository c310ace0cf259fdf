#include "policy/tls_policy.hpp"

namespace posthorn::policy {

std::string_view name(TlsPolicy policy) {
    switch (policy) {
        case TlsPolicy::none: return "none";
        case TlsPolicy::may: return "may";
        case TlsPolicy::require: return "require";
        case TlsPolicy::verify: return "verify";
    }
    return "?";
}

std::optional<TlsPolicy> parse_tls_policy(std::string_view text) {
    for (const TlsPolicy p : {TlsPolicy::none, TlsPolicy::may, TlsPolicy::require, TlsPolicy::verify}) {
        if (name(p) == text) return p;
    }
    return std::nullopt;
}

}  // namespace posthorn::policy
