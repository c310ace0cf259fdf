"""The probes."""

import http.client
import time

from harness.smtp import message, submit
from harness.wait import until

FIELDS = ("alive", "ready", "smtp_ready", "spool_ready", "delivery_ready", "dns_ready", "queue_size",
          "max_queue_size")


def live_and_ready_say_200_with_all_fields(t):
    daemon = t.daemon()
    status, body = daemon.health("/health/live")
    assert status == 200 and body["alive"] is True
    status, body = until(lambda: _when(daemon, 200), 10, "ready")
    for field in FIELDS:
        assert field in body, f"no {field} in {body}"
    assert body["ready"] is True and body["queue_size"] == 0 and body["max_queue_size"] == 10000


def _when(daemon, status):
    answer = daemon.health()
    return answer if answer[0] == status else None


def a_full_queue_makes_it_unready(t):
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, {"health": {"max_queue_size": 3}})
    for number in range(4):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    status, body = until(lambda: _when(daemon, 503), 10, "503")
    assert body["ready"] is False and body["queue_size"] >= 3 and body["alive"] is True, body
    assert daemon.health("/health/live")[0] == 200
    peer.start()
    daemon.retry_all()
    until(lambda: _when(daemon, 200), 15, "ready again")


def unknown_paths_and_methods_are_refused(t):
    daemon = t.daemon()
    assert daemon.health("/nothing")[0] == 404
    host, _, port = daemon.endpoint("health").rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=5)
    connection.request("POST", "/health/live", body=b"x")
    assert connection.getresponse().status == 405
    connection.close()


def metrics_are_shown(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net")
    peer.one()
    status, body = daemon.health("/metrics")
    assert status == 200 and b"posthorn_" in body and b"# TYPE" in body


def it_answers_within_a_second_under_load(t):
    peer = t.peer()
    daemon = t.relay(peer)
    source, env = t.tool("smtp-source")
    load = t.process([source, "-s", "50", "-m", "20000", "-l", "2048", "-f", "a@example.com", "-t", "b@example.net",
                      daemon.smtp], env=env)
    slowest = 0.0
    end = time.monotonic() + 4
    while time.monotonic() < end:
        start = time.monotonic()
        assert daemon.health("/health/live")[0] == 200
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.05)
    assert load.poll() is None or load.returncode == 0
    assert slowest < 1.0, f"{slowest:.2f} s"


METRICS = """
posthorn_smtp_sessions_total posthorn_smtp_sessions_open posthorn_smtp_connections_turned_away_total
posthorn_smtp_messages_accepted_total posthorn_smtp_messages_accepted_bytes_total posthorn_smtp_accept_seconds_bucket
posthorn_smtp_rejected_total posthorn_smtp_commands_rejected_total posthorn_smtp_tls_sessions_total
posthorn_smtp_tls_handshakes_total
posthorn_spool_round_seconds_bucket posthorn_spool_round_operations_bucket posthorn_spool_messages
posthorn_queue_recipients posthorn_queue_messages_frozen
posthorn_delivery_attempts_total posthorn_delivery_deliveries_total posthorn_delivery_outcomes_total
posthorn_delivery_queue_seconds_bucket posthorn_delivery_rate_limited_total
posthorn_delivery_rate_limit_delay_seconds_bucket posthorn_delivery_dsn_total posthorn_delivery_connections
posthorn_dns_queries_total posthorn_dns_cache_hits_total posthorn_dns_cache_entries
posthorn_control_commands_total posthorn_history_events_total posthorn_history_dropped_total posthorn_history_bytes
posthorn_log_lines_dropped_total posthorn_process_resident_memory_bytes posthorn_process_open_fds
posthorn_loop_lag_seconds_bucket
""".split()


def metrics_have_their_fixed_names(t):
    peer = t.peer()
    peer.on("RCPT", "550 5.1.1 no", match="nobody@")
    daemon = t.relay(peer, {"delivery": {"domains": {"slow.example": {
        "mx_override": peer.address, "rate_limit": {"messages_per_second": 0.01, "burst_size": 1}}}},
        "smtp": {"relay_networks": ["127.0.0.1/32"]}, "metrics": {"high_priority_domains": ["example.net"]}})
    submit(daemon.smtp, ["b@example.net", "nobody@example.net"], tls=True)
    for _ in range(2):
        submit(daemon.smtp, "b@slow.example")
    client = t.client(daemon)
    client.expect(503, "RCPT TO:<b@example.net>")
    peer.wait(2)
    daemon.mailctl("system", "ping")

    def missing():
        names = {line.partition("{")[0].partition(" ")[0] for line in daemon.health("/metrics")[1].decode().splitlines()}
        return [name for name in METRICS if name not in names]
    until(lambda: not missing(), 20, "all metrics")
    text = daemon.health("/metrics")[1].decode()
    assert 'posthorn_delivery_deliveries_total{domain="example.net",status="bounced"} 1' in text, text
    assert 'posthorn_smtp_commands_rejected_total{command="RCPT",status="5.5.1"} 1' in text, text
    until(lambda: 'posthorn_queue_recipients{status="waiting"} 1' in daemon.health("/metrics")[1].decode(), 20,
          "the one that the rate holds back")
