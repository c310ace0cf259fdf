// The sessions of one service, on all loops: how many there may be, and their orderly end.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.hpp"
#include "net/client_limits.hpp"
#include "net/loop.hpp"
#include "net/stream.hpp"

namespace posthorn::net {

class SessionGroup {
public:
    // A session, for who ends it. On its own loop.
    class Member {
    public:
        virtual void shut_down() = 0;  // ends at the next good moment
        virtual void close() = 0;      // patience is over

    protected:
        ~Member() = default;
    };

    // The loops outlive it; the sessions must have ended, or the loops stopped, before it goes.
    explicit SessionGroup(LoopGroup& loops);
    SessionGroup(const SessionGroup&) = delete;

    // Any thread. False: `limit` sessions are there. The place is given back by leave().
    bool take_place(std::size_t limit);
    // On the member's loop. Its place is taken. False: the service is going down.
    bool join(Loop& loop, Member& member);
    void leave(Loop& loop, Member& member);

    // Any thread but a loop's; idempotent. Who joins later is told by join().
    void shut_down();
    void close();
    // True: no session is left. Not on a loop's thread.
    bool wait_drained(base::Duration limit);

    // Any thread.
    std::size_t size() const { return count_; }
    const std::shared_ptr<ClientLimits>& clients() const { return clients_; }

private:
    struct OnLoop {
        Loop* loop = nullptr;
        std::unordered_set<Member*> members;  // touched there alone
    };
    void tell(void (Member::*what)());

    std::vector<std::unique_ptr<OnLoop>> loops_;  // by loop index
    std::shared_ptr<ClientLimits> clients_ = ClientLimits::make();
    std::atomic<std::size_t> count_{0};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable drained_;
};

// A connection above the limit of all: told so where it costs nothing, never made a session.
void turn_away(std::unique_ptr<Stream> stream, std::string last_words);

}  // namespace posthorn::net
