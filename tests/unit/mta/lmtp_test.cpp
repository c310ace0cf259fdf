// LMTP: a promise to each recipient.
#include <doctest/doctest.h>

#include "home.hpp"

using namespace posthorn;
using namespace posthorn::testing;

namespace {

struct Lmtp : Home {
    Lmtp() {
        listener.protocol = mta::Protocol::lmtp;
        directory.add_account("small@example.org").quota.bytes = 2000;
        client = connect("192.0.2.7");
        client->heard();
        say(*client, "LHLO mx.example.net\r\n");
    }

    // The replies after DATA, each cut to code and status.
    std::vector<std::string> deliver(const std::vector<std::string>& to, std::size_t size = 100) {
        std::string script = "MAIL FROM:<x@example.net>\r\n";
        for (const auto& recipient : to) script += "RCPT TO:<" + recipient + ">\r\n";
        say(*client, script + "DATA\r\n");
        std::string body = "Subject: x\r\n\r\n";
        while (body.size() < size) body += std::string(70, 'x') + "\r\n";
        auto replies = say(*client, body + ".\r\n");
        std::vector<std::string> out;
        for (std::size_t at = 0; at < replies.size(); at = replies.find('\n', at) + 1)
            out.push_back(replies.substr(at, 9));
        return out;
    }

    std::vector<std::string> recipients(std::size_t message) const {
        std::vector<std::string> out;
        for (const auto& recipient : queue.taken.at(message).envelope.recipients)
            out.push_back(recipient.address.to_string());
        return out;
    }

    store::AccountState state_of(const char* local) {
        store::AccountState out;
        net::spawn(loops.at(0), "state", look(&store, &loops.at(0), local, &out));
        loops.run_until_idle();
        return out;
    }
    static net::Task<> look(store::Store* store, net::Loop* loop, std::string local, store::AccountState* out) {
        const mail::AccountName name{std::move(local), "example.org"};
        auto state = co_await store->state(*loop, name);
        if (state) *out = *std::move(state);
    }

    std::unique_ptr<LineClient> client;
};

using Replies = std::vector<std::string>;

}  // namespace

TEST_CASE("LMTP: what is accepted is durable, with the trace of LMTP") {
    Lmtp lmtp;
    CHECK(lmtp.deliver({"ann@example.org", "bob@example.org"}) == Replies{"250 2.0.0", "250 2.0.0"});
    REQUIRE(lmtp.queue.taken.size() == 1);
    CHECK(lmtp.recipients(0) == Replies{"ann@example.org", "bob@example.org"});
    const auto& envelope = lmtp.queue.taken[0].envelope;
    CHECK(envelope.trace_headers.contains(" with LMTP\r\n"));
    CHECK(envelope.promised);
    CHECK(lmtp.events.count(mail::EventKind::accepted) == 1);
}

TEST_CASE("LMTP: only recipients of our own, also for who may relay") {
    Lmtp lmtp;
    lmtp.client = lmtp.connect("127.0.0.1");
    lmtp.say(*lmtp.client, "LHLO c\r\nMAIL FROM:<x@example.net>\r\n");
    CHECK(lmtp.say(*lmtp.client, "RCPT TO:<far@example.net>\r\n").starts_with("550 5.7.1 "));
    CHECK(lmtp.say(*lmtp.client, "RCPT TO:<nobody@example.org>\r\n").starts_with("550 5.1.1 "));
    CHECK(lmtp.say(*lmtp.client, "RCPT TO:<ann@example.org>\r\n").starts_with("250 "));
}

TEST_CASE("LMTP: room is kept at the end of data; who has none is refused, the others are taken") {
    Lmtp lmtp;
    CHECK(lmtp.deliver({"ann@example.org", "small@example.org", "bob@example.org"}, 3000) ==
          Replies{"250 2.0.0", "452 4.2.2", "250 2.0.0"});
    CHECK(lmtp.recipients(0) == Replies{"ann@example.org", "bob@example.org"});
    CHECK(lmtp.state_of("small").reserved_bytes == 0);
    CHECK(lmtp.deliver({"small@example.org"}, 100) == Replies{"250 2.0.0"});
    CHECK(lmtp.state_of("small").reserved_messages == 1);
    CHECK(lmtp.state_of("small").reserved_bytes > 100);
    // The room that was promised counts, though nothing has been delivered yet.
    CHECK(lmtp.deliver({"small@example.org"}, 800) == Replies{"452 4.2.2"});
    CHECK(lmtp.queue.taken.size() == 2);
    CHECK(lmtp.queue.open == 0);
}

TEST_CASE("LMTP: two names of one account are one message there") {
    Lmtp lmtp;
    CHECK(lmtp.deliver({"small@example.org", "small+tag@example.org"}, 600) == Replies{"250 2.0.0", "250 2.0.0"});
    CHECK(lmtp.state_of("small").reserved_messages == 1);
}

TEST_CASE("LMTP: an alias is refused when one of its accounts has no room, and nothing stays reserved") {
    Lmtp lmtp;
    lmtp.directory.add_account("wide@example.org").quota.bytes = 10'000;
    lmtp.directory.add_alias("both@example.org", {"wide@example.org", "more@example.org", "far@example.net"});
    lmtp.directory.add_alias("more@example.org", {"small@example.org", "both@example.org"});
    CHECK(lmtp.deliver({"both@example.org"}, 3000) == Replies{"452 4.2.2"});
    CHECK(lmtp.state_of("wide").reserved_messages == 0);
    CHECK(lmtp.deliver({"both@example.org"}, 100) == Replies{"250 2.0.0"});
    CHECK(lmtp.state_of("wide").reserved_messages == 1);
    CHECK(lmtp.state_of("small").reserved_messages == 1);
}

TEST_CASE("LMTP: an alias is looked through to its last account") {
    Lmtp lmtp;
    std::vector<std::string> targets;
    for (int i = 0; i < 200; ++i) {
        targets.push_back("member" + std::to_string(i) + "@example.org");
        lmtp.directory.add_account(targets.back()).quota.bytes = 10'000;
    }
    targets.push_back("small@example.org");
    lmtp.directory.add_alias("all@example.org", {targets.begin(), targets.end()});
    CHECK(lmtp.deliver({"all@example.org"}, 3000) == Replies{"452 4.2.2"});
    CHECK(lmtp.state_of("member0").reserved_messages == 0);
    CHECK(lmtp.deliver({"all@example.org"}, 100) == Replies{"250 2.0.0"});
    CHECK(lmtp.state_of("member199").reserved_messages == 1);
    CHECK(lmtp.state_of("small").reserved_messages == 1);
}

TEST_CASE("LMTP: a spool that fails refuses all, and gives the room back") {
    Lmtp lmtp;
    lmtp.queue.commit_error = base::Error{base::ErrorKind::temporary, "4.3.0", "", "the disk is away"};
    CHECK(lmtp.deliver({"ann@example.org", "small@example.org"}) == Replies{"451 4.3.0", "451 4.3.0"});
    CHECK(lmtp.state_of("small").reserved_messages == 0);
    CHECK(lmtp.queue.taken.empty());
}

TEST_CASE("LMTP: a store that fails puts its recipients off, not the others") {
    Lmtp lmtp;
    lmtp.say(*lmtp.client,
             "MAIL FROM:<x@example.net>\r\nRCPT TO:<small@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n");
    lmtp.store.fail_with(base::Error{base::ErrorKind::temporary, "4.3.0", "", "the disk is away"});
    const auto replies = lmtp.say(*lmtp.client, "x\r\n.\r\n");
    CHECK(replies.starts_with("451 4.3.0 "));
    CHECK(replies.contains("\r\n250 2.0.0 "));
    CHECK(lmtp.recipients(0) == Replies{"ann@example.org"});
}
