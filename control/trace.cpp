#include "control/trace.hpp"

#include <charconv>

#include "base/units.hpp"
#include "observe/history_search.hpp"

namespace posthorn::control {
namespace {

using mail::Event;
using mail::EventKind;
using observe::HistorySearch;

// One search and what it found last. Shared with the pool's thread: whoever asked may be gone before it.
struct Work {
    Work(observe::History& h, std::unique_ptr<HistorySearch> s) : history(h), search(std::move(s)) {}
    observe::History& history;
    std::unique_ptr<HistorySearch> search;
    std::vector<Event> found;
    bool begun = false;
    bool more = true;

    base::Result<void> step() {
        if (!std::exchange(begun, true)) history.flush();
        auto more_left = search->step(found);
        if (!more_left) return std::unexpected(more_left.error());
        more = *more_left;
        return {};
    }
};

class TraceParts final : public Parts {
public:
    TraceParts(std::shared_ptr<Work> work, net::Pool& pool) : work_(std::move(work)), pool_(pool) {}

    net::Task<base::Result<std::optional<Value>>> next(net::Loop& loop) override {
        const auto until = loop.now() + kSignOfLife;
        while (work_->more && work_->found.empty() && loop.now() < until) {
            auto step = [work = work_] { return work->step(); };
            const base::Result<void> done = co_await net::offload(loop, pool_, std::move(step));
            if (!done) co_return std::unexpected(done.error());
        }
        if (!work_->more && work_->found.empty()) co_return std::nullopt;
        auto list = Value::list();
        for (const Event& event : work_->found) list.add(event_view(event));
        work_->found.clear();
        co_return std::optional<Value>(std::move(list));
    }

    Value info() const override {
        const auto& search = *work_->search;
        auto info = Value::map();
        info.set("stories", search.stories()).set("left_out", search.untold()).set("damaged", search.damaged());
        return info;
    }

private:
    std::shared_ptr<Work> work_;
    net::Pool& pool_;
};

class Trace {
public:
    Trace(observe::History& history, base::Disk& disk, net::Pool& pool, const base::Clock& clock)
        : history_(history), disk_(disk), pool_(pool), clock_(clock) {}

    base::Result<Reply> start(const Value& args) const {
        observe::HistoryQuery query;
        query.what = args.find("what")->text();
        if (const auto* since = args.find("since"))
            query.since =
                clock_.wall() - std::chrono::floor<std::chrono::milliseconds>(*base::parse_duration(since->text()));
        if (const auto* limit = args.find("limit")) query.limit = static_cast<std::size_t>(*limit->integer());
        auto search = HistorySearch::make(disk_, history_.directory(), query);
        if (!search)
            return base::fail(base::ErrorKind::protocol,
                              "what is wanted is a message's id, a Message-ID, an address, an IP address or a "
                              "session's id");
        auto work = std::make_shared<Work>(history_, std::move(search));
        return Reply{.result = Value::list(), .parts = std::make_shared<TraceParts>(std::move(work), pool_)};
    }

    net::Task<base::Result<Reply>> trace(net::Loop&, Value args) const { co_return start(args); }

private:
    observe::History& history_;
    base::Disk& disk_;
    net::Pool& pool_;
    const base::Clock& clock_;
};

void put(Value& out, const char* key, const std::string& value) {
    if (!value.empty()) out.set(key, value);
}

Value texts(const std::vector<std::string>& list) {
    auto out = Value::list();
    for (const auto& text : list) out.add(text);
    return out;
}

// The detail of a deferred or held back recipient is the time of its next try in milliseconds since 1970.
void put_detail(Value& out, const Event& event) {
    const bool is_time = event.kind == EventKind::deferred || event.kind == EventKind::rate_limited;
    std::int64_t ms = 0;
    const auto* end = event.detail.data() + event.detail.size();
    if (!is_time || std::from_chars(event.detail.data(), end, ms).ptr != end)
        put(out, "detail", event.detail);
    else if (ms != 0)
        out.set("next_try", base::format_time(base::from_ms(ms)));
}

}  // namespace

Value event_view(const Event& event) {
    auto out = Value::map();
    out.set("time", base::format_time(event.at)).set("event", mail::name(event.kind));
    if (event.message_id) out.set("message_id", event.message_id->to_string());
    put(out, "session_id", event.session);
    put(out, "client_ip", event.client_ip);
    const bool from_nobody = event.kind == EventKind::accepted && event.sender.empty();
    put(out, "sender", from_nobody ? "<>" : event.sender);
    put(out, "recipient", event.recipient);
    if (!event.recipients.empty()) out.set("recipients", texts(event.recipients));
    put(out, "domain", event.domain);
    put(out, "server", event.remote_host);
    put(out, "server_ip", event.remote_ip);
    put(out, "tls", event.tls);
    if (event.code != 0) out.set("smtp_code", event.code);
    put(out, "enhanced_code", event.status);
    put(out, "text", event.text);
    put_detail(out, event);
    put(out, "header_message_id", event.header_message_id);
    if (event.size != 0) out.set("size", event.size);
    if (event.attempt != 0) out.set("attempt", event.attempt);
    if (event.elapsed != base::Duration::zero())
        out.set("elapsed_ms", std::chrono::duration<double, std::milli>(event.elapsed).count());
    for (const auto& [key, value] : event.extra) {
        if (out.find(key) == nullptr) out.set(key, value);
    }
    if (!event.dialogue.empty()) out.set("dialogue", texts(event.dialogue));
    put(out, "trace_id", event.trace.trace_id);
    return out;
}

Handlers make_trace_handlers(observe::History& history, base::Disk& disk, net::Pool& pool,
                             const base::Clock& clock) {
    const auto trace = std::make_shared<Trace>(history, disk, pool, clock);
    const NamedMethod<Trace> methods[] = {{"trace", &Trace::trace}};
    return handlers_of(trace, methods);
}

}  // namespace posthorn::control
