#include "control/route.hpp"

#include <doctest/doctest.h>

#include "net/sim_loop.hpp"
#include "tests/support/fake_directory.hpp"

using namespace posthorn;
using namespace posthorn::control;

namespace {

net::Task<> ask(net::Loop* loop, auth::Directory* directory, mail::Address address, std::string* into) {
    const auto steps = co_await local_steps(*loop, *directory, std::move(address));
    for (const auto& [rule, result] : steps) *into += rule + " " + result + "\n";
}

std::string told(auth::Directory& directory, std::string_view text) {
    net::SimLoops loops(1);
    auto address = mail::parse_address(text);
    if (!address) address = mail::Address{.local = {}, .domain = std::string(text)};
    std::string out;
    REQUIRE(loops.run(ask(&loops.at(0), &directory, *address, &out), std::chrono::seconds(10)));
    return out;
}

}  // namespace

TEST_CASE("a route says who an address is here") {
    testing::FakeDirectory directory;
    directory.add_account("ann@a.test");
    directory.add_account("old@a.test").disabled = true;
    directory.add_alias("staff@a.test", {"ann@a.test", "bob@far.test", "all@a.test"});
    directory.add_alias("all@a.test", {"staff@a.test"});
    directory.add_domain("b.test", "ann@a.test");
    CHECK(told(directory, "x@far.test") == "local the domain is not ours\n");
    CHECK(told(directory, "A.Test") == "local the domain is ours\n");
    CHECK(told(directory, "ann@a.test") == "local ann@a.test: account ann@a.test\n");
    CHECK(told(directory, "old@a.test").ends_with("disabled: refused with 550 5.2.1\n"));
    CHECK(told(directory, "no@a.test") == "local no@a.test: nobody, refused with 550 5.1.1\n");
    // A loop is gone through once.
    CHECK(told(directory, "staff@a.test") ==
          "alias staff@a.test -> ann@a.test\n"
          "alias staff@a.test -> bob@far.test\n"
          "alias staff@a.test -> all@a.test\n"
          "local ann@a.test: account ann@a.test\n"
          "local bob@far.test: goes to another server\n"
          "alias all@a.test -> staff@a.test\n");
    CHECK(told(directory, "any@b.test").find("by the domain's catch-all") != std::string::npos);
    directory.set_down(true);
    CHECK(told(directory, "ann@a.test").find("the directory does not answer") != std::string::npos);
}
