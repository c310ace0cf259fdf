"""A disk that fills up: mail is refused for a while, nothing is lost, and it goes on when there is room."""

from harness.smtp import Client, message, submit
from harness.wait import until


def _try(daemon, subject, size):
    with Client(daemon.smtp) as client:
        if client.greeting.code != 220:
            return client.greeting
        client.ehlo()
        reply = client.cmd(f"MAIL FROM:<a@example.com> SIZE={size}")
        if reply.code != 250:
            return reply
        client.expect(250, "RCPT TO:<b@example.net>")
        return client.data(message(subject, (b"x" * 98 + b"\r\n") * (size // 100)))


def a_full_disk_gets_452_and_recovers(t):
    disk = t.disk()
    place = disk.place
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, {"server": {"spool_dir": place / "spool"}, "spool": {"reserve": "16MiB",
                                                                               "segment_size": "4MiB"}})
    accepted = []
    submit(daemon.smtp, "b@example.net", message("before"))
    accepted.append("before")
    disk.fill()
    reply = until(lambda: (lambda r: r if r.code != 250 else None)(_try(daemon, "while full", 2000)), 20,
                  "a refusal", step=0.2)
    assert reply.code == 452 and reply.status == "4.3.1", reply
    assert until(lambda: daemon.health()[0] == 503, 15, "unready")
    assert daemon.health()[1]["spool_ready"] is False
    disk.free()
    until(lambda: _try(daemon, "after", 2000).code == 250, 30, "mail to be taken again", step=0.3)
    until(lambda: daemon.health()[0] == 200, 15, "ready")
    peer.start()
    until(lambda: (daemon.retry_all(), any(b"Subject: after" in m.data for m in peer.messages))[1], 20, "delivery",
          step=0.3)
    until(lambda: any(b"Subject: before" in m.data for m in peer.messages), 10, "the first message")


def a_disk_that_fills_with_mail_loses_nothing(t):
    """The next hop is away: mail is refused in time. What got 250 is there after a kill, and can be recorded as
    done although the disk is as full as mail makes it."""
    disk = t.disk("64M")
    place = disk.place
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, {"server": {"spool_dir": place / "spool"}, "spool": {"reserve": "16MiB",
                                                                               "segment_size": "4MiB"}})
    accepted, refused = [], 0
    number = 0
    while refused < 5 and number < 600:
        size = 300000 if number % 3 == 0 else 60000
        try:
            reply = _try(daemon, f"load-{number}-end", size)
        except OSError:
            reply = None
        if reply is not None and reply.code == 250:
            accepted.append(f"load-{number}-end")
        else:
            assert reply is None or reply.code in (421, 451, 452), reply
            refused += 1
        number += 1
    assert refused, f"{number} messages and never full"
    assert daemon.running()
    daemon.kill()
    peer.start()
    daemon.start()
    until(lambda: (daemon.retry_all(), set(accepted) <= set(_subjects(peer)))[1], 60, f"{len(accepted)} messages",
          step=1)
    for m in peer.messages:
        assert m.data.endswith(b"x\r\n") and len(m.body) % 100 == 0, "a torn body"
    daemon.wait_queue(0)
    assert len(peer.messages) == len(accepted), "delivered twice"
    # The spool's keeper unlinks them in its next round, not in the moment in which the queue is empty.
    until(lambda: not list((place / "spool" / "big").iterdir()), 15, "big/ to be empty")


def _subjects(peer):
    return [m.data.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in list(peer.messages)]


def what_was_delivered_while_the_disk_was_full_is_recorded_when_there_is_room(t):
    disk = t.disk()
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, {"server": {"spool_dir": disk.place / "spool"}, "spool": {"reserve": "16MiB",
                                                                                   "segment_size": "4MiB"}})
    for number in range(60):
        assert _try(daemon, f"full-{number}-end", 100000).code == 250
    disk.fill()
    peer.start()
    daemon.retry_all()
    peer.wait(60, 30)
    disk.free()
    daemon.wait_queue(0, 30)
    assert len(peer.messages) == 60, "delivered twice"
    daemon.restart()
    assert not daemon.queue()


def a_disk_that_breaks_refuses_mail_and_keeps_what_it_took(t):
    disk = t.disk()
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, {"server": {"spool_dir": disk.place / "spool"}})
    for number in range(20):
        submit(daemon.smtp, "b@example.net", message(f"kept-{number}-end"))
    disk.break_it()
    until(lambda: _refused(daemon), 15, "a refusal", step=0.2)
    status, body = until(lambda: (lambda a: a if a[0] == 503 else None)(daemon.health()), 30, "503")
    assert body["spool_ready"] is False and body["alive"] is True, body
    assert daemon.running()
    daemon.kill()
    disk.remount()
    peer.start()
    daemon.start()
    until(lambda: (daemon.retry_all(), len(peer.messages) >= 20)[1], 30, "twenty messages", step=0.5)
    assert {b"kept-%d-end" % n for n in range(20)} == {m.data.split(b"Subject: ")[1].split(b"\r\n")[0]
                                                     for m in peer.messages}


def _refused(daemon):
    try:
        reply = _try(daemon, "on a broken disk", 2000)
    except OSError:
        return False
    assert reply.code != 250, "acknowledged on a broken disk"
    return reply.code in (421, 451, 452)
