// The agent for mail that stays here: asks the directory who an address is and gives the store its message. Of one job
// each account gets it once, however many addresses lead there; over jobs, attempts and crashes the store sees to
// that, by the message's id. Body and trace headers are streamed, never changed; before them stand Return-Path and
// Delivered-To (RFC 5321 §4.4).
//
// Lives on one loop, the one of its messages' owner. At most LocalConfig::parallel questions and deliveries are under
// way at once; each is a piece of a job: to find out where one recipient leads, or to store for one account. A job ends
// when all of its pieces have; then each recipient is told of what became of the accounts it led to.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "delivery/agent.hpp"
#include "delivery/destination.hpp"
#include "delivery/local_work.hpp"

namespace posthorn::delivery {

class LocalAgent final : public DeliveryAgent, public std::enable_shared_from_this<LocalAgent> {
public:
    // context.shared->deps has a directory and a store.
    explicit LocalAgent(std::shared_ptr<LoopContext> context);

    void submit(JobPtr job, const RoutePtr& route) override;
    void wake(const std::string&) override {}  // nothing pauses here
    void apply(SettingsPtr settings) override { context_->settings = std::move(settings); }
    void renew() override;
    void stop() override;
    void abort() override {}  // the store's answer cannot be hurried
    void collect(std::vector<DestinationStats>& into) const override;
    void collect_all(std::vector<DestinationStats>& into, const std::string& key) const override;

private:
    class Lane;
    using WorkPtr = std::shared_ptr<LocalWork>;

    void pump();
    bool startable() const;
    static net::Task<> run(std::shared_ptr<LocalAgent> self);
    net::Task<bool> one_piece();
    JobPtr take();
    void cool(const Job& job);
    void give_back(JobPtr job);
    net::Task<> begin(JobPtr job);
    net::Task<base::Result<void>> fetch(WorkPtr work);
    net::Task<> find(WorkPtr work, std::size_t at);
    net::Task<> store(WorkPtr work, std::size_t at);
    store::Delivery delivery(const LocalWork& work, const LocalWork::Mailbox& to) const;
    void stored(LocalWork& work, LocalWork::Mailbox& to, const base::Result<store::Added>& result,
                base::SteadyTime began);
    void fail_internally(LocalWork& work, bool stores, std::size_t at, const std::string& trouble);
    void end_if_complete(const WorkPtr& work);

    std::shared_ptr<LoopContext> context_;
    std::deque<JobPtr> waiting_;
    std::deque<WorkPtr> open_;  // those with pieces that nobody has in hand yet
    std::size_t lanes_ = 0;
    std::size_t in_hand_ = 0;  // jobs that are begun
    std::string last_error_;
    bool stopped_ = false;
};

}  // namespace posthorn::delivery
