#include "server/check/findings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"

namespace posthorn::server {
namespace {

std::string_view name(Finding::Status status) {
    switch (status) {
        case Finding::Status::ok: return "ok";
        case Finding::Status::warning: return "warning";
        case Finding::Status::wrong: return "wrong";
    }
    return "";
}

}  // namespace

bool any_wrong(const std::vector<Finding>& findings) {
    return std::ranges::any_of(findings, [](const Finding& one) { return one.status == Finding::Status::wrong; });
}

std::string findings_json(const std::vector<Finding>& findings) {
    base::JsonWriter json;
    json.array();
    for (const auto& one : findings) {
        json.object().field("check", one.check).field("status", name(one.status)).field("what", one.what);
        json.field("remedy", one.remedy).end();
    }
    json.end();
    return json.take() + "\n";
}

std::string findings_text(const std::vector<Finding>& findings) {
    std::string out;
    for (const auto& one : findings) {
        out += fmt::format("{:<8} {:<12} {}\n", name(one.status), one.check, one.what);
        if (!one.remedy.empty()) out += fmt::format("{:<21} -> {}\n", "", one.remedy);
    }
    return out;
}

}  // namespace posthorn::server
