#include "policy/relay.hpp"

#include <algorithm>

namespace posthorn::policy {

std::string relay_pattern(std::string_view text) {
    if (text == "*") return "*";
    const bool wild = text.starts_with("*.");
    auto key = mail::domain_key(wild ? text.substr(2) : text);
    if (key.empty() || !wild) return key;
    return "*." + key;
}

RelayPolicy::RelayPolicy(const std::vector<std::string>& domains) {
    for (const auto& domain : domains) {
        auto pattern = relay_pattern(domain);
        if (pattern.empty()) continue;
        if (pattern.starts_with('*')) {
            wild_.push_back(std::move(pattern));
        } else {
            exact_.insert(std::move(pattern));
        }
    }
}

bool RelayPolicy::ours(const std::string& key) const {
    if (exact_.contains(key)) return true;
    return std::ranges::any_of(wild_,
                               [&](const std::string& pattern) { return mail::domain_matches(pattern, key); });
}

RelayDecision RelayPolicy::decide(const mail::Address& recipient, bool trusted) const {
    const auto key = mail::domain_key(recipient.domain);
    if (key.empty()) return RelayDecision::bad_domain;
    if (ours(key)) return RelayDecision::own_domain;
    return trusted ? RelayDecision::trusted_client : RelayDecision::refused;
}

}  // namespace posthorn::policy
