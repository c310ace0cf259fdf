#include "control/commands.hpp"

#include "base/units.hpp"

namespace posthorn::control {
namespace {

class SystemCommands {
public:
    SystemCommands(System& system, const base::Clock& clock) : system_(system), clock_(clock) {}

    net::Task<base::Result<Reply>> ping(net::Loop&, Value) const {
        auto result = Value::map();
        result.set("pong", true).set("time", base::format_time(clock_.wall()));
        co_return Reply{.result = std::move(result), .info = {}};
    }

    net::Task<base::Result<Reply>> status(net::Loop& loop, Value) const {
        base::Result<Value> status = co_await system_.status(loop);
        if (!status) co_return std::unexpected(status.error());
        co_return Reply{.result = *std::move(status), .info = {}};
    }

private:
    System& system_;
    const base::Clock& clock_;
};

}  // namespace

Handlers make_handlers(System& system, QueueDeps queue) {
    const auto commands = std::make_shared<SystemCommands>(system, queue.clock);
    const NamedMethod<SystemCommands> methods[] = {
        {"system.ping", &SystemCommands::ping},
        {"system.status", &SystemCommands::status},
    };
    Handlers handlers = handlers_of(commands, methods);
    add_queue_handlers(handlers, queue);
    return handlers;
}

}  // namespace posthorn::control
