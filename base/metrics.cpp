#include "base/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <mutex>
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
    struct Family {
        std::string help;
        std::map<std::string, std::unique_ptr<T>> series;  // by label text
    };

    std::size_t max_series;
    mutable std::mutex mutex;
    std::map<std::string, Family<Counter>, std::less<>> counters;
    std::map<std::string, Family<Gauge>, std::less<>> gauges;
    std::map<std::string, Family<Histogram>, std::less<>> histograms;
    std::map<std::string, std::pair<std::string, std::function<double()>>, std::less<>> callbacks;

    template <class T, class Make>
    T& get(std::map<std::string, Family<T>, std::less<>>& families, std::string_view name, std::string_view help,
           Labels labels, Make make) {
        const std::lock_guard lock(mutex);
        auto family = families.find(name);
        if (family == families.end()) {
            family = families.emplace(std::string(name), Family<T>{}).first;
            family->second.help = help;
        }
        auto& all = family->second.series;
        std::string key = label_text(labels);
        auto found = all.find(key);
        if (found == all.end() && all.size() >= max_series) {
            for (auto& label : labels) label.second = "other";
            key = label_text(labels);
            found = all.find(key);
        }
        if (found == all.end()) found = all.emplace(std::move(key), make()).first;
        return *found->second;
    }
};

Metrics::Metrics(std::size_t max_series) : impl_(std::make_unique<Impl>()) { impl_->max_series = max_series; }
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
    const std::lock_guard lock(impl_->mutex);
    impl_->callbacks[std::string(name)] = {std::string(help), std::move(read)};
}

std::string Metrics::prometheus_text() const {
    std::string out;
    const auto head = [&](const std::string& name, const std::string& help, std::string_view type) {
        out += "# HELP " + name + ' ' + help + "\n# TYPE " + name + ' ';
        out += type;
        out += '\n';
    };
    std::vector<std::pair<std::string, std::pair<std::string, std::function<double()>>>> callbacks;
    {
        const std::lock_guard lock(impl_->mutex);
        for (const auto& [name, family] : impl_->counters) {
            head(name, family.help, "counter");
            for (const auto& [labels, c] : family.series)
                out += series(name, labels) + ' ' + std::to_string(c->value()) + '\n';
        }
        for (const auto& [name, family] : impl_->gauges) {
            head(name, family.help, "gauge");
            for (const auto& [labels, g] : family.series)
                out += series(name, labels) + ' ' + std::to_string(g->value()) + '\n';
        }
        for (const auto& [name, family] : impl_->histograms) {
            head(name, family.help, "histogram");
            for (const auto& [labels, h] : family.series) {
                const auto counts = h->counts();
                std::uint64_t total = 0;
                for (std::size_t i = 0; i < counts.size(); ++i) {
                    total += counts[i];
                    const double bound = i < h->bounds().size() ? h->bounds()[i] : INFINITY;
                    out += series(name + "_bucket", labels, "le=\"" + number(bound) + "\"") + ' ' +
                           std::to_string(total) + '\n';
                }
                out += series(name + "_sum", labels) + ' ' + number(h->sum()) + '\n';
                out += series(name + "_count", labels) + ' ' + std::to_string(total) + '\n';
            }
        }
        callbacks.assign(impl_->callbacks.begin(), impl_->callbacks.end());
    }
    // Outside the lock: a callback may ask a part that registers a series of its own.
    for (const auto& [name, entry] : callbacks) {
        head(name, entry.first, "gauge");
        out += name + ' ' + number(entry.second()) + '\n';
    }
    return out;
}

}  // namespace posthorn::base
