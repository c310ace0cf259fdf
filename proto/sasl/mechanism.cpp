#include "proto/sasl/mechanism.hpp"

#include <array>
#include <utility>

#include "base/ascii.hpp"

namespace posthorn::sasl {
namespace {

constexpr std::array<std::pair<Mechanism, std::string_view>, 8> kNames{{
    {Mechanism::scram_sha_256_plus, "SCRAM-SHA-256-PLUS"},
    {Mechanism::scram_sha_256, "SCRAM-SHA-256"},
    {Mechanism::scram_sha_1, "SCRAM-SHA-1"},
    {Mechanism::external, "EXTERNAL"},
    {Mechanism::oauthbearer, "OAUTHBEARER"},
    {Mechanism::xoauth2, "XOAUTH2"},
    {Mechanism::plain, "PLAIN"},
    {Mechanism::login, "LOGIN"},
}};

}  // namespace

std::string_view name(Mechanism mechanism) {
    for (const auto& [known, text] : kNames) {
        if (known == mechanism) return text;
    }
    return {};
}

std::optional<Mechanism> parse_mechanism(std::string_view text) {
    for (const auto& [mechanism, known] : kNames) {
        if (base::iequals(text, known)) return mechanism;
    }
    return std::nullopt;
}

bool in_the_clear(Mechanism mechanism) {
    switch (mechanism) {
        case Mechanism::oauthbearer:
        case Mechanism::xoauth2:
        case Mechanism::plain:
        case Mechanism::login: return true;
        default: return false;
    }
}

}  // namespace posthorn::sasl
