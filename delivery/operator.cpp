#include "delivery/operator.hpp"

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

}  // namespace posthorn::delivery
