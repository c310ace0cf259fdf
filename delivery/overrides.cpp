#include "delivery/overrides.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "delivery/state_file.hpp"
#include "mail/address.hpp"

namespace posthorn::delivery {
namespace {

constexpr std::string_view kHeader = "posthorn-overrides 1";
constexpr std::string_view kComplaint = "is not a list of overrides; repair it, or remove it to override nothing";

std::string_view word(std::string_view& line) {
    const auto end = std::min(line.find(' '), line.size());
    const auto out = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return out;
}

template <class N>
bool number(std::string_view text, N& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc{} && end == text.data() + text.size();
}

bool take(std::string_view line, Overrides& into) {
    const auto what = word(line);
    const std::string pattern(word(line));
    if (pattern.empty() || override_pattern(pattern) != pattern) return false;
    if (what == "rate") {
        policy::Rate rate;
        if (!number(word(line), rate.per_second) || !number(word(line), rate.burst) || rate.burst == 0)
            return false;
        into[pattern].rate = rate;
        return line.empty();
    }
    const auto hop = policy::parse_hop(word(line), policy::kSmtpPort);
    if (what != "mx" || !hop) return false;
    into[pattern].mx_override = *hop;
    return line.empty();
}

}  // namespace

std::string override_pattern(std::string_view text) {
    if (text == "*") return "*";
    const bool below = text.starts_with("*.");
    if (below) text.remove_prefix(2);
    const auto key = mail::domain_key(text);
    return key.empty() ? key : (below ? "*." : "") + key;
}

policy::RoutingConfig laid_over(policy::RoutingConfig config, const Overrides& overrides) {
    for (const auto& [pattern, over] : overrides) {
        const auto same = [&, &p = pattern](const policy::DomainRule& rule) { return rule.pattern == p; };
        auto rule = std::find_if(config.rules.begin(), config.rules.end(), same);
        if (rule == config.rules.end()) {
            config.rules.emplace_back().pattern = pattern;
            rule = std::prev(config.rules.end());
        }
        if (over.rate) {
            rule->messages_per_second = over.rate->per_second;
            rule->burst_size = over.rate->burst;
        }
        if (over.mx_override) {
            rule->mx_override = over.mx_override;
            rule->smarthost.reset();
            rule->smarthost_user.clear();
            rule->smarthost_password.clear();
            rule->transport.reset();
        }
    }
    return config;
}

base::Result<Overrides> read_overrides(base::Disk& disk, const std::string& directory) {
    Overrides out;
    const auto read = read_state_lines(disk, directory + "/overrides", kHeader, kComplaint,
                                       [&](std::string_view line) { return take(line, out); });
    if (!read) return std::unexpected(read.error());
    return out;
}

base::Result<void> write_overrides(base::Disk& disk, const std::string& directory, const Overrides& overrides) {
    std::string text = fmt::format("{}\n", kHeader);
    for (const auto& [pattern, over] : overrides) {
        if (over.rate) text += fmt::format("rate {} {} {}\n", pattern, over.rate->per_second, over.rate->burst);
        if (over.mx_override) text += fmt::format("mx {} {}\n", pattern, over.mx_override->to_string());
    }
    return write_state_file(disk, directory, "overrides", text);
}

}  // namespace posthorn::delivery
