#include "server/steering.hpp"

#include <unistd.h>

#include <csignal>
#include <optional>

#include "base/config/reference.hpp"
#include "server/config/toml.hpp"

namespace posthorn::server {
namespace {

using control::Value;

Value converted(const base::config::Value& from) {
    if (const auto* b = from.as<bool>()) return *b;
    if (const auto* i = from.as<std::int64_t>()) return *i;
    if (const auto* d = from.as<double>()) return *d;
    if (const auto* s = from.as<std::string>()) return *s;
    if (const auto* list = from.as<std::vector<base::config::Value>>()) {
        auto out = Value::list();
        for (const auto& item : *list) out.add(converted(item));
        return out;
    }
    auto out = Value::map();
    if (const auto* members = from.members()) {
        for (const auto& member : *members) out.set(member.name, converted(member.value));
    }
    return out;
}

// A value as the file has it, "50MiB" or 5, as one of a frame.
Value typed(const std::string& toml) {
    base::config::Problems problems;
    const auto document = parse_toml("v = " + toml, problems);
    if (!document || document->members()->empty()) return toml;
    return converted(document->members()->front().value);
}

// Adds to `live` the keys that hold from a reload on; a change of any other waits for a restart.
std::map<std::string, std::string> flat(const Config& config, std::set<std::string>& live) {
    std::map<std::string, std::string> out;
    for (auto& entry : base::config::entries(config_table(), config)) {
        if (entry.applies == base::config::Applies::at_reload) live.insert(entry.path);
        out.emplace(std::move(entry.path), std::move(entry.value));
    }
    return out;
}

struct Box {
    explicit Box(net::Loop& loop) : event(loop) {}
    std::optional<control::Steering::Outcome> outcome;
    net::Event event;
};

}  // namespace

Steering::Steering(const Config& config) : loaded_(flat(config, live_)), running_(loaded_) { show(config); }

net::Task<Steering::Outcome> Steering::reload(net::Loop& loop) {
    const auto box = std::make_shared<Box>(loop);
    const bool refused = asked_.with([&](Asked& asked) {
        if (asked.refused) return true;
        asked.waiting.push_back([box, &loop](const Outcome& outcome) {
            loop.post([box, outcome] {
                box->outcome = outcome;
                box->event.notify_all();
            });
        });
        return false;
    });
    if (refused) co_return std::unexpected("the server is going down");
    // The order stands in the list before the main thread is woken: one that reloads already does it once more.
    ::kill(::getpid(), SIGHUP);
    while (!box->outcome) co_await box->event.wait();
    co_return *std::move(box->outcome);
}

// Where the end has begun already a signal would be the second one, which hurries.
void Steering::shut_down(bool now) {
    asked_.with([&](const Asked& asked) {
        if (now) hurry_ = true;
        if (!asked.refused) ::kill(::getpid(), SIGTERM);
    });
}

control::Value Steering::config() const {
    return *shown_.with([](const auto& shown) { return shown; });
}

Steering::Waiting Steering::take_waiting() {
    return asked_.with([](Asked& asked) { return std::exchange(asked.waiting, {}); });
}

control::Reloaded Steering::took(const Config& fresh) {
    control::Reloaded out;
    auto now = flat(fresh, live_);
    for (const auto& path : base::config::difference(loaded_, now)) {
        // A listener that comes or goes does so with all it has.
        const bool whole = path.starts_with("listener[") && loaded_.contains(path) != now.contains(path);
        if (!whole && !live_.contains(path)) continue;
        out.changed.push_back(path);
        if (const auto found = now.find(path); found != now.end())
            running_.insert_or_assign(path, found->second);
        else
            running_.erase(path);
    }
    loaded_ = std::move(now);
    out.waiting = base::config::difference(running_, loaded_);
    show(fresh);
    return out;
}

void Steering::refuse() {
    const auto left = asked_.with([](Asked& asked) {
        asked.refused = true;
        return std::exchange(asked.waiting, {});
    });
    for (const auto& tell : left) tell(std::unexpected("the server is going down"));
}

void Steering::show(const Config& config) {
    auto list = Value::list();
    for (const auto& entry : base::config::entries(config_table(), config)) {
        auto one = Value::map();
        one.set("path", entry.path).set("section", entry.section).set("key", entry.key);
        one.set("value", typed(entry.value));
        const auto running = running_.find(entry.path);
        if (running == running_.end())
            one.set("running", Value());
        else if (running->second != entry.value)
            one.set("running", typed(running->second));
        list.add(std::move(one));
    }
    shown_.with([&](auto& shown) { shown = std::make_shared<const Value>(std::move(list)); });
}

}  // namespace posthorn::server
