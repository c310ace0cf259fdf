// What the probes answer: how each part is, and whether the whole may be sent traffic. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace posthorn::health {

struct Readiness {
    bool smtp = false;      // every listener accepts
    bool spool = false;     // a probe could write, and there is room
    bool delivery = false;  // running
    bool dns = false;       // channel up, last query no failure of our own
    std::uint64_t queue_size = 0;
    std::uint64_t max_queue_size = 0;
    std::vector<std::string> reasons;  // a sentence for each thing that is wrong

    bool queue_ready() const { return queue_size < max_queue_size; }
    bool ready() const { return smtp && spool && delivery && dns && queue_ready(); }
};

// {"alive": true, "ready": ..., "smtp_ready": ..., ...}
std::string to_json(const Readiness& readiness);

}  // namespace posthorn::health
