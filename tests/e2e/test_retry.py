"""A next hop that is away, refuses or misbehaves: what is tried again, and what is not."""

import signal

from harness.marks import long
from harness.peer import Drip, Drop, Stall
from harness.smtp import message, submit
from harness.wait import stays, until

TIMEOUTS = {"connect": "1s", "ehlo": "1s", "starttls": "1s", "mail_from": "1s", "rcpt_to": "1s", "data": "1s",
            "quit": "1s"}


def mail_waits_for_a_peer_that_is_down(t):
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer)
    data = message("patience")
    submit(daemon.smtp, "b@example.net", data)
    assert len(daemon.wait_attempted()) == 1
    peer.start()
    daemon.retry_all()
    assert peer.one().data.endswith(data)
    daemon.wait_queue(0)


def retries_come_by_themselves(t):
    peer = t.peer()
    peer.on("RCPT", ["451 4.3.0 later", "450 4.2.0 later still"])
    daemon = t.relay(peer, {"delivery": {"retry_min": "1s", "retry_max": "2s"}})
    submit(daemon.smtp, "b@example.net")
    peer.one(20)
    assert peer.seen("RCPT") == 3
    daemon.wait_queue(0)


def a_4xx_at_each_step_defers(t):
    for step, verb in (("MAIL", "MAIL"), ("RCPT", "RCPT"), ("DATA", "DATA"), ("BODY", "DATA")):
        peer = t.peer(extensions=["PIPELINING", "ENHANCEDSTATUSCODES"])
        peer.on(step, ["451 4.3.2 not now"])
        daemon = t.relay(peer)
        submit(daemon.smtp, "b@example.net", message(f"at {step}"))
        peer.wait_attempts(verb, 1)
        daemon.wait_attempted()
        last = daemon.queue()[0]["recipients"][0]
        assert last["attempts"] == 1 and "4.3.2" in str(last), last
        daemon.retry_all()
        peer.one()
        daemon.wait_queue(0)


def a_4xx_greeting_defers(t):
    peer = t.peer(banner="421 4.3.2 come back later")
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net")
    peer.wait_connections(1)
    assert len(daemon.wait_attempted()) == 1
    peer.banner = "220 back"
    daemon.retry_all()
    peer.one()


def a_dropped_connection_at_each_step_defers(t):
    for step in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY"):
        for drop in (Drop(), Drop(reset=True)):
            peer = t.peer(extensions=["PIPELINING"])
            peer.on(step, drop)
            daemon = t.relay(peer)
            submit(daemon.smtp, "b@example.net", message(f"dropped at {step}"))
            peer.wait_connections(1)
            until(lambda: peer.open == 0, 10, "the connection to end")
            peer.clear()
            assert len(daemon.queue()) == 1, step
            until(lambda: (daemon.retry_all(), peer.messages)[1], 20, f"delivery after {step}", step=0.3)
            daemon.wait_queue(0)
            daemon.end()


def a_stall_at_each_step_ends_by_its_time_out(t):
    for step in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA"):
        peer = t.peer(extensions=["PIPELINING"])
        peer.on(step, Stall())
        daemon = t.relay(peer, {"delivery": {"timeouts": TIMEOUTS}})
        submit(daemon.smtp, "b@example.net", message(f"stalled at {step}"))
        peer.wait_connections(1)
        until(lambda: peer.open == 0, 10, f"the end of a connection stalled at {step}")
        peer.clear()
        assert len(daemon.queue()) == 1, step
        until(lambda: (daemon.retry_all(), peer.messages)[1], 20, f"delivery after {step}", step=0.3)
        daemon.end()


def a_stalled_quit_never_fails_a_delivered_message(t):
    peer = t.peer()
    peer.on("QUIT", Stall())
    daemon = t.relay(peer, {"delivery": {"timeouts": TIMEOUTS}})
    submit(daemon.smtp, "b@example.net")
    peer.one()
    daemon.wait_queue(0)
    assert len(peer.messages) == 1


def a_success_is_never_sent_again(t):
    """Two recipients, one refused for now: only that one is tried again."""
    peer = t.peer()
    peer.on("RCPT", ["451 4.2.1 busy"], match="slow@")
    daemon = t.relay(peer)
    submit(daemon.smtp, ["quick@example.net", "slow@example.net"])
    assert peer.one().to == ["quick@example.net"]
    until(lambda: daemon.queue() and daemon.queue()[0]["recipients"], 10, "the rest in the queue")
    until(lambda: (daemon.retry_all(), len(peer.messages) == 2)[1], 20, "the rest", step=0.2)
    assert peer.messages[1].to == ["slow@example.net"]
    daemon.wait_queue(0)
    assert len(peer.messages) == 2


def a_restart_keeps_the_queue_and_what_is_done(t):
    peer = t.peer()
    peer.on("RCPT", "451 4.2.1 busy", match="slow@")
    daemon = t.relay(peer)
    data = message("kept")
    submit(daemon.smtp, ["quick@example.net", "slow@example.net"], data)
    peer.one()
    until(lambda: any(r["attempts"] for e in daemon.queue() for r in e["recipients"]), 10, "the outcome")
    daemon.restart()
    peer.clear()
    until(lambda: (daemon.retry_all(), len(peer.messages) == 2)[1], 20, "the rest", step=0.2)
    assert peer.messages[1].to == ["slow@example.net"] and peer.messages[1].data.endswith(data)
    daemon.wait_queue(0)
    assert len(peer.messages) == 2


def a_kill_keeps_the_queue(t):
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer)
    subjects = [f"number {i}" for i in range(20)]
    for subject in subjects:
        submit(daemon.smtp, "b@example.net", message(subject))
    daemon.kill()
    peer.start()
    daemon.start()
    until(lambda: (daemon.retry_all(), len(peer.messages) >= 20)[1], 30, "all twenty", step=0.5)
    got = sorted(m.headers.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in peer.messages)
    assert got == sorted(subjects)
    daemon.wait_queue(0)


def a_new_route_applies_to_queued_mail(t):
    old, new = t.peer(), t.peer()
    old.stop()
    daemon = t.relay(old)
    submit(daemon.smtp, "b@example.net")
    until(lambda: daemon.queue(), 5, "the message in the queue")
    daemon.configure({"delivery": {"domains": {"example.net": {"mx_override": new.address}}}})
    daemon.signal(signal.SIGHUP)
    until(lambda: (daemon.retry_all(), new.messages)[1], 20, "the new way", step=0.3)


def max_attempts_ends_in_a_bounce(t):
    peer, back = t.peer(), t.peer()
    peer.on("RCPT", "451 4.2.1 never")
    daemon = t.relay(peer, {"delivery": {"max_attempts": 2, "retry_min": "1s", "retry_max": "1s"}},
                     more_domains={"example.com": {"mx_override": back.address}})
    submit(daemon.smtp, "b@example.net")
    got = back.one(20)
    assert got.sender == "" and got.to == ["a@example.com"]
    assert peer.seen("RCPT") == 2
    daemon.wait_queue(0)


@long
def max_age_ends_in_a_bounce_also_with_no_worker_free(t):
    """The only connection stalls; the second message expires all the same."""
    peer, back = t.peer(), t.peer()
    peer.on("MAIL", Stall())
    daemon = t.relay(peer, {"delivery": {"max_age": "2s", "retry_min": "1s", "retry_max": "1s",
                                         "domains": {"example.net": {"max_connections": 1}}}},
                     more_domains={"example.com": {"mx_override": back.address}})
    submit(daemon.smtp, "b@example.net", message("holds the line"))
    peer.wait_attempts("MAIL", 1)
    submit(daemon.smtp, "c@example.net", message("waits"))
    got = back.one(45)  # fresh messages are looked at after some seconds
    assert got.sender == "" and b"c@example.net" in got.data


def a_reply_without_end_does_not_fill_memory(t):
    peer = t.peer()

    def flood(session, _line):
        try:
            for _ in range(300):
                session.sock.sendall(b"250-" + b"x" * 100000)
        except OSError:
            pass
        return Drop()

    peer.on("MAIL", flood)
    daemon = t.relay(peer)
    before = daemon.rss()
    submit(daemon.smtp, "b@example.net")
    peer.wait_attempts("MAIL", 1)
    until(lambda: peer.open == 0, 20, "the connection to end")
    assert daemon.rss(peak=True) - before < 16 << 20
    assert len(daemon.queue()) == 1


def a_reply_of_endless_lines_does_not_fill_memory(t):
    peer = t.peer()

    def flood(session, _line):
        try:
            for _ in range(300):
                session.sock.sendall(b"250-one more line of text\r\n" * 4000)
        except OSError:
            pass
        return Drop()

    peer.on("EHLO", flood)
    daemon = t.relay(peer)
    before = daemon.rss()
    submit(daemon.smtp, "b@example.net")
    peer.wait_connections(1)
    until(lambda: peer.open == 0, 20, "the connection to end")
    assert daemon.rss(peak=True) - before < 16 << 20


def a_peer_that_answers_byte_by_byte_is_understood(t):
    peer = t.peer()
    peer.on("MAIL", Drip(b"250 2.1.0 slowly\r\n", 0.02)).on("RCPT", Drip(b"250-a\r\n250 b\r\n", 0.02))
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net")
    peer.one()
    daemon.wait_queue(0)


def nonsense_instead_of_a_reply_defers(t):
    for junk in (b"hello\r\n", b"2 50 ok\r\n", b"999 what\r\n", b"\r\n", b"250 ok\r\n250 too many\r\n250 far\r\n"):
        peer = t.peer(extensions=[])
        peer.on("MAIL", junk)
        daemon = t.relay(peer, {"delivery": {"timeouts": TIMEOUTS}})
        submit(daemon.smtp, "b@example.net")
        peer.wait_attempts("MAIL", 1)
        until(lambda: peer.open == 0 or peer.messages, 20, f"an end after {junk!r}")
        assert daemon.running()
        daemon.end()


def a_lie_about_pipelining_costs_no_mail(t):
    """The peer says PIPELINING but looks at one command at a time and takes what came with RSET for the next."""
    peer = t.peer()
    peer.on("RCPT", ["550 5.1.1 no such user"], match="bad@")
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": peer.address}})
    submit(daemon.smtp, ["good@example.net", "bad@example.net"], rcpt_params="NOTIFY=NEVER")
    assert peer.one().to == ["good@example.net"]
    daemon.wait_queue(0)


def a_354_although_every_recipient_was_refused_sends_nothing(t):
    """RFC 2920 §3.1: then the client sends the lone dot."""
    peer = t.peer(extensions=["PIPELINING"])
    peer.on("RCPT", "550 5.1.1 no").on("DATA", "354 go on anyway")
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", sender="")
    daemon.wait_queue(0)
    assert all(m.wire == b"" for m in peer.attempted), peer.attempted[0].wire


def frozen_mail_is_not_tried(t):
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, {"delivery": {"retry_min": "1s", "retry_max": "1s"}})
    submit(daemon.smtp, "b@example.net")
    identity = until(lambda: daemon.queue(), 5, "the message in the queue")[0]["id"]
    daemon.mailctl("queue", "freeze", identity)
    peer.start()
    stays(lambda: not peer.messages, 2.5, "frozen")
    daemon.mailctl("queue", "unfreeze", identity)
    peer.one()
