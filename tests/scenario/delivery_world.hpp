// A whole delivery service in process: simulated loops, a zone, peers, a queue in memory; and what must hold
// whatever happens: every recipient ends exactly once, and nothing is sent to one that has ended.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "delivery/service.hpp"
#include "net/sim_loop.hpp"
#include "spool/memory.hpp"
#include "tests/support/fake_connector.hpp"
#include "tests/support/fake_resolver.hpp"
#include "tests/support/orders.hpp"
#include "tests/support/smtp_peer.hpp"

namespace posthorn::testing {

struct EventLog final : mail::EventSink {
    void record(const mail::Event& event) override { events.push_back(event); }
    std::vector<mail::Event> of(mail::EventKind kind) const {
        std::vector<mail::Event> out;
        std::ranges::copy_if(events, std::back_inserter(out), [&](const auto& e) { return e.kind == kind; });
        return out;
    }
    std::size_t count(mail::EventKind kind) const { return of(kind).size(); }
    std::vector<mail::Event> events;
};

inline net::Endpoint endpoint(std::string_view ip, std::uint16_t port = 25) {
    return net::Endpoint{*net::IpAddress::parse(ip), port, {}};
}

class DeliveryWorld {
public:
    explicit DeliveryWorld(std::size_t loop_count = 2) : loops(loop_count), pool(loops.make_pool("disk", 1000)) {
        config.hostname = "mail.test";
        config.dsn.reporting_mta = "mail.test";
        config.dsn.postmaster = "postmaster@mail.test";
        config.routing.rate = {};  // no limit
        config.own_names = {"mail.test"};
        config.own_endpoints = {endpoint("192.0.2.99")};
    }
    ~DeliveryWorld() {
        stop(std::chrono::seconds(0));
        queue.detach();
    }

    void start() {
        service = std::make_unique<delivery::Service>(
            delivery::Deps{loops, queue, resolver, connector, *pool, events, metrics, random, directory, store},
            config);
        const auto started = service->start();
        REQUIRE(started);
        loops.run_until_idle();
    }
    void stop(base::Duration grace = std::chrono::seconds(30)) {
        if (!service) return;
        bool done = false;
        service->stop(grace, [&] { done = true; });
        CHECK(loops.run_until([&] { return done; }, grace + std::chrono::seconds(5)));
        queue.detach();
        service.reset();
    }
    void restart() {
        stop();
        start();
    }
    void reload() {
        service->reload(config);
        loops.run_until_idle();
    }

    // A domain with one MX host and one address, and a peer there.
    std::unique_ptr<SmtpPeer> site(const std::string& domain, const std::string& ip,
                                   std::uint16_t preference = 10) {
        const std::string host = "mx" + std::to_string(hosts_++) + "." + domain;
        resolver.add_mx(domain, preference, host);
        resolver.add_address(host, ip);
        return std::make_unique<SmtpPeer>(connector, endpoint(ip));
    }

    base::Ulid send(const std::string& from, const std::vector<std::string>& to, std::uint8_t notify = 0,
                    const std::string& body = "Subject: hello\r\n\r\nbody\r\n") {
        mail::Envelope envelope;
        envelope.id = ulids.next();
        if (!from.empty()) envelope.reverse_path = *mail::parse_address(from);
        for (const auto& address : to) envelope.recipients.push_back({*mail::parse_address(address), notify, {}});
        envelope.arrival = loops.clock().wall();
        const base::Ulid id = envelope.id;
        REQUIRE(queue.put(std::move(envelope), body));
        sent_.push_back(id);
        return id;
    }

    mail::RecipientState state(const base::Ulid& id, std::size_t recipient = 0) const {
        return queue.get(id)->recipients.at(recipient);
    }
    bool done(const base::Ulid& id) const {
        const auto ids = queue.ids();
        return std::ranges::find(ids, id) == ids.end();
    }

    template <class T>
    T ask(net::Task<base::Result<T>> task) {
        std::optional<base::Result<T>> answer;
        REQUIRE(loops.run(keep(std::move(task), &answer), std::chrono::minutes(1)));
        if (!answer->has_value()) FAIL(answer->error().log_text);
        return std::move(**answer);
    }

    // Messages in the queue that are notifications.
    std::vector<base::Ulid> notifications() const {
        std::vector<base::Ulid> out;
        for (const auto& id : queue.ids()) {
            if (queue.get(id)->envelope.reverse_path.empty()) out.push_back(id);
        }
        return out;
    }

    // Each recipient ends once at most; after its end nothing happens to it; with `all` each has ended.
    void check_invariants(bool all) const {
        std::map<std::pair<base::Ulid, std::string>, int> ends;
        for (const mail::Event& e : events.events) {
            using K = mail::EventKind;
            if (!e.message_id || e.recipient.empty()) continue;
            int& ended = ends[{*e.message_id, e.recipient}];
            if (e.kind == K::attempt || e.kind == K::deferred) CHECK(ended == 0);
            if (e.kind == K::delivered || e.kind == K::bounced || e.kind == K::expired || e.kind == K::cancelled) {
                CHECK(++ended == 1);
            }
        }
        if (!all) return;
        CHECK(queue.ids().empty());
        for (const base::Ulid& id : sent_) {
            const auto stored = queue.get(id);
            for (const mail::Recipient& r : stored->envelope.recipients) {
                CHECK(ends[{id, r.address.to_string()}] == 1);
            }
        }
    }

    net::SimLoops loops;
    std::unique_ptr<net::Pool> pool;
    spool::MemoryQueue queue{loops};
    FakeResolver resolver;
    FakeConnector connector;
    EventLog events;
    base::Metrics metrics;
    base::SeededRandom random{42};
    base::UlidSource ulids{loops.clock(), random};
    delivery::Config config;
    auth::Directory* directory = nullptr;  // with both there are local domains
    store::Store* store = nullptr;
    std::unique_ptr<delivery::Service> service;

private:
    template <class T>
    static net::Task<> keep(net::Task<base::Result<T>> task, std::optional<base::Result<T>>* into) {
        base::Result<T> result = co_await std::move(task);
        into->emplace(std::move(result));
    }
    std::vector<base::Ulid> sent_;
    int hosts_ = 1;
};

}  // namespace posthorn::testing
