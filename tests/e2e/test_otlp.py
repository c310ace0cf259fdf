"""Traces and metrics pushed to a collector."""

from harness import accounts, jaeger
from harness.collector import Collector
from harness.smtp import message, submit
from harness.wait import until

NO_ENVIRONMENT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_SERVICE_NAME": "", "OTEL_TRACES_SAMPLER": "",
                  "OTEL_TRACES_SAMPLER_ARG": ""}


def _collector(t, **options):
    collector = Collector(**options)
    t.closing.append(collector.stop)
    return collector


def _wait(collector, name, count=1, timeout=30):
    until(lambda: len(collector.named(name)) >= count, timeout, f"{count} span(s) {name}")
    return collector.named(name)


def _children(collector, parent):
    return {span["name"]: span for span in list(collector.spans) if span.get("parentSpanId") == parent["spanId"]}


def _inside(child, parent):
    assert int(parent["startTimeUnixNano"]) <= int(child["startTimeUnixNano"]), (child, parent)
    assert int(child["startTimeUnixNano"]) <= int(child["endTimeUnixNano"]), child
    assert int(child["endTimeUnixNano"]) <= int(parent["endTimeUnixNano"]), (child, parent)


def one_trace_from_reception_to_delivery_over_a_restart(t):
    collector = _collector(t)
    peer = t.peer()
    peer.on("RCPT", ["451 4.3.0 not yet"])
    daemon = t.relay(peer, {"traces": {"endpoint": collector.url}}, env=NO_ENVIRONMENT)
    submit(daemon.smtp, "b@example.net", message("traced"))
    first = _wait(collector, "deliver_message")[0]
    daemon.restart()
    daemon.retry_all()
    peer.one()
    attempts = _wait(collector, "deliver_message", 2)
    roots = collector.named("smtp_session")
    assert len(roots) == 1 and "parentSpanId" not in roots[0], roots
    root = roots[0]
    assert len({span["traceId"] for span in collector.spans}) == 1, collector.spans
    assert len({span["spanId"] for span in collector.spans}) == len(collector.spans), collector.spans

    reception = _children(collector, root)
    assert set(reception) == {"receive_headers", "validate_message", "spool_message", "deliver_message"}, reception
    for name in ("receive_headers", "validate_message", "spool_message"):
        _inside(reception[name], root)
    assert root["kind"] == 2 and root["attributes"]["client.address"] == "127.0.0.1", root
    identity = root["attributes"]["posthorn.message_id"]
    assert root["resource"]["service.name"] == "posthorn", root
    for attempt, number in zip(attempts, ("1", "2")):
        assert attempt["parentSpanId"] == root["spanId"] and attempt["kind"] == 3, attempt
        assert attempt["attributes"]["posthorn.attempt"] == number, attempt
        assert attempt["attributes"]["posthorn.message_id"] == identity, attempt
        parts = _children(collector, attempt)
        assert set(parts) == {"dns_lookup", "connect_mx", "smtp_handshake", "transmit_data"}, parts
        for part in parts.values():
            _inside(part, attempt)
    assert first["status"] == {"code": 2, "message": "451 4.3.0 not yet"}, first
    assert _children(collector, first)["transmit_data"]["status"]["code"] == 2
    assert attempts[1]["status"] == {}, attempts[1]

    # Log lines carry the ids.
    delivered = daemon.wait_event("message.delivered")
    assert delivered["trace_id"] == root["traceId"] and delivered["span_id"] == attempts[1]["spanId"], delivered


def what_storing_took_is_a_step_of_a_local_delivery(t):
    collector = _collector(t)
    daemon = t.daemon({"traces": {"endpoint": collector.url}}, env=NO_ENVIRONMENT)
    accounts.add(daemon, "ann@example.org")
    submit(daemon.smtp, "ann@example.org", message("to rest"))
    stored = _wait(collector, "store_message")[0]
    delivery = _wait(collector, "deliver_message")[0]
    root = _wait(collector, "smtp_session")[0]
    assert stored["parentSpanId"] == delivery["spanId"] and delivery["parentSpanId"] == root["spanId"], collector.spans
    _inside(stored, delivery)
    assert stored["attributes"]["posthorn.account"] == "ann@example.org", stored
    assert set(_children(collector, delivery)) == {"store_message"}, collector.spans
    assert daemon.wait_event("message.delivered")["span_id"] == delivery["spanId"]


def a_host_that_cannot_be_reached_is_an_error_of_its_step(t):
    collector = _collector(t)
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, env=dict(NO_ENVIRONMENT, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url + "/",
                                    OTEL_SERVICE_NAME="mail-in-berlin"))
    submit(daemon.smtp, "b@example.net")
    attempt = _wait(collector, "deliver_message")[0]
    assert attempt["resource"]["service.name"] == "mail-in-berlin", attempt
    parts = _children(collector, attempt)
    assert set(parts) == {"dns_lookup", "connect_mx"}, parts
    assert parts["connect_mx"]["status"]["code"] == 2 and "refused" in parts["connect_mx"]["status"]["message"], parts
    assert parts["dns_lookup"]["status"] == {}, parts


def the_sampler_of_the_environment_is_obeyed(t):
    collector = _collector(t)
    peer = t.peer()
    environment = dict(NO_ENVIRONMENT, OTEL_TRACES_SAMPLER="parentbased_always_off")
    config = {"traces": {"endpoint": collector.url},
              "metrics": {"otlp": {"endpoint": collector.url, "interval": "1s"}}}
    daemon = t.relay(peer, config, env=environment)
    submit(daemon.smtp, "b@example.net")
    peer.one()
    until(lambda: "posthorn_smtp_messages_accepted_total" in collector.metrics, 20, "metrics")
    assert daemon.stop() == 0
    assert not collector.spans, collector.spans
    refused = t.make_daemon(env=dict(NO_ENVIRONMENT, OTEL_TRACES_SAMPLER="sometimes"))
    refused.configure(config)
    refused.spawn()
    assert refused.wait_exit() == 1
    assert "sometimes" in refused.raw_log()


def a_trace_goes_on_at_our_own_nodes_and_nowhere_else(t):
    collector = _collector(t)
    peer = t.peer()
    trusting = {"traces": {"endpoint": collector.url, "peers": ["127.0.0.0/8"]}}
    second = t.relay(peer, trusting, env=NO_ENVIRONMENT)
    first = t.relay(second.smtp, trusting, env=NO_ENVIRONMENT)
    submit(first.smtp, "b@example.net")
    assert "XTRACE" not in peer.one().sender_params
    _wait(collector, "deliver_message", 2)
    roots = collector.named("smtp_session")
    assert len(roots) == 2 and len({span["traceId"] for span in collector.spans}) == 1, collector.spans
    near = [r for r in roots if "parentSpanId" not in r][0]
    far = [r for r in roots if "parentSpanId" in r][0]
    sending = [s for s in collector.named("deliver_message") if s["spanId"] == far["parentSpanId"]][0]
    assert sending["parentSpanId"] == near["spanId"], (sending, near)

    stranger = t.relay(peer, {"traces": {"endpoint": collector.url}}, env=NO_ENVIRONMENT)
    client = t.client(stranger)
    client.ehlo()
    assert "XTRACE" not in client.extensions
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.expect(555, f"MAIL FROM:<a@example.com> XTRACE={parent}")
    ours = t.client(second)
    ours.ehlo()
    assert "XTRACE" in ours.extensions
    ours.expect(250, f"MAIL FROM:<a@example.com> XTRACE={parent}")
    ours.expect(250, "RSET")
    ours.expect(250, "MAIL FROM:<a@example.com> XTRACE=nonsense")


def a_collector_that_is_away_costs_no_mail_and_hears_of_it_later(t):
    collector = _collector(t)
    collector.answer = lambda path: 503
    peer = t.peer()
    daemon = t.relay(peer, {"traces": {"endpoint": collector.url}}, env=NO_ENVIRONMENT)
    for _ in range(5):
        submit(daemon.smtp, "b@example.net")
    peer.wait(5)
    daemon.wait_event("otlp.export_failed")
    assert not collector.spans
    collector.answer = None
    _wait(collector, "deliver_message", 5, 60)
    daemon.wait_event("otlp.export_works")
    collector.answer = lambda path: 400  # not worth trying again: dropped and counted
    submit(daemon.smtp, "b@example.net")
    peer.wait(6)

    def dropped():
        lines = daemon.health("/metrics")[1].decode().splitlines()
        return [line for line in lines if line.startswith("posthorn_traces_dropped_total ")
                and not line.endswith(" 0")]
    until(dropped, 20, "dropped spans to be counted")


def metrics_are_pushed_with_their_key(t):
    collector = _collector(t)
    peer = t.peer()
    otlp = {"endpoint": collector.url, "api_key": "s3cret", "interval": "1s"}
    daemon = t.relay(peer, {"metrics": {"otlp": otlp}}, env=NO_ENVIRONMENT)
    submit(daemon.smtp, "b@example.net")
    peer.one()

    def accepted():
        metric = collector.metrics.get("posthorn_smtp_messages_accepted_total")
        return metric and metric["sum"]["dataPoints"][0]["asInt"] == "1" and metric
    metric = until(accepted, 20, "the accepted message in the metrics")
    assert metric["sum"]["isMonotonic"] and metric["sum"]["aggregationTemporality"] == 2, metric
    path, headers = collector.requests[0]
    assert path == "/v1/metrics" and headers["Authorization"] == "Bearer s3cret", collector.requests[0]
    histogram = collector.metrics["posthorn_smtp_accept_seconds"]["histogram"]["dataPoints"][0]
    assert len(histogram["bucketCounts"]) == len(histogram["explicitBounds"]) + 1, histogram
    assert histogram["count"] == "1" and histogram["sum"] > 0, histogram
    assert not collector.spans


def a_real_jaeger_finds_the_trace(t):
    server = t.jaeger()
    peer = t.peer()
    peer.on("RCPT", ["451 4.3.0 not yet"])
    daemon = t.relay(peer, {"traces": {"endpoint": jaeger.COLLECTOR}}, env=NO_ENVIRONMENT)
    submit(daemon.smtp, "b@example.net", message("traced"))
    daemon.wait_event("message.deferred")
    daemon.retry_all()
    peer.one()
    delivered = daemon.wait_event("message.delivered")

    def whole():
        found = server.ask(f"/api/traces/{delivered['trace_id']}")
        return found and len(found[0]["spans"]) == 14 and found[0]
    trace = until(whole, 60, "the whole trace")
    spans = {span["spanID"]: span for span in trace["spans"]}
    parents = {span["spanID"]: [r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"]
               for span in trace["spans"]}
    root = [span for span in spans.values() if not parents[span["spanID"]]]
    assert [span["operationName"] for span in root] == ["smtp_session"], root

    def below(parent):
        return sorted(span["operationName"] for span in spans.values() if parents[span["spanID"]] == [parent["spanID"]])
    assert below(root[0]) == ["deliver_message", "deliver_message", "receive_headers", "spool_message",
                              "validate_message"], trace
    attempts = sorted((s for s in spans.values() if s["operationName"] == "deliver_message"),
                      key=lambda span: span["startTime"])
    for attempt in attempts:
        assert below(attempt) == ["connect_mx", "dns_lookup", "smtp_handshake", "transmit_data"], attempt
    tags = [{tag["key"]: tag["value"] for tag in attempt["tags"]} for attempt in attempts]
    assert tags[0]["otel.status_code"] == "ERROR" and "not yet" in tags[0]["otel.status_description"], tags
    assert attempts[1]["spanID"] == delivered["span_id"] and "error" not in tags[1], tags
    assert trace["processes"][root[0]["processID"]]["serviceName"] == "posthorn", trace["processes"]
    assert "posthorn" in server.ask("/api/services")
    query = "service=posthorn&operation=deliver_message&limit=5"
    assert [one["traceID"] for one in server.ask(f"/api/traces?{query}")] == [delivered["trace_id"]]
