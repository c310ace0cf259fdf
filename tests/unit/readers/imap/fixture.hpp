// The IMAP service over a store in memory under a virtual clock, and clients that talk to it through memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.hpp"
#include "net/sim_loop.hpp"
#include "readers/imap/service.hpp"
#include "tests/support/fake_provider.hpp"
#include "tests/support/line_client.hpp"
#include "tests/support/memory_store.hpp"

namespace posthorn::testing {

struct AnyTls final : net::TlsServerContext {};

struct ImapFixture {
    ImapFixture() {
        provider.add("ann@example.org", "secret");
        config.hostname = "mx.example.org";
        config.tls = std::make_shared<AnyTls>();
        listener.address = net::Endpoint{*net::IpAddress::parse("::"), 143, {}};
        listener.imap.plaintext_auth_networks = policy::loopback_networks();
        service.start(provider, store);
    }
    ~ImapFixture() { loops.stop(); }
    ImapFixture(const ImapFixture&) = delete;

    std::unique_ptr<LineClient> connect(const char* ip = "127.0.0.1") {
        const net::Endpoint client{*net::IpAddress::parse(ip), 40'000, {}};
        const net::Endpoint server{*net::IpAddress::parse("192.0.2.1"), 143, {}};
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
    // Logged in; with a mailbox selected where one is named.
    std::unique_ptr<LineClient> in(const std::string& mailbox = {}) {
        auto client = connect();
        client->heard();
        say(*client, "l LOGIN ann@example.org secret\r\n");
        if (!mailbox.empty()) say(*client, "s SELECT " + mailbox + "\r\n");
        return client;
    }
    // Into a mailbox of ann@example.org, as a delivery would.
    void put(std::string text, std::string mailbox = "INBOX") {
        REQUIRE(loops.run(append(*this, std::move(text), std::move(mailbox))));
    }

    static net::Task<> append(ImapFixture& f, std::string text, std::string mailbox) {
        auto& loop = f.loops.at(0);
        const auto box = co_await f.store.mailbox(loop, f.ann, mailbox);
        if (!box) throw std::logic_error("no such mailbox");
        std::vector<store::NewMessage> messages(1);
        messages[0].received = base::from_ms(1'000'000'000'000);
        messages[0].body = std::make_shared<store::MemorySource>(std::move(text));
        const auto added = co_await f.store.append(loop, f.ann, box->id, std::move(messages), std::nullopt);
        if (!added) throw std::logic_error("not appended");
    }

    mail::AccountName ann{"ann", "example.org"};
    net::SimLoops loops;
    test::MemoryStore store;
    FakeProvider provider;
    base::Metrics metrics;
    imap::Config config;
    imap::ListenerConfig listener;
    imap::Service service{loops, metrics};
};

}  // namespace posthorn::testing
