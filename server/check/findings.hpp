// What `posthornd --check` found: one row for each thing it looked at.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace posthorn::server {

struct Finding {
    enum class Status : unsigned char {
        ok,
        warning,  // it works, but not as it should, or not for long
        wrong,    // mail cannot be received, kept or sent
    };
    std::string check;  // "ports"
    Status status = Status::ok;
    std::string what;
    std::string remedy;  // empty when there is nothing to do
    bool operator==(const Finding&) const = default;
};

class Findings {
public:
    explicit Findings(std::string check) : check_(std::move(check)) {}
    void ok(std::string what) { add(Finding::Status::ok, std::move(what), {}); }
    void warning(std::string what, std::string remedy) {
        add(Finding::Status::warning, std::move(what), std::move(remedy));
    }
    void wrong(std::string what, std::string remedy) {
        add(Finding::Status::wrong, std::move(what), std::move(remedy));
    }
    std::vector<Finding> take() { return std::move(all_); }

private:
    void add(Finding::Status status, std::string what, std::string remedy) {
        all_.push_back({check_, status, std::move(what), std::move(remedy)});
    }

    std::string check_;
    std::vector<Finding> all_;
};

bool any_wrong(const std::vector<Finding>& findings);
// A list of maps with `check`, `status`, `what`, `remedy`.
std::string findings_json(const std::vector<Finding>& findings);
// A line each, and one for the remedy, for people.
std::string findings_text(const std::vector<Finding>& findings);

}  // namespace posthorn::server
