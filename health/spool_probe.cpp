#include "health/spool_probe.hpp"

namespace posthorn::health {

SpoolProbe::SpoolProbe(net::Loop& loop, net::Pool& pool, std::function<base::Result<void>()> probe)
    : loop_(loop), pool_(pool), probe_(std::move(probe)), done_(loop) {}

std::optional<base::Duration> SpoolProbe::age() const {
    if (!at_) return std::nullopt;
    return loop_.now() - *at_;
}

net::Task<> SpoolProbe::run() {
    base::Result<void> result = co_await net::offload(loop_, pool_, probe_);
    last_ = std::move(result);
    at_ = loop_.now();
    running_ = false;
    done_.notify_all();
}

net::Task<base::Result<void>> SpoolProbe::check() {
    if (const auto known = age(); known && *known < kProbeFresh) co_return last_;
    if (!running_) {
        running_ = true;
        net::spawn(loop_, "health.spool_probe", run());
    }
    const bool answered = co_await done_.wait(loop_.now() + kProbeWait);
    if (!answered) {
        const auto known = age();
        if (!known || *known > kProbeStale)
            co_return base::fail(base::ErrorKind::temporary, "writing to the spool takes too long");
    }
    co_return last_;
}

}  // namespace posthorn::health
