#include "server/steering.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "server/config/load.hpp"

using namespace posthorn;
using namespace posthorn::server;

namespace {

Config config(std::string_view text) {
    auto made = parse_config(text, "f", "mx.test");
    if (!made) FAIL(made.error().text);
    return *std::move(made);
}

// What of `fresh` holds, and what waits.
control::Reloaded change(std::string_view old, std::string_view fresh) {
    Steering steering(config(old));
    return steering.took(config(fresh));
}

std::string joined(const std::vector<std::string>& paths) { return fmt::format("{}", fmt::join(paths, " ")); }

}  // namespace

TEST_CASE("of a changed configuration some keys hold at once, others wait for a restart") {
    const auto told = change("", R"(
[smtp]
max_recipients = 7
memory_budget = "32MiB"
[smtp.timeouts]
command = "1m"
[submission]
max_hold = "1h"
[imap]
idle = "31m"
[pop3]
idle = "11m"
[delivery.local]
parallel = 3
[delivery]
tls = "require"
[dsn]
enabled = false
[log.components]
smtp = "debug"
[traces]
endpoint = "http://127.0.0.1:4318"
peers = ["192.0.2.0/24"]
[control]
read_users = ["root"]
mode = "0660"
[health]
max_queue_size = 5
listen_address = "127.0.0.1:8081"
[auth]
separator = "-"
[store]
threads = 2
[spool]
reserve = "1GiB"
[history]
max_age = "1d"
[dns]
tries = 5
[metrics]
max_domain_cardinality = 10
[server]
threads = 3
)");
    CHECK(joined(told.changed) ==
          "control.read_users delivery.local.parallel delivery.tls dsn.enabled "
          "health.max_queue_size imap.idle log.components pop3.idle smtp.max_recipients smtp.timeouts.command "
          "submission.max_hold traces.peers");
    CHECK(joined(told.waiting) ==
          "auth.separator control.mode dns.tries health.listen_address history.max_age "
          "metrics.max_domain_cardinality server.threads smtp.memory_budget spool.reserve store.threads "
          "traces.endpoint");
}

TEST_CASE("listeners come and go at once; the permissions of a socket that stays wait") {
    const std::string socket = "[[listener]]\nprotocol = \"lmtp\"\naddress = \"unix:/run/l\"\n";
    const std::string second = "[[listener]]\naddress = \"127.0.0.1:26\"\nmax_recipients = 3\n";
    auto told = change(socket, socket + second);
    CHECK(told.waiting.empty());
    CHECK(std::ranges::count(told.changed, "listener[1].address") == 1);
    CHECK(std::ranges::count(told.changed, "listener[1].max_recipients") == 1);
    told = change(socket + second, socket);
    CHECK(std::ranges::count(told.changed, "listener[1].max_recipients") == 1);
    told = change(socket, socket + "mode = \"0600\"\ntls = \"none\"\n");
    CHECK(joined(told.waiting) == "listener[0].mode");
}

TEST_CASE("what waits is told until it is taken back") {
    Steering steering(config(""));
    CHECK(joined(steering.took(config("[dns]\ntries = 5\n")).waiting) == "dns.tries");
    CHECK(joined(steering.took(config("[dns]\ntries = 5\n[dsn]\nenabled = false\n")).waiting) == "dns.tries");
    CHECK(steering.took(config("")).waiting.empty());
}
