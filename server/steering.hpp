// The operator's hand on the whole server: what the control socket asks of it, the main thread does.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.hpp"
#include "control/steering.hpp"
#include "server/config/config.hpp"

namespace posthorn::server {

class Steering final : public control::Steering {
public:
    explicit Steering(const Config& config);

    net::Task<Outcome> reload(net::Loop& loop) override;
    void shut_down(bool now) override;
    control::Value config() const override;

    // ---- the main thread's
    using Waiting = std::vector<std::function<void(const Outcome&)>>;
    // Those who wait for the reload that begins now.
    Waiting take_waiting();
    // What of `fresh` holds now, and what from the next start.
    control::Reloaded took(const Config& fresh);
    // From now on nobody waits: the server ends.
    void refuse();
    // True once for each order to hurry.
    bool hurry() { return hurry_.exchange(false); }

private:
    void show(const Config& config);

    struct Asked {
        Waiting waiting;
        bool refused = false;
    };
    base::Guarded<Asked> asked_;
    std::atomic<bool> hurry_{false};
    std::set<std::string> live_;                  // paths of keys that hold from a reload on
    std::map<std::string, std::string> loaded_;   // path to TOML: what the file said last
    std::map<std::string, std::string> running_;  // and what we run with
    base::Guarded<std::shared_ptr<const control::Value>> shown_;
};

}  // namespace posthorn::server
