// Recipients of our own at RCPT.
#include <doctest/doctest.h>

#include "home.hpp"

using namespace posthorn;
using namespace posthorn::testing;

namespace {

struct Mx : Home {
    Mx() { listener.protocol = mta::Protocol::smtp; }

    std::string rcpt(const std::string& to, const std::string& size = "") {
        auto client = greeted("192.0.2.7");
        say(*client, "MAIL FROM:<x@example.net>" + size + "\r\n");
        const auto reply = say(*client, "RCPT TO:<" + to + ">\r\n");
        return reply.substr(0, 9);
    }
};

}  // namespace

TEST_CASE("a local domain takes mail for who is there, from anybody") {
    Mx mx;
    CHECK(mx.rcpt("ann@example.org") == "250 2.1.5");
    CHECK(mx.rcpt("ANN+tag@Example.Org") == "250 2.1.5");
    CHECK(mx.rcpt("info@example.org") == "250 2.1.5");
    CHECK(mx.rcpt("nobody@example.org") == "550 5.1.1");
    CHECK(mx.rcpt("far@example.net") == "550 5.7.1");
    mx.directory.add_account("gone@example.org").disabled = true;
    CHECK(mx.rcpt("gone@example.org") == "550 5.2.1");
    mx.directory.set_down(true);
    CHECK(mx.rcpt("ann@example.org") == "451 4.3.0");
    CHECK(mx.rcpt("far@example.net") == "550 5.7.1");
}

TEST_CASE("relaying to other domains is as without a directory") {
    Mx mx;
    mx.listener.smtp.relay_domains = {"example.net", "example.org"};
    CHECK(mx.rcpt("far@example.net") == "250 2.1.5");
    CHECK(mx.rcpt("nobody@example.org") == "550 5.1.1");  // local goes first
}

TEST_CASE("VRFY stays discreet") {
    Mx mx;
    auto client = mx.greeted("192.0.2.7");
    client->heard();
    const auto known = mx.say(*client, "VRFY ann@example.org\r\n");
    CHECK(known.starts_with("252 "));
    CHECK(mx.say(*client, "VRFY nobody@example.org\r\n") == known);
}

TEST_CASE("an account without room is refused as policy says") {
    Mx mx;
    mx.directory.add_account("small@example.org").quota.bytes = 1000;
    CHECK(mx.rcpt("small@example.org") == "250 2.1.5");
    CHECK(mx.rcpt("small@example.org", " SIZE=1000") == "250 2.1.5");
    CHECK(mx.rcpt("small@example.org", " SIZE=1001") == "452 4.2.2");
    mx.listener.smtp.over_quota = mta::OverQuota::reject;
    CHECK(mx.rcpt("small@example.org", " SIZE=1001") == "552 5.2.2");
    mx.store.fail_with(base::Error{base::ErrorKind::temporary, "4.3.0", "", "the disk is away"});
    CHECK(mx.rcpt("small@example.org") == "451 4.3.0");
    CHECK(mx.rcpt("ann@example.org") == "250 2.1.5");  // without a bound nobody is asked
}

TEST_CASE("a bare postmaster is ours when his domain is") {
    Mx mx;
    CHECK(mx.rcpt("postmaster") == "550 5.1.1");
    mx.config.postmaster = "ann@example.org";
    CHECK(mx.rcpt("postmaster") == "250 2.1.5");
    mx.config.postmaster = "nobody@example.org";
    CHECK(mx.rcpt("postmaster") == "550 5.1.1");
    mx.config.postmaster = "root@example.net";
    CHECK(mx.rcpt("postmaster") == "250 2.1.5");
}
