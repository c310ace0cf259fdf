#include "ctl/completion.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace posthorn;
using Wanted = ctl::Completion::Wanted;

namespace {

std::vector<std::string> offered(const std::vector<std::string>& words) {
    std::vector<std::string> out;
    for (const auto& candidate : ctl::complete(words).candidates) out.push_back(candidate.word);
    return out;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("completion: commands come from the command table, a group once") {
    const auto groups = offered({""});
    CHECK(std::count(groups.begin(), groups.end(), "queue") == 1);
    CHECK(has(groups, "system"));
    CHECK(has(groups, "trace"));
    CHECK(offered({"que"}) == Words{"queue"});
    CHECK(offered({"queue", "un"}) == Words{"unfreeze"});
    CHECK(offered({"nonsense", ""}).empty());
    CHECK(offered({"completion", ""}) == Words{"bash", "fish", "zsh"});
    CHECK(offered({}).empty());
}

TEST_CASE("completion: options of the command, those given no more") {
    CHECK(offered({"queue", "list", "--old"}) == Words{"--older-than"});
    CHECK(has(offered({"queue", "list", "--"}), "--json"));
    CHECK_FALSE(has(offered({"queue", "list", "--json", "--"}), "--json"));
    CHECK_FALSE(has(offered({"queue", "list", "--status=active", "--"}), "--status"));
    CHECK_FALSE(has(offered({"queue", "view", "--"}), "--id"));
    CHECK(offered({"queue", "list", "--", "--"}).empty());
}

TEST_CASE("completion: values by choice, as the next word or after an equals sign") {
    CHECK(offered({"queue", "list", "--status", "fro"}) == Words{"frozen"});
    CHECK(offered({"queue", "list", "--status=fro"}) == Words{"--status=frozen"});
    CHECK(offered({"queue", "list", "--descending", "--status", "fro"}) == Words{"frozen"});
    CHECK(offered({"queue", "list", "--limit", ""}).empty());
}

TEST_CASE("completion: ids and domains are the server's to tell") {
    CHECK(ctl::complete(Words{"queue", "view", ""}).wanted == Wanted::ids);
    CHECK(ctl::complete(Words{"queue", "view", "01ARZ3NDEKTSV4RRFFQ69G5FAV", ""}).wanted == Wanted::nothing);
    CHECK(ctl::complete(Words{"queue", "retry", "01ARZ3NDEKTSV4RRFFQ69G5FAV", ""}).wanted == Wanted::ids);
    CHECK(ctl::complete(Words{"queue", "list", "--domain", ""}).wanted == Wanted::domains);
    CHECK(ctl::complete(Words{"queue", "list", "--domain=ex"}).wanted == Wanted::domains);
    CHECK(ctl::complete(Words{"route", ""}).wanted == Wanted::domains);
    CHECK(ctl::complete(Words{"--control-socket", ""}).wanted == Wanted::files);
    CHECK(ctl::complete(Words{"--control-socket", "/a", "queue", "view", ""}).socket == "/a");
    CHECK(ctl::complete(Words{"--control-socket=/b", "queue", "view", ""}).socket == "/b");
}

TEST_CASE("completion: what the queue knows, and nothing that a shell could take for more than a name") {
    const auto message = [](const char* id, const char* address) {
        auto recipient = control::Value::map();
        recipient.set("address", address);
        auto recipients = control::Value::list();
        recipients.add(recipient);
        auto out = control::Value::map();
        return out.set("id", id).set("arrival", "today").set("why", "deferred").set("recipients", recipients);
    };
    auto list = control::Value::list();
    list.add(message("01A", "a@one.example")).add(message("01B", "b@one.example"));
    list.add(message("02C", "c@other.example")).add(message("02D", "c@$(reboot).example"));

    auto ids = ctl::known_to_queue(ctl::complete(Words{"queue", "view", "01"}), list);
    REQUIRE(ids.size() == 2);
    CHECK(ids[0].word == "01A");
    CHECK(ids[0].help == "today deferred");

    const auto domains = ctl::known_to_queue(ctl::complete(Words{"queue", "list", "--domain=o"}), list);
    REQUIRE(domains.size() == 2);
    CHECK(domains[0].word == "--domain=one.example");
    CHECK(domains[1].word == "--domain=other.example");
    CHECK(ctl::known_to_queue(ctl::complete(Words{"route", ""}), list).size() == 2);
    CHECK(ctl::known_to_queue(ctl::complete(Words{"route", ""}), control::Value::map()).empty());
}
