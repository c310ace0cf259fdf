#include "control/steering.hpp"

#include <memory>

#include "control/arguments.hpp"

namespace posthorn::control {
namespace {

Value texts(const std::vector<std::string>& list) {
    auto out = Value::list();
    for (const auto& text : list) out.add(text);
    return out;
}

class SteeringCommands {
public:
    explicit SteeringCommands(Steering& steering) : steering_(steering) {}

    net::Task<base::Result<Reply>> reload(net::Loop& loop, Value) const {
        const Steering::Outcome outcome = co_await steering_.reload(loop);
        if (!outcome) co_return Reply{.result = {}, .refused = outcome.error()};
        auto result = Value::map();
        result.set("changed", texts(outcome->changed)).set("restart_needed", texts(outcome->waiting));
        co_return Reply{.result = std::move(result), .info = {}};
    }

    // Begins when the answer is on its way: whoever asked is to hear of it.
    net::Task<base::Result<Reply>> shut_down(net::Loop&, Value args) const {
        const bool now = flag_arg(args, "now");
        auto result = Value::map();
        result.set("shutting_down", true).set("now", now);
        co_return Reply{.result = std::move(result), .after = [&to = steering_, now] { to.shut_down(now); }};
    }

    net::Task<base::Result<Reply>> config(net::Loop&, Value) const {
        co_return Reply{.result = steering_.config(), .info = {}};
    }

private:
    Steering& steering_;
};

}  // namespace

Handlers make_steering_handlers(Steering& steering) {
    const auto commands = std::make_shared<SteeringCommands>(steering);
    const NamedMethod<SteeringCommands> methods[] = {
        {"system.reload", &SteeringCommands::reload},
        {"system.shutdown", &SteeringCommands::shut_down},
        {"system.config", &SteeringCommands::config},
    };
    return handlers_of(commands, methods);
}

}  // namespace posthorn::control
