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
    metrics.counter_callback("posthorn_asked_total", "asked for", [] { return 3.0; });
    const auto text = metrics.prometheus_text();
    CHECK(text.find("posthorn_test_total{domain=\"a\\\"b\"} 3\n") != std::string::npos);
    CHECK(text.find("# TYPE posthorn_test_now gauge\nposthorn_test_now -2\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_bucket{le=\"0.5\"} 1\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_bucket{le=\"1\"} 2\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_bucket{le=\"+Inf\"} 3\n") != std::string::npos);
    CHECK(text.find("posthorn_test_seconds_count 3\n") != std::string::npos);
    CHECK(text.find("posthorn_test_asked 1.5\n") != std::string::npos);
    CHECK(text.find("# TYPE posthorn_asked_total counter\nposthorn_asked_total 3\n") != std::string::npos);
}

TEST_CASE("the number of domains of a name is bounded, those of high priority are always kept apart") {
    Metrics metrics(2, {"gmail.com"});
    for (int i = 0; i < 10; ++i) {
        for (const auto* status : {"ok", "bad"})
            metrics.counter("c_total", "h", {{"domain", std::to_string(i)}, {"status", status}}).add();
    }
    metrics.counter("c_total", "h", {{"domain", "gmail.com"}, {"status", "ok"}}).add();
    CHECK(metrics.counter("c_total", "h", {{"domain", "other"}, {"status", "ok"}}).value() == 8);
    const auto text = metrics.prometheus_text();
    CHECK(text.find("c_total{domain=\"1\",status=\"bad\"} 1\n") != std::string::npos);
    CHECK(text.find("c_total{domain=\"2\"") == std::string::npos);
    CHECK(text.find("c_total{domain=\"gmail.com\",status=\"ok\"} 1\n") != std::string::npos);
}
