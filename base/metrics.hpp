// Counters, gauges and histograms by name and labels, readable as Prometheus text. Parts register what they
// count at construction and keep the reference: counting is then one atomic operation. Any thread.
// Names: posthorn_<part>_<what>_<unit>.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace posthorn::base {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
public:
    void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

class Gauge {
public:
    void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
    void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
    std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> value_{0};
};

class Histogram {
public:
    explicit Histogram(std::vector<double> bounds);
    void observe(double v);
    const std::vector<double>& bounds() const { return bounds_; }
    std::vector<std::uint64_t> counts() const;  // per bound, not cumulative; the last one is above all bounds
    double sum() const { return sum_.load(std::memory_order_relaxed); }

private:
    std::vector<double> bounds_;  // ascending
    std::vector<std::atomic<std::uint64_t>> counts_;
    std::atomic<double> sum_{0};
};

// 1 ms to 5 min, for the time something took.
std::vector<double> seconds_bounds();

// All series of one name at one moment.
struct MetricFamily {
    enum class Kind : std::uint8_t { counter, gauge, histogram };
    struct Point {
        Labels labels;
        std::variant<std::uint64_t, std::int64_t, double> value;  // of a histogram: its sum
        std::vector<std::uint64_t> counts{};                      // of a histogram: see Histogram::counts()
    };
    std::string name;
    std::string help;
    Kind kind = Kind::counter;
    std::vector<double> bounds{};  // of a histogram
    std::vector<Point> points{};
};

// The registry. References stay valid as long as it lives. Labels take values of our own choosing, but for "domain":
// of one name at most `max_domains` of those are kept apart, and those of `high_priority` always; the rest counts
// under "other".
class Metrics {
public:
    explicit Metrics(std::size_t max_domains = 1000, std::vector<std::string> high_priority = {});
    ~Metrics();
    Metrics(const Metrics&) = delete;
    Metrics& operator=(const Metrics&) = delete;

    Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
    Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
    Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                         Labels labels = {});
    // A gauge, or a counter, whose value is asked for at each reading.
    void gauge_callback(std::string_view name, std::string_view help, std::function<double()> read);
    void counter_callback(std::string_view name, std::string_view help, std::function<double()> read);

    std::vector<MetricFamily> snapshot() const;
    std::string prometheus_text() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::base
