// What the simulated queue stands on: takes rounds, and has lost what was not durable when it comes back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "spool/queue.hpp"
#include "tests/simulation/dice.hpp"

namespace posthorn::simulation {

struct NewMessage {
    mail::Envelope envelope;
    std::string body;
};
// Births have their whole body in `body_prefix`.
using Write = std::variant<NewMessage, spool::StateChange>;

class Store {
public:
    struct Written {
        base::Result<void> result;
        std::vector<base::Ulid> born;  // of the births those that are new
    };
    virtual ~Store() = default;
    // One round: what it says yes to is durable.
    virtual std::vector<Written> write(const std::vector<Write>& round) = 0;
    virtual base::Result<spool::StoredMessage> load(const base::Ulid& id) = 0;
    virtual std::vector<base::Ulid> ids() = 0;
    // Makes the next writes fail, or (0) not.
    virtual void trouble(int rounds) = 0;
    // The machine stops while `round` is being written. Afterwards it is as after a start.
    virtual void crash(const std::vector<Write>& round) = 0;
    virtual void housekeeping() {}
    virtual std::string_view name() const = 0;
};

std::unique_ptr<Store> make_memory_store(std::uint64_t seed);
// The log (spool/impl/) on a disk that fails and forgets.
std::unique_ptr<Store> make_log_store(std::uint64_t seed);

}  // namespace posthorn::simulation
