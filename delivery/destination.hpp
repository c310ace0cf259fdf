// A destination: everything that goes to one next hop (policy::Route::key). Has the queue of jobs that may start,
// the token bucket, and the connections, each run by one worker coroutine. Lives on one loop; not thread-safe.
//
// A worker takes a job, sends it over its connection or opens one (all addresses of all MX hosts, in order), and
// reports to the message's owner. While no connection stands only one worker tries to open one, so that a dead
// host costs one attempt and not one a message; when it fails, all that wait fail with it, and what comes after
// is held for a moment. A second connection is opened only when work waits.
//
// No worker ends a message before the outcome of its last one is durable, over whatever connection, and none leaves
// before: so at most `max_connections` messages are taken by hosts and not yet known to be, should we crash.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "delivery/address_memory.hpp"
#include "delivery/gate.hpp"
#include "delivery/job.hpp"
#include "delivery/next_hops.hpp"
#include "delivery/shared.hpp"
#include "delivery/smtp_client.hpp"
#include "net/cancel.hpp"
#include "policy/rate.hpp"

namespace posthorn::delivery {

// What the destinations of one loop share. They hold it: coroutines cut off by a hard stop may outlive the service.
struct LoopContext {
    std::shared_ptr<Shared> shared;
    net::Loop& loop;
    std::unique_ptr<base::Random> random;
    std::function<void(JobResult)> report;  // brings it to the owner, on whatever loop
    SettingsPtr settings;
    AddressMemory addresses;
    std::uint64_t warm_bytes = 0;  // of messages kept in memory for waiting jobs
};

// What a job that waits keeps in memory, in octets.
std::uint64_t warm_cost(const Job& job);

// Waiting jobs of one loop keep envelope and body in memory up to this; beyond it they are read back.
inline constexpr std::uint64_t kWarmBytes = 8U << 20;
// After nothing could be reached, new jobs wait this long (never longer than the shortest retry pause).
inline constexpr base::Duration kUnreachablePause = std::chrono::seconds(10);
// A host that takes no further connection is asked for one again after this.
inline constexpr base::Duration kCrowdedPause = std::chrono::minutes(1);

class Destination : public std::enable_shared_from_this<Destination> {
public:
    Destination(std::shared_ptr<LoopContext> context, RoutePtr route);
    ~Destination();

    void submit(JobPtr job, const RoutePtr& route);
    // A new configuration: waiting jobs go back to their owners, who route them anew; connections are not reused.
    void renew();
    void wake();   // an operator wants it tried now
    void stop();   // starts nothing more; idle connections are closed
    void abort();  // closes the others

    bool removable(base::SteadyTime now) const;
    bool busy() const { return !waiting_.empty() || in_flight_ > 0; }
    DestinationStats stats() const;

private:
    struct Worker {
        explicit Worker(net::Loop& loop) : event(loop), gate(loop) {}
        std::unique_ptr<Connection> connection;
        std::uint64_t generation = 0;  // of the configuration the connection was opened under
        net::Event event;              // notified when `woken` was set, and at a stop
        std::shared_ptr<net::Cancel> opening_ends = std::make_shared<net::Cancel>();  // at a stop
        Gate gate;          // shut until the outcome of its last message is durable
        bool held = false;  // ... which takes too long
        bool woken = false;
        bool opening = true;  // has no connection yet
    };
    struct Attempt;
    class Membership;
    enum class Sent : std::uint8_t { done, lost, no_token, withheld };

    void change(const RoutePtr& route);
    void pump();
    void hold(Hold why, base::SteadyTime until);
    void show(Hold why, base::SteadyTime until);
    void note_limited(Job& job);
    bool token_free(base::SteadyTime now) const { return bucket_.next(unpaid_) <= now; }
    void opened(Worker& worker);
    void set_held(Worker& worker, bool held);
    bool may_open(base::SteadyTime now) const;
    void open_worker();
    bool wake_idle();
    JobPtr take();
    void drop_revoked();
    void put_back(JobPtr job);
    void give_back(JobPtr job);
    void cool(Job& job);
    void unreachable(const mail::Outcome& why);
    base::WallTime wall(base::SteadyTime at) const;

    // destination_attempt.cpp
    static net::Task<> work(std::shared_ptr<Destination> self);
    net::Task<> attempt(Worker* worker, JobPtr job);
    net::Task<> run(Worker* worker, Attempt* attempt);
    net::Task<bool> fetch(Attempt* a);
    net::Task<> reach(Worker* worker, Attempt* a);
    net::Task<Sent> transact(Worker* worker, Attempt* a);
    net::Task<> last_recorded(Worker* worker);
    bool concludes(Worker& worker, Attempt& a, Sent sent);
    void take_results(Attempt& a, TransactionResult result);
    void finish(Attempt& a);
    void fail_internally(Attempt& a, const std::string& trouble);
    static void weigh(const Attempt& a, mail::Outcome& last, bool& permanent);
    void not_reached(Attempt& a, mail::Outcome why, bool unfit);
    bool usable(Worker& worker);
    void drop_connection(Worker& worker);
    net::Task<> part(Worker* worker);
    SmtpClientContext client_context() const;
    SmtpTarget client_target(const Target& target) const;

    std::shared_ptr<LoopContext> owned_context_;
    LoopContext& context_;
    RoutePtr route_;
    policy::TokenBucket bucket_;
    std::deque<JobPtr> waiting_;
    std::uint64_t next_sequence_ = 1;
    std::shared_ptr<Board> board_ = std::make_shared<Board>();
    std::vector<Worker*> workers_;  // all; they live in their coroutines' frames
    std::vector<Worker*> idle_;     // the last to become so is the first to be used
    std::size_t connected_ = 0;
    std::size_t opening_ = 0;    // workers that have no connection yet
    std::size_t held_ = 0;       // workers whose last outcome cannot be made durable: then nothing is started
    std::size_t in_flight_ = 0;  // jobs in the hands of workers ...
    std::size_t unpaid_ = 0;     // ... of which these have not taken their token yet
    std::uint64_t generation_ = 0;
    base::SteadyTime pause_until_{};
    base::SteadyTime crowded_until_{};
    net::TimerId timer_ = 0;
    base::SteadyTime timer_at_{};
    base::Counter* limited_counter_ = nullptr;
    std::string last_error_;
    std::string last_tls_;  // of the last connection
    bool reached_ = false;
    bool stopped_ = false;
};

}  // namespace posthorn::delivery
