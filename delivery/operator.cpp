#include "delivery/operator.hpp"

#include <algorithm>
#include <iterator>

#include "policy/routing.hpp"

namespace posthorn::delivery {

std::string_view name(Hold hold) {
    switch (hold) {
        case Hold::none: return "starting";
        case Hold::held: return "held";
        case Hold::backoff: return "backoff";
        case Hold::unreachable: return "unreachable";
        case Hold::bucket: return "rate limit";
        case Hold::concurrency: return "concurrency";
        case Hold::dns: return "dns";
        case Hold::connecting: return "connecting";
        case Hold::in_flight: return "in flight";
        case Hold::recording: return "recording";
        case Hold::unrecorded: return "unrecorded";
        case Hold::frozen: return "frozen";
        case Hold::stopping: return "stopping";
        case Hold::final: return "final";
    }
    return "?";
}

void join_local(std::vector<DestinationStats>& lines) {
    const auto is_local = [](const DestinationStats& line) { return line.key == policy::kLocalKey; };
    const auto first = std::ranges::find_if(lines, is_local);
    if (first == lines.end()) return;
    for (auto at = std::next(first); at != lines.end(); ++at) {
        if (!is_local(*at)) continue;
        first->waiting += at->waiting;
        first->in_flight += at->in_flight;
        first->connections += at->connections;
        first->max_connections += at->max_connections;
        if (first->why == Hold::none) first->why = at->why;
        if (first->last_error.empty()) first->last_error = at->last_error;
    }
    lines.erase(std::remove_if(std::next(first), lines.end(), is_local), lines.end());
}

}  // namespace posthorn::delivery
