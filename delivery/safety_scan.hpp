// The safety net below "a message enters delivery the moment it is durable": once in a while the queue's count is
// compared with what the owners know. Only when they differ the queue is walked, some thousand places at a turn; a
// message that its owner does not know then, and again a minute later, was forgotten by a fault of ours: it is given
// to its owner, with a warning.
//
// Lives on the first loop. It keeps at most kMostCandidates ids.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "delivery/owner.hpp"
#include "delivery/shared.hpp"
#include "net/loop.hpp"
#include "net/task.hpp"
#include "spool/queue.hpp"

namespace posthorn::delivery {

class SafetyScan : public std::enable_shared_from_this<SafetyScan> {
public:
    static constexpr std::size_t kPlaces = 4096;  // of the queue, in one turn
    static constexpr std::size_t kMostCandidates = 1000;
    // Between the two looks: what is only on its way to its owner has arrived by then.
    static constexpr base::Duration kSecondLook = std::chrono::minutes(1);

    // `owners`: by loop. `keep` holds them; it is asked when a scan begins, and null when they are gone.
    SafetyScan(std::shared_ptr<Shared> shared, std::vector<Owner*> owners,
               std::function<std::shared_ptr<void>()> keep);

    // On the first loop: from now on this often. 0: never.
    void change(base::Duration interval);
    void stop();  // a scan under way ends at its next step

private:
    void arm(base::Duration delay);
    void begin();
    static net::Task<> run(std::shared_ptr<SafetyScan> self, std::shared_ptr<void> keep);
    net::Task<> look_again();
    net::Task<> adopt(base::Ulid id);
    net::Task<bool> differs();
    net::Task<> look();
    net::Task<> collect(std::vector<base::Ulid> ids);

    std::shared_ptr<Shared> shared_;
    net::LoopGroup& loops_;
    net::Loop& loop_;
    const std::vector<Owner*> owners_;
    std::function<std::shared_ptr<void>()> keep_;
    base::Counter& adopted_;

    base::Duration interval_{};
    net::TimerId timer_ = 0;
    bool running_ = false;
    bool stopped_ = false;
    std::vector<base::Ulid> candidates_;  // unknown to their owner at the first look
};

}  // namespace posthorn::delivery
