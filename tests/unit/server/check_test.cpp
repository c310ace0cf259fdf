#include "server/check/checks.hpp"

#include <doctest/doctest.h>

#include <cerrno>

#include "tests/support/fault_disk.hpp"

using namespace posthorn;
using namespace posthorn::server;
using namespace std::chrono_literals;

namespace {

const base::WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21}};

// "status what" a line each.
std::string text(const std::vector<Finding>& findings) {
    std::string out;
    for (const auto& one : findings) {
        CHECK((one.status == Finding::Status::ok) == one.remedy.empty());
        const char* status = one.status == Finding::Status::ok        ? "ok "
                             : one.status == Finding::Status::warning ? "warning "
                                                                      : "wrong ";
        out += status + one.what + "\n";
    }
    return out;
}

bool has(const std::vector<Finding>& findings, std::string_view what) {
    return text(findings).find(what) != std::string::npos;
}

Config config_of() {
    Config config;
    config.server.hostname = "mx.a.test";
    config.server.spool_dir = "/spool";
    config.tls = {.certificate = "/c.pem", .key = "/c.key"};
    config.spool.reserve = 1'000'000;
    return config;
}

net::CertificateInfo certificate(base::Duration from, base::Duration until) {
    const auto at = [](base::Duration d) {
        return kNow + std::chrono::duration_cast<std::chrono::milliseconds>(d);
    };
    return {.path = "/c.pem", .not_before = at(from), .not_after = at(until), .names = {"mx.a.test"}};
}

}  // namespace

TEST_CASE("a certificate that has expired, or will, is told") {
    const auto config = config_of();
    CHECK(has(check_certificate(config, certificate(-24h, 24h * 100), kNow), "ok /c.pem is valid until 2027-"));
    CHECK(has(check_certificate(config, certificate(-24h, 24h * 13), kNow), "warning /c.pem expires in 13 days"));
    CHECK(has(check_certificate(config, certificate(-48h, -25h), kNow), "wrong /c.pem has expired 1 days ago"));
    CHECK(has(check_certificate(config, certificate(1h, 48h), kNow), "wrong /c.pem is valid from 2026-11-21T01"));
    auto other = certificate(-24h, 24h * 100);
    other.names = {"b.test", "*.c.test"};
    CHECK(has(check_certificate(config, other, kNow), "warning /c.pem is for b.test, *.c.test, not for mx.a.test"));
    CHECK(other.covers("B.test"));
    CHECK(other.covers("x.c.test"));
    CHECK_FALSE(other.covers("c.test"));
    CHECK_FALSE(other.covers("y.x.c.test"));
    CHECK(has(check_certificate(config, base::fail_errno("/c.pem", ENOENT), kNow), "wrong /c.pem: No such file"));
    auto own = config;
    own.tls = {};
    CHECK(has(check_certificate(own, base::fail_errno("/c.pem", ENOENT), kNow), "ok none is configured"));
    other.self_signed = true;
    CHECK(has(check_certificate(own, other, kNow), "warning /c.pem is self-signed"));
}

TEST_CASE("a disk that is full, slow, volatile or cannot be written is told") {
    const auto config = config_of();
    base::SystemClock clock;
    test::FaultDisk disk;
    CHECK(disk.make_directory("/spool", 0755));
    disk.set_free(3'000'000);
    CHECK(has(check_disk(config, disk, clock), "ok a durable write of 4 KiB to /spool takes "));
    disk.set_free(1'500'000);
    CHECK(has(check_disk(config, disk, clock), "warning /spool has "));
    disk.set_free(999'999);
    CHECK(has(check_disk(config, disk, clock), "wrong /spool has "));
    disk.set_free(3'000'000);
    disk.set_persistence(base::Persistence::tmpfs);
    CHECK(has(check_disk(config, disk, clock), "wrong /spool is tmpfs"));
    disk.set_persistence(base::Persistence::durable);
    disk.fail_if([](test::DiskOp op, const std::string&) { return op == test::DiskOp::sync ? EIO : 0; });
    CHECK(has(check_disk(config, disk, clock), "wrong a durable write to /spool fails"));
    disk.fail_if({});
    CHECK(disk.list("/spool")->empty());  // what was written is gone
}

TEST_CASE("a clock that is wrong, or that nobody keeps right, is told") {
    CHECK(has(check_clock({.now = kNow, .known = true, .synchronised = true}), "ok it is 2026-11-21"));
    CHECK(has(check_clock({.now = kNow, .known = true, .synchronised = false}), "warning it is 2026-11-21"));
    CHECK(has(check_clock({.now = kNow, .known = true, .synchronised = true, .error = 1min}), "warning it is"));
    CHECK(has(check_clock({.now = kNow}), "ok it is"));
    CHECK(has(check_clock({.now = {}, .known = true, .synchronised = true}), "wrong it is 1970"));
}

TEST_CASE("what was found is told as JSON, and whether anything is wrong") {
    Findings findings("ports");
    findings.ok("one");
    findings.warning("two", "do that");
    auto all = findings.take();
    CHECK_FALSE(any_wrong(all));
    CHECK(findings_json(all) == R"([{"check":"ports","status":"ok","what":"one","remedy":""},)"
                                R"({"check":"ports","status":"warning","what":"two","remedy":"do that"}])"
                                "\n");
    Findings more("disk");
    more.wrong("three", "now");
    CHECK(any_wrong(more.take()));
    CHECK(findings_text(all).find("-> do that") != std::string::npos);
}
