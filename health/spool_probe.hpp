// Asks whether the spool can be written, without making those who ask wait for a slow disk: one probe at a time, its
// answer good for a second, and a bound on how long anybody waits for it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "net/task.hpp"

namespace posthorn::health {

inline constexpr auto kProbeFresh = std::chrono::seconds(1);
inline constexpr auto kProbeWait = std::chrono::milliseconds(700);  // health answers within a second
inline constexpr auto kProbeStale = std::chrono::seconds(15);       // a disk that takes longer is not writable

// Lives on one loop; destroyed after it stopped.
class SpoolProbe {
public:
    // `probe` blocks, so it runs on `pool`; both outlive this.
    SpoolProbe(net::Loop& loop, net::Pool& pool, std::function<base::Result<void>()> probe);

    // A fresh answer, or after kProbeWait the last one while it is no older than kProbeStale. On the loop.
    net::Task<base::Result<void>> check();

private:
    net::Task<> run();
    std::optional<base::Duration> age() const;

    net::Loop& loop_;
    net::Pool& pool_;
    std::function<base::Result<void>()> probe_;
    net::Event done_;
    bool running_ = false;
    std::optional<base::SteadyTime> at_;  // when last_ was known
    base::Result<void> last_;
};

}  // namespace posthorn::health
