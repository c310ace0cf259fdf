#include "net/pool.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "net/impl/suspend.hpp"
#include "net/impl/thread.hpp"

namespace posthorn::net {
namespace {

class ThreadPool final : public Pool {
public:
    ThreadPool(std::string name, std::size_t threads, std::size_t queue_limit)
        : name_(std::move(name)), queue_limit_(queue_limit) {
        for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
            threads_.push_back(impl::start_thread(name_ + "-" + std::to_string(i), [this] { run(); }));
        }
    }

    ~ThreadPool() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

    bool submit(std::move_only_function<void()> job) override {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_ || jobs_.size() >= queue_limit_) return false;
            jobs_.push_back(std::move(job));
        }
        wake_.notify_one();
        return true;
    }

    std::size_t queued() const override {
        const std::lock_guard lock(mutex_);
        return jobs_.size();
    }

    const std::string& name() const override { return name_; }

private:
    void run() {
        std::unique_lock lock(mutex_);
        while (true) {
            wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            auto job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job();
            job = nullptr;  // what it owns dies outside the lock
            lock.lock();
        }
    }

    std::string name_;
    std::size_t queue_limit_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::move_only_function<void()>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Pool> make_pool(std::string name, std::size_t threads, std::size_t queue_limit) {
    return std::make_unique<ThreadPool>(std::move(name), threads, queue_limit);
}

namespace detail {

Task<bool> run_on(Loop& loop, Pool& pool, std::move_only_function<void()> job) {
    auto op = impl::suspend<bool>([&loop, &pool, &job](auto resume) {
        // Shared with the job, so that a refusal still has it.
        auto waiting = std::make_shared<decltype(resume)>(std::move(resume));
        const bool taken = pool.submit([&loop, waiting, job = std::move(job)]() mutable {
            job();
            job = nullptr;  // before the caller goes on: what the job owns is gone by then
            loop.post([waiting = std::move(waiting)] { (*waiting)(true); });
        });
        if (!taken) loop.post([waiting = std::move(waiting)] { (*waiting)(false); });
    });
    const bool ran = co_await std::move(op);
    co_return ran;
}

}  // namespace detail

}  // namespace posthorn::net
