// Events as figures: sessions, accepted and refused mail, attempts and outcomes, warnings.
#pragma once

#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "mail/event.hpp"

namespace posthorn::observe {

class EventMetrics final : public mail::EventSink {
public:
    // `metrics` outlives it.
    explicit EventMetrics(base::Metrics& metrics);
    void record(const mail::Event& event) override;

private:
    void rejected(const mail::Event& event);
    void outcome(const mail::Event& event);

    base::Metrics& metrics_;
    base::Counter& sessions_;
    base::Gauge& open_sessions_;
    base::Counter& accepted_;
    base::Counter& accepted_bytes_;
    base::Counter& rejected_temporary_;
    base::Counter& rejected_permanent_;
    base::Counter& security_;
    base::Counter& quarantined_;
    base::Histogram& accept_seconds_;
};

// Hands each event to several sinks in turn. They outlive it.
class EventFan final : public mail::EventSink {
public:
    explicit EventFan(std::vector<mail::EventSink*> sinks) : sinks_(std::move(sinks)) {}
    // Before anything is recorded.
    void add(mail::EventSink& sink) { sinks_.push_back(&sink); }
    void record(const mail::Event& event) override {
        for (auto* sink : sinks_) sink->record(event);
    }

private:
    std::vector<mail::EventSink*> sinks_;
};

}  // namespace posthorn::observe
