// A queued message as its owner keeps it in memory: small, whatever the envelope holds. One loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/ulid.hpp"
#include "delivery/destination.hpp"
#include "delivery/job.hpp"
#include "mail/outcome.hpp"

namespace posthorn::delivery {

// A recipient domain, shared by all that go there, with its route under the present configuration.
struct Domain {
    std::string name;
    RoutePtr route;
    std::uint64_t routed_under = 0;  // Settings::generation
};
using DomainPtr = std::shared_ptr<Domain>;

class DomainPool {
public:
    DomainPtr get(std::string_view name);

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
    };
    std::unordered_map<std::string, DomainPtr, Hash, std::equal_to<>> domains_;
    std::size_t purge_at_ = 1024;
};

enum class Phase : std::uint8_t {
    idle,
    dispatched,  // in a job
    recording,   // its new state is being made durable
};

enum class Removal : std::uint8_t { none, silent, bounce };

// A recipient that is not finished: pending, or final with a DSN still owed.
struct Slot {
    DomainPtr domain;
    base::WallTime next_try{};
    std::uint32_t index = 0;  // into Envelope::recipients
    std::uint32_t attempts = 0;
    mail::RecipientStatus status = mail::RecipientStatus::pending;
    Phase phase = Phase::idle;
    Removal removal = Removal::none;  // asked for by an operator while an attempt was under way
    bool delay_warned = false;
    bool pending() const { return status == mail::RecipientStatus::pending; }
};

struct Message {
    std::vector<Slot> slots;   // by index, ascending
    std::vector<JobPtr> jobs;  // waiting or started
    base::WallTime arrival{};
    base::WallTime wake{};       // when it is looked at next; zero: not planned
    base::WallTime dsn_flush{};  // when the DSN for those that failed is due; zero: none owed
    std::uint64_t size = 0;
    bool null_sender = false;
    bool frozen = false;
    bool busy = false;   // a change is being recorded, or prepared: one at a time
    bool young = false;  // came a moment ago; no timer yet

    Slot* slot(std::uint32_t index);
    bool pending() const;
};

}  // namespace posthorn::delivery
