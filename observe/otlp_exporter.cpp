#include "observe/otlp_exporter.hpp"

#include <algorithm>
#include <atomic>

#include "base/log.hpp"
#include "base/random.hpp"

namespace posthorn::observe {
namespace {

using namespace std::chrono_literals;

constexpr auto kGather = 1s;      // spans wait so long for others of their batch
constexpr auto kAnswer = 10s;     // of a collector
constexpr auto kPatience = 5min;  // then a batch is dropped
constexpr base::Duration kLongestPause = 30s;

// What to do about an answer, as OTLP/HTTP has it.
bool worth_retrying(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

std::int64_t ns(base::WallTime t) { return base::to_ms(t) * 1'000'000; }

}  // namespace

std::optional<net::HttpUrl> otlp_url(const std::string& base, const std::string& path) {
    return net::HttpUrl::parse((base.ends_with('/') ? base.substr(0, base.size() - 1) : base) + path);
}

// Shared with the coroutines, which live on the loop.
struct OtlpExporter::State : std::enable_shared_from_this<State> {
    State(net::Loop& l, net::HttpClient c, base::Metrics& m, OtlpConfig given)
        : loop(l),
          client(std::move(c)),
          metrics(m),
          config(std::move(given)),
          queue(m),
          wake(l),
          exported(m.counter("posthorn_traces_exported_total", "Spans a collector has taken")),
          began(l.clock().wall()) {}

    struct Told {
        bool done = false;
        bool again = false;  // not now, but later
        std::string why;
        std::string answer;
    };

    net::Task<Told> tell(net::HttpUrl url, std::string key, std::string body, base::Duration limit) {
        net::HttpPost request{std::move(url), "application/json", {}, std::move(body)};
        if (!key.empty()) request.fields.emplace_back("Authorization", "Bearer " + key);
        const auto deadline = loop.now() + limit;
        auto answer = co_await client.post(loop, std::move(request), deadline);
        Told told;
        if (!answer) {
            told.again = true;
            told.why = answer.error().log_text;
        } else if (answer->status / 100 == 2) {
            told.done = true;
            told.answer = std::move(answer->body);
        } else {
            told.again = worth_retrying(answer->status);
            told.why = "the collector answered " + std::to_string(answer->status);
        }
        co_return told;
    }

    // An operator hears of it when it begins and when it is over.
    void note(bool& failing, const char* what, const Told& told) {
        if (failing == !told.done) return;
        failing = !told.done;
        if (failing)
            base::log::warning("otlp.export_failed", {{"signal", what}, {"error", told.why}});
        else
            base::log::notice("otlp.export_works", {{"signal", what}});
    }

    base::Duration patience() const { return stopping ? base::Duration(1s) : base::Duration(kAnswer); }

    net::Task<> tell_spans(std::vector<Span> batch) {
        const auto give_up = loop.now() + kPatience;
        auto pause = config.first_pause;
        while (true) {
            auto body = spans_json(config.resource, batch);
            const Told told = co_await tell(*config.traces, {}, std::move(body), patience());
            note(spans_failing, "traces", told);
            if (told.done) {
                const auto partial = partial_success(told.answer);
                const auto rejected = std::min<std::uint64_t>(partial.rejected, batch.size());
                exported.add(batch.size() - rejected);
                if (rejected > 0) {
                    queue.drop(rejected);
                    base::log::warning("otlp.spans_rejected", {{"count", rejected}, {"error", partial.message}});
                }
                co_return;
            }
            if (!told.again || stopping || loop.now() + pause > give_up) break;
            // A fifth more or less, so that nodes do not come back together.
            const auto spread = pause / 5;
            const auto until = loop.now() + pause - spread +
                               base::Duration(static_cast<std::int64_t>(
                                   random->below(static_cast<std::uint64_t>(2 * spread.count() + 1))));
            while (!stopping && loop.now() < until) co_await wake.wait(until);
            pause = std::min(pause * 2, kLongestPause);
        }
        queue.drop(batch.size());
    }

    static net::Task<> run_spans(std::shared_ptr<State> self) {
        while (true) {
            const auto until = self->loop.now() + kGather;
            if (self->queue.size() < kSpanBatch && !self->stopping) co_await self->wake.wait(until);
            auto batch = self->queue.take(kSpanBatch);
            if (!batch.empty()) co_await self->tell_spans(std::move(batch));
            if (self->stopping && self->queue.size() == 0) break;
        }
    }

    static net::Task<> run_metrics(std::shared_ptr<State> self) {
        const auto& config = self->config;
        while (true) {
            const auto until = self->loop.now() + config.metrics_interval;
            while (!self->stopping && self->loop.now() < until) co_await self->wake.wait(until);
            const bool last = self->stopping;
            const auto now = self->loop.clock().wall();
            auto body = metrics_json(config.resource, self->metrics.snapshot(), ns(self->began), ns(now));
            auto key = config.metrics_key;
            const Told told =
                co_await self->tell(*config.metrics, std::move(key), std::move(body), self->patience());
            self->note(self->metrics_failing, "metrics", told);
            if (last) break;
        }
    }

    net::Loop& loop;
    const net::HttpClient client;
    base::Metrics& metrics;
    const OtlpConfig config;
    SpanQueue queue;
    net::Event wake;
    base::Counter& exported;
    const base::WallTime began;
    const std::unique_ptr<base::Random> random = base::system_random();
    std::atomic<bool> stopping{false};
    bool spans_failing = false;
    bool metrics_failing = false;
};

OtlpExporter::OtlpExporter(net::Loop& loop, net::HttpClient client, base::Metrics& metrics, OtlpConfig config)
    : state_(std::make_shared<State>(loop, std::move(client), metrics, std::move(config))) {
    state_->queue.on_batch([weak = std::weak_ptr(state_)] {
        const auto state = weak.lock();
        if (!state) return;
        state->loop.post([weak] {
            if (const auto alive = weak.lock()) alive->wake.notify_all();
        });
    });
}

OtlpExporter::~OtlpExporter() = default;

SpanQueue& OtlpExporter::spans() { return state_->queue; }

void OtlpExporter::start() {
    const auto run = [this](const char* name, net::Task<> task) {
        auto ended = std::make_shared<std::promise<void>>();
        ended_.push_back(ended->get_future());
        net::spawn(state_->loop, name, std::move(task), [ended] { ended->set_value(); });
    };
    if (state_->config.traces) run("otlp.traces", State::run_spans(state_));
    if (state_->config.metrics) run("otlp.metrics", State::run_metrics(state_));
}

void OtlpExporter::finish(base::Duration limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    state_->stopping = true;
    state_->loop.post([state = state_] { state->wake.notify_all(); });
    for (auto& ended : ended_) ended.wait_until(until);
}

}  // namespace posthorn::observe
