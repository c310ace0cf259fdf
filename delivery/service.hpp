// Delivery: owns every message from its commit until all its recipients are final. One Owner per loop decides
// about its messages and alone records their state; one Destination per next hop, living on one loop, has the
// bucket, the connections and the queue. See docs/delivery.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "delivery/config.hpp"
#include "delivery/operator.hpp"
#include "delivery/overrides.hpp"
#include "mail/address.hpp"
#include "mail/event.hpp"
#include "net/dns.hpp"
#include "net/loop.hpp"
#include "net/pool.hpp"
#include "net/stream.hpp"
#include "net/task.hpp"
#include "spool/queue.hpp"

namespace posthorn::auth {
class Directory;
}
namespace posthorn::store {
class Store;
}

namespace posthorn::delivery {

// All must outlive the service.
struct Deps {
    net::LoopGroup& loops;
    spool::Queue& queue;
    net::Resolver& resolver;
    net::Connector& connector;
    net::Pool& disk;  // for reading bodies
    mail::EventSink& events;
    base::Metrics& metrics;
    base::Random& random;  // used by the constructor alone: seeds the loops' own
    // Who is local, and where their mail is kept; null: nobody is.
    auth::Directory* directory = nullptr;
    store::Store* store = nullptr;
};

// A list as it is found: what matches is looked for with the first page, the pages are read one by one. Lives no longer
// than the service.
class Listing {
public:
    virtual ~Listing() = default;
    // Messages still there, in order; it may be none. Nothing: that was all.
    virtual net::Task<base::Result<std::optional<std::vector<MessageView>>>> next(net::Loop& loop) = 0;
    virtual const ListSummary& summary() const = 0;  // after the last

    // Instead of next(): ids alone, `most` at once or fewer. Nothing is read but for filters that need it.
    virtual net::Task<base::Result<std::optional<std::vector<base::Ulid>>>> next_ids(net::Loop& loop,
                                                                                     std::size_t most) = 0;
    // Looks for what matches now, not with the first page.
    virtual net::Task<> find(net::Loop& loop) = 0;
};

// An order, carried out as far as it is asked how it goes on. Lives no longer than the service.
class Ordering {
public:
    virtual ~Ordering() = default;
    // What came of the next messages; none is a sign of life, due within seconds. Nothing: that was all.
    virtual net::Task<base::Result<std::optional<std::vector<Ordered>>>> next(net::Loop& loop) = 0;
};

class Service {
public:
    // Reads what is frozen from config.state_dir; an unreadable file is an error of start().
    Service(Deps deps, Config config);
    // After stop() called back, the queue's stop() (it knows our owners), and when the loops run no more.
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // Attaches to the queue: messages begin to come. Main thread; loops may run already.
    base::Result<void> start();

    // No new attempts; those under way may end within `grace`, then their connections are closed. `done` runs on
    // loop 0 once every outcome is durable (or recording it has failed and will be found again at the next start).
    // Any thread. Called again with a shorter grace it hastens; each `done` is called.
    void stop(base::Duration grace, net::Callback done);

    // A new snapshot for all that starts from now; queued mail is routed anew. Any thread.
    void reload(Config config);

    bool running() const;  // started and not stopping; any thread

    // For operators. `loop` is the caller's; each resumes there. However long the queue is, no loop is held up: it is
    // gone through some hundred messages at a turn, and read back page by page.
    std::unique_ptr<Listing> list(ListQuery query);
    net::Task<base::Result<ListResult>> list(net::Loop& loop, ListQuery query);
    net::Task<base::Result<MessageView>> view(net::Loop& loop, base::Ulid id);  // permanent error: unknown
    net::Task<base::Result<Stats>> stats(net::Loop& loop);
    // Part by part: next() carries it out.
    //   retry: next tries become now, of recipients in the selector's domain alone if it names one; a destination that was
    //     unreachable is tried again at once. The rate limit holds.
    //   freeze, unfreeze: durable when told. What is in an attempt ends it. Frozen mail does not expire. Of everything or
    //     of a whole domain it holds for what comes, too; with any other filter it is about the messages it finds.
    //   cancel, bounce: pending recipients (of the selector's domain alone if it names one) become cancelled, or failed and
    //     the sender is told: durable when told. Recipients in an attempt end it first, and are recorded then, at a stop
    //     too: Ordered::How::under_way.
    std::unique_ptr<Ordering> order(Order order, Selector which);
    // Which an order would be about; nothing is done.
    net::Task<base::Result<Selected>> select(net::Loop& loop, Selector which);

    // Recipients that are pending and in no attempt end here; one message with the same text goes to `to` instead, and is
    // as durable as they are ended when this returns. Errors: permanent: unknown; temporary: all are in an attempt.
    net::Task<base::Result<Redirected>> redirect(net::Loop& loop, base::Ulid id, mail::Address to);

    // What is set at run time lies over the configuration, and over every later one, until it is taken away: a pattern's
    // override is changed by `change`, and gone when that leaves it empty. Durable when it returns; then queued mail is
    // routed anew. A protocol error: that is no pattern.
    using Change = std::function<void(Override&)>;
    net::Task<base::Result<void>> change_override(net::Loop& loop, std::string pattern, Change change);
    Overrides overrides() const;               // any thread
    policy::RoutingConfig configured() const;  // without them; any thread

    // All destinations that are in memory, busiest first; with `domain` those of its mail alone. At most `limit`.
    net::Task<base::Result<std::vector<DestinationStats>>> destinations(net::Loop& loop, std::string domain,
                                                                        std::size_t limit);

    // How mail for a domain goes now and why, one reason a line. Any thread.
    std::vector<std::string> explain_route(std::string_view domain) const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace posthorn::delivery
