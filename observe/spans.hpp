// Spans out of events: the reception of a message and each attempt, with their parts, go into a bounded queue for an
// exporter. A full queue drops and counts: mail never waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/metrics.hpp"
#include "mail/event.hpp"

namespace posthorn::observe {

struct Span {
    enum class Kind : std::uint8_t {
        internal = 1,
        server = 2,
        client = 3
    } kind = Kind::internal;  // as OTLP has them
    std::string trace_id;
    std::string span_id;
    std::string parent_id;
    std::string name;
    std::int64_t began_ns = 0;  // since 1970
    std::int64_t ended_ns = 0;
    std::string error;  // empty: it went well
    std::vector<std::pair<std::string, std::variant<std::string, std::int64_t>>> attributes;
};

inline constexpr std::size_t kSpanQueue = 8192;
inline constexpr std::size_t kSpanBatch = 512;

// Any thread.
class SpanQueue {
public:
    explicit SpanQueue(base::Metrics& metrics);
    void put(std::vector<Span> spans);
    std::vector<Span> take(std::size_t max);
    void drop(std::size_t count) { dropped_.add(count); }  // what was taken and could not be told
    std::size_t size() const;
    // Called when a batch has gathered, on the thread that put its last span. Set before anything is put.
    void on_batch(std::function<void()> notify) { notify_ = std::move(notify); }

private:
    base::Counter& dropped_;
    std::function<void()> notify_;
    mutable std::mutex mutex_;
    std::vector<Span> spans_;
};

class SpanMaker final : public mail::EventSink {
public:
    // `queue` outlives it.
    explicit SpanMaker(SpanQueue& queue) : queue_(queue) {}
    void record(const mail::Event& event) override;

private:
    SpanQueue& queue_;
};

}  // namespace posthorn::observe
