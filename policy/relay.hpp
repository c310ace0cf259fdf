// Whether we take responsibility for a recipient: the rule that keeps us from being an open relay. Pure.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "mail/address.hpp"

namespace posthorn::policy {

enum class RelayDecision : std::uint8_t {
    own_domain,      // a domain we relay for, whoever asks
    trusted_client,  // any domain: the client may send everywhere
    refused,         // RFC 5321 §7.9: 550 5.7.1
    bad_domain,      // not a domain one could ever send to
};

// Immutable once made; shared by all loops.
class RelayPolicy {
public:
    // Patterns as mail::domain_matches() takes them: "example.com", "*.example.com", "*"; in any case, U-labels too.
    // One that is no pattern is left out: the configuration has refused it before.
    explicit RelayPolicy(const std::vector<std::string>& domains);

    // `trusted`: the client's network or its authentication allows everything.
    RelayDecision decide(const mail::Address& recipient, bool trusted) const;

private:
    bool ours(const std::string& key) const;

    std::unordered_set<std::string> exact_;
    std::vector<std::string> wild_;  // "*.example.com", "*"
};

// The form in which a pattern is kept; empty when it is none.
std::string relay_pattern(std::string_view text);

}  // namespace posthorn::policy
