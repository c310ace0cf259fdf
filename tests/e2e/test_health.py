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
