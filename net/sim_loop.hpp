// Loops under a virtual clock, all on the caller's thread: a service that waits for days is simulated in
// moments, and two runs do the same things in the same order. Time passes only in run_for() and run_until(), and
// then jumps from timer to timer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/loop.hpp"
#include "net/pool.hpp"

namespace posthorn::net {

class SimLoops final : public LoopGroup {
public:
    explicit SimLoops(std::size_t loops = 1, base::WallTime start = base::from_ms(1'750'000'000'000));
    ~SimLoops() override;  // stops

    std::size_t size() const override;
    Loop& at(std::size_t index) override;
    void start() override {}
    void stop() override;
    const base::Clock& clock() const;

    // Runs what is ready, and what becomes so by it; time stands still. Throws when that never ends: after ten
    // million callbacks, if no other limit is set.
    void run_until_idle();
    void set_max_callbacks(std::size_t limit);
    // Lets `span` pass.
    void run_for(base::Duration span);
    // Lets time pass until `condition` holds (looked at whenever nothing is ready); false: not within `limit`.
    bool run_until(const std::function<bool()>& condition, base::Duration limit);
    // The same for parts with threads of their own (a spool that syncs): the virtual clock stands, the limit is
    // of real time.
    bool run_until_real(const std::function<bool()>& condition, base::Duration limit = std::chrono::seconds(20));
    // Starts `task` on the first loop and runs it to its end; false: not within `limit`.
    bool run(Task<> task, base::Duration limit = std::chrono::hours(24 * 365));

    // A pool whose jobs run on this thread, deferred, `latency` of virtual time after they were submitted.
    // It must die before the loops do.
    std::unique_ptr<Pool> make_pool(std::string name, std::size_t queue_limit, base::Duration latency = {});

    struct Impl;  // net/impl/sim_loop.cpp

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace posthorn::net
