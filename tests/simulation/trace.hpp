// What happened, in order: printed when asked for, and always hashed, so that two runs can be compared.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "base/clock.hpp"

namespace posthorn::simulation {

class Trace {
public:
    explicit Trace(bool verbose) : verbose_(verbose) {}

    // `at`: virtual time; the current one for what has no clock at hand.
    void at(base::WallTime now) { now_ = now; }
    void note(std::string_view line) {
        add(std::to_string(base::to_ms(now_)));
        add(line);
        ++lines_;
        if (!verbose_) return;
        const auto ms = base::to_ms(now_) - kStart;
        fmt::print("{:10}.{:03} {}\n", ms / 1000, ms % 1000, line);
    }
    template <class... T>
    void note(fmt::format_string<T...> format, T&&... values) {
        note(std::string_view(fmt::format(format, std::forward<T>(values)...)));
    }
    std::uint64_t hash() const { return hash_; }
    std::uint64_t lines() const { return lines_; }
    base::WallTime now() const { return now_; }

    static constexpr std::int64_t kStart = 1'750'000'000'000;  // ms; where virtual time begins

private:
    void add(std::string_view text) {  // FNV-1a
        for (const char c : text) hash_ = (hash_ ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
        hash_ = (hash_ ^ 10U) * 0x100000001b3U;
    }
    bool verbose_;
    base::WallTime now_ = base::from_ms(kStart);
    std::uint64_t hash_ = 0xcbf29ce484222325U;
    std::uint64_t lines_ = 0;
};

}  // namespace posthorn::simulation
