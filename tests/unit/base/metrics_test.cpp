#include "base/metrics.hpp"

#include <doctest/doctest.h>

using namespace posthorn::base;

TEST_CASE("metrics print as Prometheus text") {
    Metrics metrics;
    metrics.counter("posthorn_test_total", "what is counted", {{"domain", "a\"b"}}).add(3);
    metrics.gauge("posthorn_test_now", "what is").set(-2);
    auto& h = metrics.histogram("posthorn_test_seconds", "how long", {0.5, 1});
    h.observe(0.5);
    h.observe(0.7);
    h.observe(9);
    metrics.gauge_callback("posthorn_test_asked", "asked for", [] { return 1.5; });
    const auto text = metrics.prometheus_text();
    CHECK(text.find("posthorn_test_total{domain=\"a\\\"b\"} 3\n") != std::string::npos);
    CHECK(text.find("# TYPE posthorn_test_now gauge\nposthorn_test_now -2\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_bucket{le=\"0.5\"} 1\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_bucket{le=\"1\"} 2\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_bucket{le=\"+Inf\"} 3\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_count 3\n") != std::string::npos);
    CHECK(text.find("posthorn_test_asked 1.5\n") != std::string::npos);
}

TEST_CASE("the number of series of a name is bounded") {
    Metrics metrics(2);
    for (int i = 0; i < 10; ++i) metrics.counter("c_total", "h", {{"domain", std::to_string(i)}}).add();
    CHECK(metrics.counter("c_total", "h", {{"domain", "other"}}).value() == 8);
}
