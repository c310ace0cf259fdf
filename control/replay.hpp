// `config.plan`: what a configuration would have decided otherwise about mail that was seen. server/ implements the ports,
// which know what configurations mean.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/disk.hpp"
#include "control/handlers.hpp"
#include "mail/event.hpp"
#include "net/pool.hpp"
#include "observe/history.hpp"

namespace posthorn::control {

// One candidate against the configuration that holds. One thread at a time.
class Plan {
public:
    virtual ~Plan() = default;
    // What was seen: an event that tells of no envelope is left out.
    virtual void take(const mail::Event& event) = 0;
    // A list of decisions that would change, the most frequent first; and what is to say about all of it.
    virtual Value changes() const = 0;
    virtual Value info() const = 0;
};

class Replay {
public:
    virtual ~Replay() = default;
    // `text` is the candidate, `file` its name in complaints, "file:line:column: what" a line each. Blocking; any thread.
    virtual std::expected<std::unique_ptr<Plan>, std::string> plan(std::string_view text,
                                                                   const std::string& file) = 0;
};

inline constexpr std::size_t kMaxCandidate = std::size_t{4} << 20;  // octets of a configuration

// All outlive the handlers. `pool` is for long searches.
LongHandlers make_plan_handlers(Replay& replay, observe::History& history, base::Disk& disk, net::Pool& pool,
                                const base::Clock& clock);

}  // namespace posthorn::control
