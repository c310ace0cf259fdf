#include "net/sim_loop.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "net/impl/context.hpp"
#include "net/impl/suspend.hpp"
#include "net/impl/timers.hpp"

namespace posthorn::net {
namespace {

constexpr std::size_t kBurst = 1000;                        // callbacks of one loop before the next has its turn
constexpr auto kSocketPoll = std::chrono::milliseconds(1);  // how soon run_until_real sees a real socket

class SimClock final : public base::Clock {
public:
    explicit SimClock(base::WallTime start) : start_(start) {}
    base::SteadyTime steady() const override { return kOrigin + base::Duration(passed_.load()); }
    base::WallTime wall() const override {
        return start_ + std::chrono::floor<std::chrono::milliseconds>(base::Duration(passed_.load()));
    }
    void set(base::SteadyTime now) { passed_ = (now - kOrigin).count(); }

private:
    // Not zero: a default-made SteadyTime is in the past here too.
    static constexpr base::SteadyTime kOrigin{std::chrono::hours(1000)};
    base::WallTime start_;
    std::atomic<base::Duration::rep> passed_{0};
};

class SimLoop;

// What the loops and pools of one simulation share.
struct Shared {
    explicit Shared(base::WallTime start) : clock(start) {}
    SimClock clock;
    const Loop* current = nullptr;  // whose callback runs
    std::mutex mutex;               // guards what post() touches: real threads post too
    std::condition_variable wake;
    bool posted = false;
};

class SimLoop final : public Loop {
public:
    SimLoop(std::size_t index, Shared& shared) : index_(index), shared_(shared), work_(context_.get_executor()) {}

    const base::Clock& clock() const override { return shared_.clock; }
    void post(Callback fn) override {
        {
            const std::lock_guard lock(shared_.mutex);
            if (abandoned_) {
                buried_.push_back(std::move(fn));  // a thread that posts never destroys a coroutine of ours
                return;
            }
            boost::asio::post(context_.get_executor(), std::move(fn));
            shared_.posted = true;
        }
        shared_.wake.notify_one();
    }
    TimerId call_at(base::SteadyTime when, Callback fn) override {
        if (!abandoned_) return timers_.add(when, std::move(fn));
        post(std::move(fn));  // to be buried
        return 0;
    }
    void cancel(TimerId id) override { timers_.cancel(id); }
    // Outside of callbacks the test that drives the simulation is on every loop.
    bool in_loop() const override { return shared_.current == nullptr || shared_.current == this; }
    std::size_t index() const override { return index_; }
    boost::asio::any_io_executor executor() override { return context_.get_executor(); }

    // Callbacks run.
    std::size_t step() {
        shared_.current = this;
        const Reset reset{shared_};
        std::size_t count = 0;
        while (count < kBurst) {
            if (context_.poll_one() > 0) {
                ++count;
                continue;
            }
            auto due = timers_.take_due(shared_.clock.steady());
            if (!due) break;
            (*due)();
            ++count;
        }
        return count;
    }
    base::SteadyTime next() { return timers_.next(); }
    void abandon() {
        {
            const std::lock_guard lock(shared_.mutex);
            if (std::exchange(abandoned_, true)) return;
        }
        timers_.clear();
        context_.shutdown();
    }
    // Destroys what is buried and what that left in the context. False: nothing was buried.
    bool clear_buried() {
        std::vector<Callback> dead;
        {
            const std::lock_guard lock(shared_.mutex);
            dead.swap(buried_);
        }
        const bool any = !dead.empty();
        dead.clear();
        context_.shutdown();
        return any;
    }

private:
    struct Reset {
        Shared& shared;
        ~Reset() { shared.current = nullptr; }
    };

    std::size_t index_;
    Shared& shared_;
    bool abandoned_ = false;  // with shared_.mutex where another thread may look
    impl::Timers timers_;
    impl::Context context_;
    boost::asio::executor_work_guard<impl::IoExecutor> work_;
    std::vector<Callback> buried_;  // dies before the context
};

class SimPool;

}  // namespace

struct SimLoops::Impl {
    explicit Impl(base::WallTime start) : shared(start) {}
    Shared shared;
    std::vector<std::unique_ptr<SimLoop>> loops;
    std::vector<SimPool*> pools;
    std::size_t max_callbacks = 10'000'000;

    base::SteadyTime next();
    std::size_t step();
};

namespace {

class SimPool final : public Pool {
public:
    SimPool(SimLoops::Impl& sim, std::string name, std::size_t queue_limit, base::Duration latency)
        : sim_(sim), name_(std::move(name)), queue_limit_(queue_limit), latency_(latency) {
        sim_.pools.push_back(this);
    }
    ~SimPool() override {
        run_due(impl::kNever);
        std::erase(sim_.pools, this);
    }

    bool submit(std::move_only_function<void()> job) override {
        if (jobs_.size() >= queue_limit_) return false;
        jobs_.push_back({sim_.shared.clock.steady() + latency_, std::move(job)});
        return true;
    }
    std::size_t queued() const override { return jobs_.size(); }
    const std::string& name() const override { return name_; }

    base::SteadyTime next() const { return jobs_.empty() ? impl::kNever : jobs_.front().due; }
    std::size_t run_due(base::SteadyTime now) {
        std::size_t count = 0;
        for (; !jobs_.empty() && jobs_.front().due <= now; ++count) {
            auto job = std::move(jobs_.front().run);
            jobs_.pop_front();
            job();
        }
        return count;
    }

private:
    struct Job {
        base::SteadyTime due;
        std::move_only_function<void()> run;
    };
    SimLoops::Impl& sim_;
    std::string name_;
    std::size_t queue_limit_;
    base::Duration latency_;
    std::deque<Job> jobs_;
};

}  // namespace

base::SteadyTime SimLoops::Impl::next() {
    auto earliest = impl::kNever;
    for (const auto& loop : loops) earliest = std::min(earliest, loop->next());
    for (const auto* pool : pools) earliest = std::min(earliest, pool->next());
    return earliest;
}

std::size_t SimLoops::Impl::step() {
    std::size_t count = 0;
    for (const auto& loop : loops) count += loop->step();
    for (std::size_t i = 0; i < pools.size(); ++i) count += pools[i]->run_due(shared.clock.steady());
    return count;
}

SimLoops::SimLoops(std::size_t loops, base::WallTime start) : impl_(std::make_unique<Impl>(start)) {
    for (std::size_t i = 0; i < loops; ++i) impl_->loops.push_back(std::make_unique<SimLoop>(i, impl_->shared));
}

SimLoops::~SimLoops() {
    stop();
    impl::bury(impl_->loops);
}

void SimLoops::stop() {
    for (const auto& loop : impl_->loops) loop->abandon();
}

std::size_t SimLoops::size() const { return impl_->loops.size(); }
Loop& SimLoops::at(std::size_t index) { return *impl_->loops.at(index); }
const base::Clock& SimLoops::clock() const { return impl_->shared.clock; }

void SimLoops::set_max_callbacks(std::size_t limit) { impl_->max_callbacks = limit; }

void SimLoops::run_until_idle() {
    std::size_t total = 0;
    while (const auto count = impl_->step()) {
        total += count;
        if (total > impl_->max_callbacks) throw std::runtime_error("the simulation never comes to rest");
    }
}

void SimLoops::run_for(base::Duration span) {
    run_until([] { return false; }, span);
}

bool SimLoops::run_until(const std::function<bool()>& condition, base::Duration limit) {
    auto& clock = impl_->shared.clock;
    const auto end = clock.steady() + limit;
    while (true) {
        run_until_idle();
        if (condition()) return true;
        const auto next = impl_->next();
        if (next > end) break;
        clock.set(std::max(next, clock.steady()));
    }
    clock.set(end);
    return false;
}

bool SimLoops::run_until_real(const std::function<bool()>& condition, base::Duration limit) {
    auto& shared = impl_->shared;
    const auto end = std::chrono::steady_clock::now() + limit;
    while (true) {
        {
            const std::lock_guard lock(shared.mutex);
            shared.posted = false;
        }
        run_until_idle();
        if (condition()) return true;
        if (std::chrono::steady_clock::now() >= end) return false;
        std::unique_lock lock(shared.mutex);
        shared.wake.wait_for(lock, kSocketPoll, [&] { return shared.posted; });
    }
}

bool SimLoops::run(Task<> task, base::Duration limit) {
    auto ended = std::make_shared<bool>(false);
    spawn(at(0), "simulated", std::move(task), [ended] { *ended = true; });
    return run_until([&] { return *ended; }, limit);
}

std::unique_ptr<Pool> SimLoops::make_pool(std::string name, std::size_t queue_limit, base::Duration latency) {
    return std::make_unique<SimPool>(*impl_, std::move(name), queue_limit, latency);
}

}  // namespace posthorn::net
