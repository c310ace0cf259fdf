// How much an account may send: messages an hour and recipients a day, in a bounded table. Pure; the clock is the
// caller's, and so is the lock.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"

namespace posthorn::policy {

struct SendingLimits {
    std::uint32_t messages_per_hour = 0;   // 0: no limit
    std::uint32_t recipients_per_day = 0;  // 0: no limit
    bool operator==(const SendingLimits&) const = default;
};

// What was counted in the last `Slots` slots of time, the running one with them.
template <std::size_t Slots>
class SlidingCount {
public:
    std::uint64_t sum(std::int64_t slot) {
        move_to(slot);
        std::uint64_t out = 0;
        for (const auto count : counts_) out += count;
        return out;
    }
    void add(std::int64_t slot, std::uint32_t count) {
        move_to(slot);
        counts_[index(slot)] += count;
    }

private:
    static std::size_t index(std::int64_t slot) { return static_cast<std::size_t>(slot) % Slots; }
    void move_to(std::int64_t slot) {
        const auto gone = std::max(slot_ + 1, slot - static_cast<std::int64_t>(Slots) + 1);
        for (auto at = gone; at <= slot; ++at) counts_[index(at)] = 0;
        slot_ = std::max(slot_, slot);
    }

    std::array<std::uint32_t, Slots> counts_{};
    std::int64_t slot_ = 0;
};

enum class SendingDecision : std::uint8_t { yes, too_many_messages, too_many_recipients };

// A count reaches back an hour or a day, and at most a slot more: never less than the limit says. Memory: about 300
// octets an account, at most `max_accounts`; beyond that who has sent least recently is forgotten.
class SendingCounter {
public:
    static constexpr std::size_t kHourSlots = 13;  // of five minutes, the running one with them
    static constexpr std::size_t kDaySlots = 25;   // of an hour

    explicit SendingCounter(std::size_t max_accounts) : max_accounts_(max_accounts) {}

    // Whether one more message with so many recipients is within the limits. Counts nothing.
    SendingDecision look(const std::string& account, std::uint32_t recipients, const SendingLimits& limits,
                         base::SteadyTime now);
    // The same, and counts it when it is.
    SendingDecision take(const std::string& account, std::uint32_t recipients, const SendingLimits& limits,
                         base::SteadyTime now);
    void set_max_accounts(std::size_t max) { max_accounts_ = max; }
    std::size_t size() const { return accounts_.size(); }

private:
    struct Entry {
        SlidingCount<kHourSlots> messages;
        SlidingCount<kDaySlots> recipients;
        std::list<std::string>::iterator turn;
    };

    std::size_t max_accounts_;
    std::unordered_map<std::string, Entry> accounts_;
    std::list<std::string> turns_;  // least recently sending first
};

}  // namespace posthorn::policy
