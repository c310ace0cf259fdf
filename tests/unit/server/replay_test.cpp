#include "server/replay.hpp"

#include <doctest/doctest.h>

#include "server/config/load.hpp"

using namespace posthorn;
using namespace posthorn::server;
using control::Value;

namespace {

constexpr std::string_view kRunning = R"(
[[listener]]
address = "127.0.0.1:25"
[smtp]
relay_domains = ["ours.test"]
[delivery.domains."slow.test"]
rate_limit = { messages_per_second = 1.0, burst_size = 1 }
)";

mail::Event seen(mail::EventKind kind, std::string client, std::vector<std::string> recipients,
                 std::uint64_t size = 0) {
    mail::Event event;
    event.kind = kind;
    event.client_ip = std::move(client);
    event.sender = "ann@a.test";
    event.recipient = recipients.front();
    if (recipients.size() > 1) event.recipients = std::move(recipients);
    event.size = size;
    event.session = "session";
    event.extra.emplace_back("listener", "smtp 127.0.0.1:25");
    return event;
}

// "decision domain: now > then (count)" a line each.
std::string changes(std::string_view candidate, const std::vector<mail::Event>& events,
                    const delivery::Overrides& overrides = {}) {
    Replay replay(*parse_config(kRunning, "running", "mx.test"), [&overrides] { return overrides; });
    auto plan = replay.plan(candidate, "candidate");
    REQUIRE_MESSAGE(plan, plan.error());
    for (const auto& event : events) (*plan)->take(event);
    std::string out;
    const auto list = (*plan)->changes();
    for (const auto& row : *list.items()) {
        const auto text = [&](std::string_view name) { return std::string(row.find(name)->text()); };
        out += text("decision") + " " + text("domain") + ": " + text("now") + " > " + text("then") + " (" +
               std::to_string(*row.find("count")->integer()) + ")\n";
    }
    return out;
}

using enum mail::EventKind;
const std::vector<mail::Event> kMail = {
    seen(accepted, "192.0.2.9", {"x@ours.test"}, 5000),
    seen(accepted, "192.0.2.9", {"y@ours.test"}, 2'000'000),
    seen(accepted, "127.0.0.1", {"<p@slow.test>", "q@far.test"}, 100),
    seen(rejected, "192.0.2.9", {"z@far.test"}),
    seen(connected, "192.0.2.9", {"z@far.test"}),
};

}  // namespace

TEST_CASE("the same configuration changes nothing, whatever it says besides") {
    CHECK(changes(kRunning, kMail).empty());
    CHECK(changes(std::string(kRunning) + "[log]\nlevel = \"debug\"\n", kMail).empty());
}

TEST_CASE("what would be refused, and what no longer") {
    CHECK(changes(R"([[listener]]
address = "127.0.0.1:25"
[smtp]
relay_domains = ["far.test"]
relay_networks = []
[delivery.domains."slow.test"]
rate_limit = { messages_per_second = 1.0, burst_size = 1 }
)",
                  kMail) ==
          "accept ours.test: accepted > refused: 550 5.7.1 no relaying (2)\n"
          "accept far.test: refused: 550 5.7.1 no relaying > accepted (1)\n"
          "accept slow.test: accepted > refused: 550 5.7.1 no relaying (1)\n");
    CHECK(changes(std::string(kRunning) + "[smtp.timeouts]\ncommand = \"1m\"\n", kMail).empty());
    const auto smaller = std::string(kRunning).replace(kRunning.find("relay_domains"), 0,
                                                       "max_message_size = \"1MiB\"\nmax_recipients = 1\n");
    CHECK(changes(smaller, kMail) ==
          "accept far.test: accepted > refused: 452 4.5.3 too many recipients (1)\n"
          "accept ours.test: accepted > refused: 552 5.3.4 too large (1)\n"
          "accept slow.test: accepted > refused: 452 4.5.3 too many recipients (1)\n");
}

TEST_CASE("where it would go, and how fast") {
    const auto other = std::string(kRunning) + R"([delivery.domains."far.test"]
mx_override = "relay.test:2525"
tls = "verify"
max_connections = 3
)";
    CHECK(changes(other, kMail) ==
          "limit far.test: 10 a second, burst 20, 10 connections > 10 a second, burst 20, 3 "
          "connections (1)\n"
          "route far.test: mx of far.test, tls may > relay.test:2525, tls verify (1)\n");
    delivery::Overrides overrides;
    overrides["far.test"].mx_override = policy::Hop{.host = "other.test", .port = 25};
    // What was set at run time lies over both.
    CHECK(changes(other, kMail, overrides).find("relay.test") == std::string::npos);
}

TEST_CASE("who had logged in may send anywhere, as long as he can log in") {
    auto logged_in = seen(accepted, "192.0.2.9", {"q@far.test"}, 100);
    logged_in.extra.emplace_back("user", "ann@ours.test");
    auto submitted = logged_in;
    submitted.extra.front().second = "submission 127.0.0.1:587";
    auto brought = seen(accepted, "192.0.2.9", {"q@far.test"}, 100);  // its domain was ours then
    brought.extra.front().second = "lmtp 127.0.0.1:24";
    const std::string doors =
        "[[listener]]\naddress = \"127.0.0.1:25\"\nauth = true\n"
        "[[listener]]\nprotocol = \"submission\"\naddress = \"127.0.0.1:587\"\n";
    Replay replay(*parse_config(doors, "running", "mx.test"), [] { return delivery::Overrides(); });
    const auto told = [&](const std::string& candidate) {
        auto plan = replay.plan(candidate, "candidate");
        REQUIRE_MESSAGE(plan, plan.error());
        for (const auto& event : {logged_in, submitted, brought}) (*plan)->take(event);
        std::string out;
        const auto list = (*plan)->changes();
        for (const auto& row : *list.items()) out += std::string(row.find("then")->text()) + "\n";
        return out;
    };
    CHECK(told(doors).empty());
    CHECK(told(doors + "[smtp]\nrelay_domains = [\"ours.test\"]\n").empty());
    CHECK(told("[[listener]]\naddress = \"127.0.0.1:25\"\n"
               "[[listener]]\nprotocol = \"submission\"\naddress = \"127.0.0.1:587\"\n") ==
          "refused: 550 5.7.1 no relaying\n");
}

TEST_CASE("a candidate that is none is refused by line and column") {
    Replay replay(*parse_config(kRunning, "running", "mx.test"), [] { return delivery::Overrides(); });
    const auto plan = replay.plan("[server]\nhostnme = 1\n", "/x/y.toml");
    REQUIRE_FALSE(plan);
    CHECK(plan.error().starts_with("/x/y.toml:2:1: "));
}

TEST_CASE("after a reload it is the new configuration that holds") {
    Replay replay(*parse_config(kRunning, "running", "mx.test"), [] { return delivery::Overrides(); });
    replay.reloaded(*parse_config("[smtp]\nrelay_domains = [\"far.test\"]\n", "fresh", "mx.test"));
    auto plan = replay.plan("[smtp]\nrelay_domains = [\"far.test\"]\n", "candidate");
    REQUIRE(plan);
    for (const auto& event : kMail) (*plan)->take(event);
    CHECK((*plan)->changes().items()->empty());
    CHECK((*plan)->info().find("envelopes")->integer() == 4);
    CHECK((*plan)->info().find("recipients")->integer() == 5);
}
