#include "net/impl/asio_loop.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "net/impl/thread.hpp"

namespace posthorn::net::impl {
namespace {

thread_local const AsioLoop* running_loop = nullptr;

}  // namespace

AsioLoop::AsioLoop(std::size_t index) : index_(index), work_(context_.get_executor()) {
    timer_.emplace(context_.get_executor());
}

AsioLoop::~AsioLoop() {
    abandon();
    while (clear_buried()) {
    }
}

bool AsioLoop::in_loop() const { return running_loop == this; }

void AsioLoop::post(Callback fn) {
    // Either abandon() sees us and waits, or we see it.
    ++posting_;
    if (abandoned_) {
        buried_.with([&fn](auto& buried) { buried.push_back(std::move(fn)); });
    } else {
        boost::asio::post(context_.get_executor(), std::move(fn));
    }
    --posting_;
}

TimerId AsioLoop::call_at(base::SteadyTime when, Callback fn) {
    if (abandoned_.load(std::memory_order_relaxed)) {
        post(std::move(fn));  // to be buried
        return 0;
    }
    const TimerId id = timers_.add(when, std::move(fn));
    arm();
    return id;
}

// One Asio timer for all: set to the earliest, left alone when that one is cancelled.
void AsioLoop::arm() {
    const auto next = timers_.next();
    if (next >= armed_) return;
    armed_ = next;
    timer_->expires_at(next);  // ends the wait before with operation_aborted
    timer_->async_wait([this](const boost::system::error_code& error) {
        if (!error) run_due();
    });
}

void AsioLoop::run_due() {
    armed_ = kNever;
    // Those that the callbacks add for now wait for the next round: a timer at "now" cannot starve the loop.
    const TimerId last = timers_.last_id();
    const auto now = clock_.steady();
    while (timers_.next_id() <= last) {
        auto fn = timers_.take_due(now);
        if (!fn) break;
        try {
            (*fn)();
        } catch (...) {
            arm();
            throw;
        }
    }
    arm();
}

void AsioLoop::run() {
    running_loop = this;
    while (true) {
        try {
            context_.run();
            break;
        } catch (const std::exception& e) {
            base::log::error("loop.exception", {{"msg", e.what()}, {"loop", index_}});
        }
    }
    running_loop = nullptr;
}

void AsioLoop::abandon() {
    if (abandoned_.exchange(true)) return;
    while (posting_ > 0) std::this_thread::yield();
    timers_.clear();
    timer_.reset();
    context_.shutdown();
}

bool AsioLoop::clear_buried() {
    auto dead = buried_.with([](auto& buried) { return std::exchange(buried, {}); });
    const bool any = !dead.empty();
    dead.clear();
    context_.shutdown();
    return any;
}

AsioLoops::AsioLoops(std::size_t threads) {
    if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < threads; ++i) loops_.push_back(std::make_unique<AsioLoop>(i));
}

AsioLoops::~AsioLoops() {
    stop();
    bury(loops_);
}

void AsioLoops::start() {
    if (started_) return;
    started_ = true;
    for (const auto& loop : loops_) {
        threads_.push_back(start_thread("loop-" + std::to_string(loop->index()), [&loop = *loop] { loop.run(); }));
    }
}

void AsioLoops::stop() {
    for (const auto& loop : loops_) loop->stop();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    for (const auto& loop : loops_) loop->abandon();
}

}  // namespace posthorn::net::impl

namespace posthorn::net {

std::unique_ptr<LoopGroup> make_loops(std::size_t threads) { return std::make_unique<impl::AsioLoops>(threads); }

}  // namespace posthorn::net
