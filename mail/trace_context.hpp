// W3C trace context: 16 + 8 bytes as lower-case hex; empty where there is none.
#pragma once

#include <string>

namespace posthorn::mail {

struct TraceContext {
    std::string trace_id;
    std::string span_id;
    bool operator==(const TraceContext&) const = default;
};

}  // namespace posthorn::mail
