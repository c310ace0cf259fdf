#include "delivery/overrides.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace posthorn;
using namespace posthorn::delivery;

namespace {

struct Folder {
    Folder() {
        char name[] = "/tmp/posthorn-test-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    void write(std::string_view text) const { std::ofstream(path + "/overrides") << text; }
    std::string path;
};

policy::Hop hop(std::string_view text) { return *policy::parse_hop(text, policy::kSmtpPort); }

}  // namespace

TEST_CASE("overrides are read back as they were written") {
    const Folder folder;
    const auto disk = base::posix_disk();
    CHECK(read_overrides(*disk, folder.path)->empty());
    const Overrides written{{"example.com", {policy::Rate{0.25, 3}, hop("[::1]:2525")}},
                            {"*.example.com", {std::nullopt, hop("relay.example.org:587")}},
                            {"*", {policy::Rate{0, 1}, std::nullopt}}};
    CHECK(write_overrides(*disk, folder.path, written));
    CHECK(read_overrides(*disk, folder.path) == written);
    CHECK(write_overrides(*disk, folder.path, {}));
    CHECK(read_overrides(*disk, folder.path)->empty());
}

TEST_CASE("a file that cannot be understood is refused") {
    const Folder folder;
    const auto disk = base::posix_disk();
    for (const std::string text :
         {"", "posthorn-overrides 2\n", "posthorn-overrides 1", "posthorn-overrides 1\nrate example.com 1\n",
          "posthorn-overrides 1\nrate example.com 1 0\n", "posthorn-overrides 1\nrate example.com 1 2 3\n",
          "posthorn-overrides 1\nrate EXAMPLE.com 1 2\n", "posthorn-overrides 1\nmx example.com host:0\n",
          "posthorn-overrides 1\nmx example.com\n", "posthorn-overrides 1\nway example.com host\n",
          "posthorn-overrides 1\n\n", "posthorn-overrides 1\nmx example.com host"}) {
        CAPTURE(text);
        folder.write(text);
        CHECK_FALSE(read_overrides(*disk, folder.path));
    }
}

TEST_CASE("an override takes the place of the same pattern's keys and leaves the others") {
    policy::RoutingConfig config;
    policy::DomainRule rule;
    rule.pattern = "example.com";
    rule.smarthost = hop("smart.example.org");
    rule.smarthost_user = "user";
    rule.smarthost_password = "word";
    rule.max_connections = 3;
    rule.burst_size = 7;
    config.rules = {rule};
    const policy::RoutingTable table(laid_over(config, {{"example.com", {policy::Rate{2, 9}, hop("there:26")}},
                                                        {"*.example.net", {policy::Rate{5, 1}, std::nullopt}}}));
    const auto route = table.route("example.com");
    CHECK(route.next_hop() == "there:26");
    CHECK((!route.smarthost && route.user.empty() && route.password.empty()));
    CHECK((route.max_connections == 3 && route.rate == policy::Rate{2, 9}));
    CHECK(table.route("a.example.net").rate == policy::Rate{5, 1});
    CHECK(table.route("example.net").rate == config.rate);
    CHECK(policy::RoutingTable(laid_over(config, {})).route("example.com").smarthost);
}

TEST_CASE("what a pattern is") {
    CHECK(override_pattern("Example.COM") == "example.com");
    CHECK(override_pattern("*.Example.com") == "*.example.com");
    CHECK(override_pattern("*") == "*");
    for (const auto* text : {"", "*.", "a b", "*.*", "x*"}) CHECK(override_pattern(text).empty());
}
