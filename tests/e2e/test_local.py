"""Mail for accounts of ours: in by SMTP, from the spool into the store, there octet by octet, and once."""

import os
import re
import subprocess

from harness import accounts
from harness.smtp import Closed, message, submit
from harness.store import inbox
from harness.text import trace_of
from harness.wait import until

ANN, BOB = "ann@example.org", "bob@example.org"


def _inbox(daemon, account):
    daemon.wait_queue(0)
    daemon.stop()
    return inbox(daemon.data, account)


def mail_comes_to_rest_as_it_was_sent(t):
    daemon = t.daemon()
    accounts.add(daemon, ANN)
    small = message("small", b".\r\n..\r\n" + bytes(b for b in range(1, 256) if b not in (10, 13)) + b"\r\n")
    large = message("large", b"".join(b"%d dots ...\r\n" % n for n in range(60_000)))
    for data in (small, large):
        submit(daemon.smtp, "Ann@example.org", data, params="BODY=8BITMIME")
    got = sorted(_inbox(daemon, ANN), key=len)
    assert len(got) == 2, len(got)
    for stored, data in zip(got, (small, large)):
        head = b"Return-Path: <a@example.com>\r\nDelivered-To: Ann@example.org\r\n"
        assert stored.startswith(head), stored[:200]
        assert trace_of(stored[len(head):], data).count(b"Received:") == 1


def each_recipient_has_its_own_end(t):
    peer = t.peer()
    daemon = t.relay(peer)
    accounts.add(daemon, ANN, BOB)
    daemon.mailctl("account", "set", BOB, "--max-messages", "1")
    daemon.mailctl("alias", "add", "team@example.org", f"{ANN},one@example.net,two@example.net")
    daemon.mailctl("alias", "add", "full@example.org", BOB)  # BOB itself would be refused at RCPT
    submit(daemon.smtp, BOB, message("fills it"))
    daemon.wait_event("message.delivered", recipient=BOB)
    submit(daemon.smtp, [ANN, "full@example.org", "team@example.org", "b@example.net"], message("to all"))
    until(lambda: len(peer.messages) >= 2, 20, "what leaves again")
    assert sorted(m.to for m in peer.messages) == [["b@example.net"], ["one@example.net", "two@example.net"]]
    (onward,) = [m for m in peer.messages if len(m.to) == 2]
    assert b"Delivered-To: team@example.org\r\n" in onward.data and onward.sender == "a@example.com"
    deferred = daemon.wait_event("message.deferred", recipient="full@example.org")
    assert (deferred["smtp_code"], deferred["enhanced_code"]) == (452, "4.2.2"), deferred
    delivered = daemon.wait_event("message.delivered", recipient=ANN)
    assert delivered["account"] == ANN and delivered["mailbox"] == "INBOX", delivered
    (waiting,) = daemon.queue()
    assert [r["address"] for r in waiting["recipients"] if r["status"] == "pending"] == ["full@example.org"], waiting
    metrics = daemon.health("/metrics")[1].decode()
    assert re.search(r'posthorn_store_deliveries_total\{domain="example.org",status="delivered"\} 2\b', metrics), metrics
    assert re.search(r'posthorn_store_deliveries_total\{domain="example.org",status="over_quota"\} 1\b', metrics), metrics
    assert "local mailboxes" in daemon.mailctl("destinations").stdout
    daemon.mailctl("account", "set", BOB, "--max-messages", "0")
    daemon.retry_all()
    assert len(_inbox(daemon, BOB)) == 2
    assert len(inbox(daemon.data, ANN)) == 1


def posthorn_sendmail_reaches_an_account(t):
    daemon = t.daemon()
    accounts.add(daemon, ANN)
    env = dict(os.environ, POSTHORN_SPOOL_DIR=str(daemon.spool), POSTHORN_RUNTIME_DIR=str(daemon.runtime))
    subprocess.run([t.build / "ctl/posthorn-sendmail", "-i", "-f", "me@example.com", ANN],
                   input=b"Subject: local\n\nhello\n", check=True, timeout=30, env=env)
    until(lambda: daemon.events("message.delivered"), 20, "its delivery")
    (got,) = _inbox(daemon, ANN)
    assert b"Subject: local\r\n" in got and got.endswith(b"\r\n\r\nhello\r\n"), got


def kills_in_a_storm_lose_nothing_and_double_nothing(t):
    """kill -9 while mail goes into two accounts: what was acknowledged is there, once; nothing is there twice."""
    daemon = t.daemon()
    accounts.add(daemon, ANN, BOB)
    daemon.mailctl("alias", "add", "team@example.org", f"{ANN},{BOB}")
    acknowledged, number = [], 0
    for storm in range(3):
        clients = [t.client(daemon) for _ in range(4)]
        for client in clients:
            client.ehlo()
        killed = False
        while not killed:
            number += 1
            client = clients[number % len(clients)]
            name = f"<{number}.storm@example.com>"
            try:
                client.mail("a@example.com", "team@example.org" if number % 2 else [ANN, BOB])
                if client.data(message(f"number {number}", extra=b"X-Storm: " + name.encode() + b"\r\n")).code == 250:
                    acknowledged.append(name)
            except (Closed, OSError):
                killed = True
            if len(daemon.events("message.delivered")) > 40:
                daemon.kill()
        daemon.start()
    daemon.wait_queue(0, timeout=40)
    daemon.stop()
    for account in (ANN, BOB):
        names = [re.search(rb"X-Storm: (\S+)\r\n", m)[1].decode() for m in inbox(daemon.data, account)]
        assert len(names) == len(set(names)), [n for n in names if names.count(n) > 1]
        assert not set(acknowledged) - set(names), set(acknowledged) - set(names)
    assert len(acknowledged) > 60, len(acknowledged)
