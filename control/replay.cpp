#include "control/replay.hpp"

#include <utility>

#include "base/units.hpp"
#include "control/arguments.hpp"
#include "observe/history_search.hpp"

namespace posthorn::control {
namespace {

using observe::HistorySearch;

// One replay. Shared with the pool's thread: whoever asked may be gone before it.
struct Work {
    observe::History& history;
    std::unique_ptr<HistorySearch> search;
    std::unique_ptr<Plan> plan;
    bool begun = false;
    bool more = true;

    base::Result<void> step() {
        if (!std::exchange(begun, true)) history.flush();
        std::vector<mail::Event> events;
        auto left = search->step(events);
        if (!left) return std::unexpected(left.error());
        for (const auto& event : events) plan->take(event);
        more = *left;
        return {};
    }
};

class PlanParts final : public Parts {
public:
    PlanParts(std::shared_ptr<Work> work, net::Pool& pool) : work_(std::move(work)), pool_(pool) {}

    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        const auto until = loop.now() + kSignOfLife;
        while (work_->more && loop.now() < until) {
            auto step = [work = work_] { return work->step(); };
            const base::Result<void> done = co_await net::offload(loop, pool_, std::move(step));
            if (!done) co_return std::unexpected(done.error());
        }
        if (work_->more) co_return std::optional<Value>(Value::list());
        if (std::exchange(told_, true)) co_return std::nullopt;
        co_return std::optional<Value>(work_->plan->changes());
    }
    Value info() const override { return work_->plan->info().set("damaged", work_->search->damaged()); }

private:
    std::shared_ptr<Work> work_;
    net::Pool& pool_;
    bool told_ = false;
};

class PlanCommand {
public:
    PlanCommand(Replay& replay, observe::History& history, base::Disk& disk, net::Pool& pool,
                const base::Clock& clock)
        : replay_(replay), history_(history), disk_(disk), pool_(pool), clock_(clock) {}

    net::Task<base::Result<Reply>> run(net::Loop& loop, Value args, Incoming& incoming) const {
        base::WallTime since{};
        if (const auto age = text_arg(args, "since"); !age.empty())
            since = clock_.wall() - std::chrono::floor<std::chrono::milliseconds>(*base::parse_duration(age));
        const auto text = std::make_shared<std::string>();
        const base::Result<void> whole = co_await read(incoming, text);
        if (!whole) co_return std::unexpected(whole.error());
        // It may name files that hold secrets.
        auto job = [&replay = replay_, text,
                    file = std::string(text_arg(args, "file"))]() -> base::Result<Planned> {
            return replay.plan(*text, file);
        };
        base::Result<Planned> planned = co_await net::offload(loop, pool_, std::move(job));
        if (!planned) co_return std::unexpected(planned.error());
        if (!*planned) co_return Reply{.result = {}, .refused = planned->error()};
        auto work = std::make_shared<Work>(history_, HistorySearch::all(disk_, history_.directory(), since),
                                           std::move(**planned));
        co_return Reply{.result = Value::list(), .parts = std::make_shared<PlanParts>(std::move(work), pool_)};
    }

private:
    using Planned = std::expected<std::unique_ptr<Plan>, std::string>;

    static net::Task<base::Result<void>> read(Incoming& incoming, std::shared_ptr<std::string> text) {
        for (;;) {
            auto part = co_await incoming.next();
            if (!part) co_return std::unexpected(part.error());
            if (!*part) co_return base::Result<void>();
            for (const Value& item : **part) {
                const auto* bytes = item.as<Bytes>();
                if (bytes == nullptr || text->size() + bytes->octets.size() > kMaxCandidate)
                    co_return base::fail(base::ErrorKind::protocol, "that is no configuration, or too large a one");
                *text += bytes->octets;
            }
        }
    }

    Replay& replay_;
    observe::History& history_;
    base::Disk& disk_;
    net::Pool& pool_;
    const base::Clock& clock_;
};

}  // namespace

LongHandlers make_plan_handlers(Replay& replay, observe::History& history, base::Disk& disk, net::Pool& pool,
                                const base::Clock& clock) {
    const auto command = std::make_shared<PlanCommand>(replay, history, disk, pool, clock);
    LongHandlers handlers;
    // No coroutine itself: it makes one of a named method, which outlives no handler.
    handlers["config.plan"] = [command](net::Loop& loop, Value args, Incoming& incoming) {
        return command->run(loop, std::move(args), incoming);
    };
    return handlers;
}

}  // namespace posthorn::control
