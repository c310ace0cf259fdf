#include "server/watchdog.hpp"

#include <algorithm>

namespace posthorn::server {
namespace {

using namespace std::chrono_literals;

// Several looks within the manager's limit: one that comes late harms nothing.
constexpr int kLooks = 4;
constexpr base::Duration kStatusEvery = 10s;  // without a limit

}  // namespace

Watchdog::Watchdog(const Notifier& notifier, std::vector<net::Loop*> loops, const base::Clock& clock,
                   std::function<std::string()> status)
    : notifier_(notifier),
      loops_(std::move(loops)),
      clock_(clock),
      status_(std::move(status)),
      every_(notifier.watchdog() > 0ns ? std::min(notifier.watchdog() / kLooks, kStatusEvery) : kStatusEvery),
      next_(clock.steady() + every_),
      unanswered_(std::make_shared<std::atomic<std::size_t>>(0)) {
    ask();
}

base::Duration Watchdog::pause() const { return std::max<base::Duration>(next_ - clock_.steady(), 0ns); }

void Watchdog::look() {
    if (clock_.steady() < next_) return;
    next_ = clock_.steady() + every_;
    if (*unanswered_ != 0) return;
    if (notifier_.watchdog() > 0ns) notifier_.alive();
    notifier_.status(status_());
    ask();
}

void Watchdog::ask() {
    unanswered_->store(loops_.size());
    for (auto* loop : loops_) loop->post([unanswered = unanswered_] { unanswered->fetch_sub(1); });
}

}  // namespace posthorn::server
