"""The token bucket of a domain, as the peer sees it."""

import time

from harness.peer import Hold
from harness.smtp import message, submit
from harness.wait import stays, until


def a_burst_goes_out_at_once_and_the_rest_at_the_rate(t):
    peer = t.peer()
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {
        "rate_limit": {"messages_per_second": 4.0, "burst_size": 3}}}}})
    start = time.monotonic()
    for number in range(9):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    peer.wait(9, 20)
    times = sorted(m.at - start for m in peer.messages)
    for window in range(9):
        inside = [x for x in times if times[window] <= x < times[window] + 1]
        assert len(inside) <= 3 + 4 + 1, f"{len(inside)} within a second: {times}"
    assert times[-1] >= (9 - 3) / 4.0 - 0.4, times
    assert times[-1] < 6, times


def a_fraction_of_a_message_a_second_is_a_rate(t):
    peer = t.peer()
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {
        "rate_limit": {"messages_per_second": 0.5, "burst_size": 1}}}}})
    for number in range(3):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    peer.wait(3, 20)
    times = [m.at for m in peer.messages]
    for one, two in zip(times, times[1:]):
        assert two - one > 1.7, times


def a_limited_message_is_no_attempt(t):
    peer = t.peer()
    daemon = t.relay(peer, {"delivery": {"max_attempts": 1, "domains": {"example.net": {
        "rate_limit": {"messages_per_second": 0.01, "burst_size": 1}}}}})
    submit(daemon.smtp, "b@example.net", message("one"))
    peer.wait(1)
    submit(daemon.smtp, "b@example.net", message("two"))
    entry = until(lambda: daemon.queue(), 10, "the second in the queue")[0]
    assert entry["recipients"][0]["attempts"] == 0, entry
    until(lambda: daemon.queue()[0]["recipients"][0]["why"] == "rate limit", 5, "the reason")
    daemon.retry_all()  # the rate limit holds against retry, too
    stays(lambda: len(peer.messages) == 1, 0.5)


def other_domains_are_not_held_up(t):
    slow, quick = t.peer(), t.peer()
    daemon = t.relay(slow, {"delivery": {"domains": {"example.net": {
        "rate_limit": {"messages_per_second": 0.01, "burst_size": 1}}}}},
        more_domains={"example.org": {"mx_override": quick.address}})
    for number in range(3):
        submit(daemon.smtp, ["b@example.net", "c@example.org"], message(f"number {number}"))
    quick.wait(3, 10)
    assert len(slow.messages) == 1


def connections_to_a_domain_are_limited(t):
    peer = t.peer()
    hold = Hold()
    peer.on("BODY", hold)
    daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {"max_connections": 3}}}})
    for number in range(12):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    until(lambda: peer.open == 3, 10, "three connections")
    stays(lambda: peer.open_peak == 3, 0.5)
    hold.release()
    peer.wait(12)
    assert peer.open_peak == 3
