#include "net/session_group.hpp"

#include "base/places.hpp"

namespace posthorn::net {
namespace {

Task<> say_and_close(std::unique_ptr<Stream> stream, std::string last_words) {
    const auto deadline = stream->loop().now() + std::chrono::seconds(2);
    const auto written = co_await stream->write(last_words, deadline);
    if (written.ok()) co_await stream->shutdown(deadline);
}

}  // namespace

SessionGroup::SessionGroup(LoopGroup& loops) {
    for (std::size_t i = 0; i < loops.size(); ++i) {
        loops_.push_back(std::make_unique<OnLoop>());
        loops_.back()->loop = &loops.at(i);
    }
}

bool SessionGroup::take_place(std::size_t limit) { return base::take_place(count_, limit); }

bool SessionGroup::join(Loop& loop, Member& member) {
    loops_[loop.index()]->members.insert(&member);
    return !stopping_;
}

void SessionGroup::leave(Loop& loop, Member& member) {
    loops_[loop.index()]->members.erase(&member);
    const std::lock_guard lock(mutex_);
    if (count_.fetch_sub(1) == 1) drained_.notify_all();
}

void SessionGroup::shut_down() {
    stopping_ = true;
    tell(&Member::shut_down);
}

void SessionGroup::close() { tell(&Member::close); }

void SessionGroup::tell(void (Member::*what)()) {
    for (auto& one : loops_) {
        one->loop->post([on = one.get(), what] {
            // A session that ends leaves the set, but never from within this call.
            for (auto* member : on->members) (member->*what)();
        });
    }
}

bool SessionGroup::wait_drained(base::Duration limit) {
    std::unique_lock lock(mutex_);
    return drained_.wait_for(lock, limit, [this] { return count_ == 0; });
}

void turn_away(std::unique_ptr<Stream> stream, std::string last_words) {
    auto& loop = stream->loop();
    spawn(loop, "turn away", say_and_close(std::move(stream), std::move(last_words)));
}

}  // namespace posthorn::net
