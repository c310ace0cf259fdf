// What one measurement gives: how many, how long, what it cost. Printed as one line of JSON each.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace posthorn::bench {

using Clock = std::chrono::steady_clock;

inline double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct Figures {
    double seconds = 0;
    double cpu = 0;                 // seconds, of the whole process
    std::vector<double> latencies;  // us, one a message (or a round of them)
    std::size_t each = 1;           // messages a latency stands for
};

// Wall and processor time from its making on.
class Stopwatch {
public:
    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
    double us() const { return seconds() * 1e6; }
    double cpu() const { return cpu_seconds() - cpu_; }

private:
    Clock::time_point start_ = Clock::now();
    double cpu_ = cpu_seconds();
};

// `what`: no quotes in it.
inline void print(const std::string& what, std::size_t size, std::size_t sessions, Figures figures) {
    std::ranges::sort(figures.latencies);
    const auto n = figures.latencies.size();
    const auto at = [&](double part) {
        return n == 0 ? 0.0 : figures.latencies[static_cast<std::size_t>(part * static_cast<double>(n - 1))];
    };
    const auto messages = static_cast<double>(n * figures.each);
    std::printf(
        "{\"what\": \"%s\", \"size\": %zu, \"sessions\": %zu, \"per_second\": %.1f, \"p50_us\": %.1f, "
        "\"p99_us\": %.1f, \"cpu_us\": %.2f}\n",
        what.c_str(), size, sessions, messages / figures.seconds, at(0.5), at(0.99),
        messages == 0 ? 0 : figures.cpu / messages * 1e6);
    std::fflush(stdout);
}

}  // namespace posthorn::bench
