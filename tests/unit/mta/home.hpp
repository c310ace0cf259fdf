// A receiver with a home: a domain of ours, its accounts, who may log in, and a store.
#pragma once

#include "base/base64.hpp"
#include "fixture.hpp"
#include "tests/support/fake_directory.hpp"
#include "tests/support/fake_provider.hpp"
#include "tests/support/memory_store.hpp"

namespace posthorn::testing {

struct Services {
    Services() {
        directory.add_domain("example.org");
        directory.add_account("ann@example.org");
        directory.add_account("bob@example.org");
        directory.add_alias("info@example.org", {"ann@example.org", "far@example.net"});
        provider.add("ann@example.org", "secret");
    }
    FakeDirectory directory;
    FakeProvider provider;
    test::MemoryStore store;
};

struct Home : Services, Fixture {
    Home() : Fixture(mta::Services{&directory, &provider, &store}) {
        listener.protocol = mta::Protocol::submission;
        listener.tls = net::ListenerTls::starttls;
        listener.smtp.plaintext_auth_networks = policy::loopback_networks();
    }

    static std::string plain(const std::string& user, const std::string& password) {
        using namespace std::string_literals;
        return base::base64_encode("\0"s + user + "\0"s + password);
    }

    // From the loopback, where no TLS is asked for.
    std::unique_ptr<LineClient> logged_in(const std::string& user = "ann@example.org") {
        auto client = greeted();
        client->heard();
        const auto reply = say(*client, "AUTH PLAIN " + plain(user, "secret") + "\r\n");
        CHECK(reply == "235 2.7.0 Authentication succeeded\r\n");
        return client;
    }

    // The code and status that answer a message from `from` to `to`, at the first step that refuses it.
    std::string send(LineClient& client, const std::string& from, const std::string& to,
                     const std::string& message = kMessage) {
        auto reply = say(client, "MAIL FROM:<" + from + ">\r\n");
        if (reply.starts_with("250 ")) reply = say(client, "RCPT TO:<" + to + ">\r\n");
        if (reply.starts_with("250 ")) reply = say(client, "DATA\r\n");
        if (reply.starts_with("354 ")) reply = say(client, message + ".\r\n");
        if (!reply.starts_with("250 ")) say(client, "RSET\r\n");
        return reply.substr(0, reply.starts_with("250 ") ? 3 : 9);
    }
};

}  // namespace posthorn::testing
