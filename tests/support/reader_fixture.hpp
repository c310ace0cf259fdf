// A reader over a store in memory under a virtual clock, and clients that talk to it through memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "net/sim_loop.hpp"
#include "tests/support/fake_provider.hpp"
#include "tests/support/line_client.hpp"
#include "tests/support/memory_store.hpp"

namespace posthorn::testing {

template <class Service>
struct ReaderFixture {
    explicit ReaderFixture(std::uint16_t p) : port(p) {
        provider.add("ann@example.org", "secret");
        provider.add("bob@example.org", "secret");
        config.hostname = "mx.example.org";
        config.tls = std::make_shared<AnyTls>();
        listener.address = net::Endpoint{*net::IpAddress::parse("::"), port, {}};
        listener.limits.plaintext_auth_networks = policy::loopback_networks();
        service.start(provider, store);
    }
    ~ReaderFixture() { loops.stop(); }
    ReaderFixture(const ReaderFixture&) = delete;

    std::unique_ptr<LineClient> connect(const char* ip = "127.0.0.1") {
        const net::Endpoint client{*net::IpAddress::parse(ip), 40'000, {}};
        const net::Endpoint server{*net::IpAddress::parse("192.0.2.1"), port, {}};
        auto pair = make_stream_pair(loops.at(0), client, server);
        auto out = std::make_unique<LineClient>(loops.at(0), std::move(pair.client));
        service.serve(std::move(pair.server), listener, config);
        loops.run_until_idle();
        return out;
    }
    std::string say(LineClient& client, std::string bytes) {
        client.send(std::move(bytes));
        loops.run_until_idle();
        return client.heard();
    }
    // Into a mailbox of ann@example.org, as a delivery would.
    void put(std::string text, std::string mailbox = "INBOX") {
        REQUIRE(loops.run(append(*this, std::move(text), std::move(mailbox))));
    }

    static net::Task<> append(ReaderFixture& f, std::string text, std::string mailbox) {
        auto& loop = f.loops.at(0);
        const auto box = co_await f.store.mailbox(loop, f.ann, mailbox);
        if (!box) throw std::logic_error("no such mailbox");
        std::vector<store::NewMessage> messages(1);
        messages[0].received = base::from_ms(1'000'000'000'000);
        messages[0].body = std::make_shared<store::MemorySource>(std::move(text));
        const auto added = co_await f.store.append(loop, f.ann, box->id, std::move(messages), std::nullopt);
        if (!added) throw std::logic_error("not appended");
    }

    std::uint16_t port;
    mail::AccountName ann{"ann", "example.org"};
    net::SimLoops loops;
    test::MemoryStore store;
    FakeProvider provider;
    base::Metrics metrics;
    typename Service::Config config;
    typename Service::ListenerConfig listener;
    Service service{loops, metrics};
};

}  // namespace posthorn::testing
