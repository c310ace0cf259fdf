// What an operator has set at run time over the configuration: rates of domains, and where their mail goes. Survives a
// restart in a small file of its own.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/disk.hpp"
#include "base/result.hpp"
#include "policy/routing.hpp"

namespace posthorn::delivery {

struct Override {
    std::optional<policy::Rate> rate;
    std::optional<policy::Hop> mx_override;
    bool empty() const { return !rate && !mx_override; }
    bool operator==(const Override&) const = default;
};
// By pattern: "example.com", "*.example.com", "*".
using Overrides = std::map<std::string, Override, std::less<>>;

// A domain or pattern as the routing table has it; empty: neither.
std::string override_pattern(std::string_view text);

// The rule of the same pattern with these keys instead of its own; an mx_override takes the place of any other way.
policy::RoutingConfig laid_over(policy::RoutingConfig config, const Overrides& overrides);

// `directory`/overrides: a line "posthorn-overrides 1", then "rate PATTERN PER_SECOND BURST" or "mx PATTERN HOST:PORT" a
// line. Blocking. A file that cannot be understood is an error: mail must not go where it was not to go.
base::Result<Overrides> read_overrides(base::Disk& disk, const std::string& directory);
// Durable when it returns.
base::Result<void> write_overrides(base::Disk& disk, const std::string& directory, const Overrides& overrides);

}  // namespace posthorn::delivery
