#include "ctl/config_text.hpp"

#include <fmt/format.h>

#include "base/config/value.hpp"

namespace posthorn::ctl {
namespace {

using control::Value;

std::string toml(const Value& value) {
    std::string out;
    if (value.as<std::string>() != nullptr) return base::config::quoted(value.text());
    if (const auto* list = value.items()) {
        for (const auto& item : *list) out += (out.empty() ? "" : ", ") + toml(item);
        return "[" + out + "]";
    }
    if (const auto* map = value.members()) {
        for (const auto& [key, member] : *map)
            out += (out.empty() ? " " : ", ") + fmt::format("{} = {}", base::config::dotted("", key), toml(member));
        return out.empty() ? "{}" : "{" + out + " }";
    }
    return control::to_json(value, false);
}

std::string text(const Value& item, std::string_view key) {
    const auto* value = item.find(key);
    return value != nullptr ? std::string(value->text()) : "";
}

}  // namespace

std::string ConfigText::part(const control::Value::List& items) {
    std::string out;
    for (const auto& item : items) {
        const auto path = text(item, "path");
        const auto key = text(item, "key");
        const auto place = path.substr(0, path.size() - std::min(path.size(), key.size() + 1));
        if (place != place_) {
            out += (place_.empty() ? "" : "\n") + text(item, "section") + "\n";
            place_ = place;
        }
        const auto* value = item.find("value");
        out += fmt::format("{} = {}", base::config::dotted("", key), value != nullptr ? toml(*value) : "\"\"");
        if (const auto* running = item.find("running"))
            out += "  # from the next start; now " + (running->nil() ? "not set" : toml(*running));
        out += '\n';
    }
    return out;
}

}  // namespace posthorn::ctl
