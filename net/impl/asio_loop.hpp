// The real loops: a thread and an io_context(1) each.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "net/impl/context.hpp"
#include "net/impl/suspend.hpp"
#include "net/impl/timers.hpp"
#include "net/loop.hpp"

namespace posthorn::net::impl {

class AsioLoop final : public Loop {
public:
    explicit AsioLoop(std::size_t index);
    ~AsioLoop() override;

    const base::Clock& clock() const override { return clock_; }
    void post(Callback fn) override;
    TimerId call_at(base::SteadyTime when, Callback fn) override;
    void cancel(TimerId id) override { timers_.cancel(id); }
    bool in_loop() const override;
    std::size_t index() const override { return index_; }
    boost::asio::any_io_executor executor() override { return context_.get_executor(); }

    void run();  // until stop()
    void stop() { context_.stop(); }
    // After run() has returned: destroys what waits. What is posted from here on is buried, so that a thread
    // which posts never destroys a coroutine of this loop.
    void abandon();
    // Destroys what is buried and what that left in the context. False: nothing was buried.
    bool clear_buried();

private:
    void arm();
    void run_due();

    base::SystemClock clock_;
    std::size_t index_;
    std::atomic<bool> abandoned_{false};
    std::atomic<int> posting_{0};  // threads in post()
    base::Guarded<std::vector<Callback>> buried_;
    Timers timers_;
    base::SteadyTime armed_ = kNever;
    Context context_;
    boost::asio::executor_work_guard<IoExecutor> work_;
    std::optional<boost::asio::basic_waitable_timer<
        std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>>
        timer_;
};

class AsioLoops final : public LoopGroup {
public:
    explicit AsioLoops(std::size_t threads);
    ~AsioLoops() override;
    std::size_t size() const override { return loops_.size(); }
    Loop& at(std::size_t index) override { return *loops_.at(index); }
    void start() override;
    void stop() override;

private:
    std::vector<std::unique_ptr<AsioLoop>> loops_;
    std::vector<std::thread> threads_;
    bool started_ = false;
};

}  // namespace posthorn::net::impl
