#include "base/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>

namespace posthorn::base {
namespace {

std::string number(double v) {
    if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, v).ptr};
}

std::string label_text(const Labels& labels) {
    std::string out;
    for (const auto& [key, value] : labels) {
        if (!out.empty()) out += ',';
        out += key + "=\"";
        for (const char c : value) {
            if (c == '\\' || c == '"') out += '\\';
            if (c == '\n')
                out += "\\n";
            else
                out += c;
        }
        out += '"';
    }
    return out;
}

std::string series(std::string_view name, std::string_view labels, std::string_view more = {}) {
    std::string out(name);
    if (labels.empty() && more.empty()) return out;
    out += '{';
    out += labels;
    if (!labels.empty() && !more.empty()) out += ',';
    out += more;
    out += '}';
    return out;
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double v) {
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), v) - bounds_.begin();
    counts_[static_cast<std::size_t>(at)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(v, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::counts() const {
    std::vector<std::uint64_t> out;
    out.reserve(counts_.size());
    for (const auto& c : counts_) out.push_back(c.load(std::memory_order_relaxed));
    return out;
}

std::vector<double> seconds_bounds() {
    return {0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};
}

struct Metrics::Impl {
    template <class T>
    struct Series {
        Labels labels;
        std::unique_ptr<T> counted;
    };
    template <class T>
    struct Family {
        std::string help;
        std::map<std::string, Series<T>> series;  // by label text
        std::set<std::string> domains;            // those kept apart, but for the ones of high priority
    };
    template <class T>
    using Families = std::map<std::string, Family<T>, std::less<>>;
    struct Callback {
        std::string help;
        MetricFamily::Kind kind;
        std::function<double()> read;
    };

    std::size_t max_domains;
    std::set<std::string> high_priority;
    mutable std::mutex mutex;
    Families<Counter> counters;
    Families<Gauge> gauges;
    Families<Histogram> histograms;
    std::map<std::string, Callback, std::less<>> callbacks;

    template <class T, class Make>
    T& get(Families<T>& families, std::string_view name, std::string_view help, Labels labels, Make make) {
        const std::lock_guard lock(mutex);
        auto family = families.find(name);
        if (family == families.end()) {
            family = families.emplace(std::string(name), Family<T>{}).first;
            family->second.help = help;
        }
        for (auto& [key, value] : labels) {
            if (key == "domain" && !kept_apart(family->second.domains, value)) value = "other";
        }
        auto& all = family->second.series;
        std::string key = label_text(labels);
        auto found = all.find(key);
        if (found == all.end()) found = all.emplace(std::move(key), Series<T>{std::move(labels), make()}).first;
        return *found->second.counted;
    }

    bool kept_apart(std::set<std::string>& domains, const std::string& domain) const {
        if (high_priority.contains(domain) || domains.contains(domain) || domain == "other") return true;
        if (domains.size() >= max_domains) return false;
        domains.insert(domain);
        return true;
    }

    void callback(std::string_view name, std::string_view help, MetricFamily::Kind kind,
                  std::function<double()> read) {
        const std::lock_guard lock(mutex);
        callbacks.insert_or_assign(std::string(name), Callback{std::string(help), kind, std::move(read)});
    }
};

Metrics::Metrics(std::size_t max_domains, std::vector<std::string> high_priority)
    : impl_(std::make_unique<Impl>()) {
    impl_->max_domains = max_domains;
    impl_->high_priority = {high_priority.begin(), high_priority.end()};
}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
    return impl_->get(impl_->counters, name, help, std::move(labels), [] { return std::make_unique<Counter>(); });
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
    return impl_->get(impl_->gauges, name, help, std::move(labels), [] { return std::make_unique<Gauge>(); });
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                              Labels labels) {
    return impl_->get(impl_->histograms, name, help, std::move(labels),
                      [&] { return std::make_unique<Histogram>(std::move(bounds)); });
}

void Metrics::gauge_callback(std::string_view name, std::string_view help, std::function<double()> read) {
    impl_->callback(name, help, MetricFamily::Kind::gauge, std::move(read));
}

void Metrics::counter_callback(std::string_view name, std::string_view help, std::function<double()> read) {
    impl_->callback(name, help, MetricFamily::Kind::counter, std::move(read));
}

std::vector<MetricFamily> Metrics::snapshot() const {
    using Kind = MetricFamily::Kind;
    std::vector<MetricFamily> out;
    std::vector<std::pair<std::string, Impl::Callback>> callbacks;
    {
        const std::lock_guard lock(impl_->mutex);
        for (const auto& [name, family] : impl_->counters) {
            auto& one = out.emplace_back(MetricFamily{name, family.help, Kind::counter});
            for (const auto& [text, series] : family.series)
                one.points.push_back({series.labels, series.counted->value()});
        }
        for (const auto& [name, family] : impl_->gauges) {
            auto& one = out.emplace_back(MetricFamily{name, family.help, Kind::gauge});
            for (const auto& [text, series] : family.series)
                one.points.push_back({series.labels, series.counted->value()});
        }
        for (const auto& [name, family] : impl_->histograms) {
            auto& one = out.emplace_back(MetricFamily{name, family.help, Kind::histogram});
            for (const auto& [text, series] : family.series) {
                one.bounds = series.counted->bounds();
                one.points.push_back({series.labels, series.counted->sum(), series.counted->counts()});
            }
        }
        callbacks.assign(impl_->callbacks.begin(), impl_->callbacks.end());
    }
    // Outside the lock: a callback may ask a part that registers a series of its own.
    for (const auto& [name, callback] : callbacks)
        out.push_back({name, callback.help, callback.kind, {}, {{{}, callback.read()}}});
    return out;
}

namespace {

std::string value_text(const MetricFamily::Point& point) {
    return std::visit(
        [](auto value) {
            if constexpr (std::is_same_v<decltype(value), double>)
                return number(value);
            else
                return std::to_string(value);
        },
        point.value);
}

void append_histogram(std::string& out, const MetricFamily& family, const MetricFamily::Point& point) {
    const auto labels = label_text(point.labels);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < point.counts.size(); ++i) {
        total += point.counts[i];
        const double bound = i < family.bounds.size() ? family.bounds[i] : INFINITY;
        out += series(family.name + "_bucket", labels, "le=\"" + number(bound) + "\"") + ' ' +
               std::to_string(total) + '\n';
    }
    out += series(family.name + "_sum", labels) + ' ' + value_text(point) + '\n';
    out += series(family.name + "_count", labels) + ' ' + std::to_string(total) + '\n';
}

}  // namespace

std::string Metrics::prometheus_text() const {
    constexpr std::string_view kinds[] = {"counter", "gauge", "histogram"};
    std::string out;
    for (const auto& family : snapshot()) {
        out += "# HELP " + family.name + ' ' + family.help + "\n# TYPE " + family.name + ' ';
        out += kinds[static_cast<std::size_t>(family.kind)];
        out += '\n';
        for (const auto& point : family.points) {
            if (family.kind == MetricFamily::Kind::histogram)
                append_histogram(out, family, point);
            else
                out += series(family.name, label_text(point.labels)) + ' ' + value_text(point) + '\n';
        }
    }
    return out;
}

}  // namespace posthorn::base
