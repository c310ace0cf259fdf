#include "control/log_level.hpp"

#include "base/ascii.hpp"
#include "base/log.hpp"

namespace posthorn::control {
namespace {

constexpr std::size_t kMaxComponents = 100;

Value shown(const base::log::Levels& levels) {
    auto components = Value::map();
    for (const auto& [component, level] : levels.components) components.set(component, base::log::name(level));
    return Value::map().set("level", base::log::name(levels.level)).set("components", std::move(components));
}

bool component_name(std::string_view text) {
    for (const char c : text) {
        if (!base::is_alnum(c) && c != '_') return false;
    }
    return !text.empty() && text.size() <= 40;
}

// "default" takes a component's own level away.
base::Result<void> set(base::log::Levels& levels, const Value* component, std::string_view level) {
    const auto parsed = base::log::parse_level(level);
    if (component == nullptr) {
        levels.level = parsed.value_or(base::log::Level::info);
        return {};
    }
    if (!component_name(component->text()))
        return base::fail(base::ErrorKind::protocol, "that is not the name of a component");
    if (!parsed) {
        levels.components.erase(std::string(component->text()));
        return {};
    }
    if (levels.components.size() >= kMaxComponents)
        return base::fail(base::ErrorKind::protocol, "so many components there are not");
    levels.components.insert_or_assign(std::string(component->text()), *parsed);
    return {};
}

net::Task<base::Result<Reply>> log_level(net::Loop&, Value args) {
    auto levels = base::log::levels();
    if (const auto* level = args.find("level")) {
        if (auto done = set(levels, args.find("component"), level->text()); !done)
            co_return std::unexpected(done.error());
        base::log::set_levels(levels);
    } else if (args.find("component") != nullptr) {
        co_return base::fail(base::ErrorKind::protocol, "which level?");
    }
    co_return Reply{.result = shown(levels)};
}

}  // namespace

Handlers make_log_handlers() { return {{"system.log-level", log_level}}; }

}  // namespace posthorn::control
