"""mailctl trace: what happened to a message, also over restarts, and to those who never got as far as DATA."""

import base64
import imaplib
import json
import os
import subprocess

from harness import accounts
from harness.control import Control
from harness.marks import within
from harness.smtp import message, submit
from harness.wait import until


def _trace(daemon, what, *options):
    done = daemon.mailctl("trace", what, *options, "--json", check=False)
    events = json.loads(done.stdout)
    assert done.returncode == (0 if events else 1), done
    return sorted(events, key=lambda event: event["time"])


def _kinds(events):
    return [event["event"] for event in events]


def _one(events, kind, **fields):
    found = [e for e in events if e["event"] == kind and all(e.get(k) == v for k, v in fields.items())]
    assert len(found) == 1, (kind, fields, events)
    return found[0]


def _done(daemon, identity):
    return until(lambda: [e for e in _trace(daemon, identity) if e["event"] == "done"], 20, "the end of the story")


def who_was_not_let_in_is_told_whatever_he_wanted(t):
    daemon = t.daemon({"listener": [{"protocol": "submission", "address": "127.0.0.1:0"},
                                    {"protocol": "imap", "address": "127.0.0.1:0"}],
                       "smtp": {"plaintext_auth_networks": ["127.0.0.0/8"]},
                       "imap": {"plaintext_auth_networks": ["127.0.0.0/8"]}})
    accounts.add(daemon, "ann@example.org")
    host, port = daemon.endpoint("imap").rsplit(":", 1)
    with imaplib.IMAP4(host, int(port), timeout=30) as client:
        try:
            client.login("Ann@example.org", "wrong")
        except imaplib.IMAP4.error:
            pass
        client.login("ann@example.org", accounts.PASSWORD)
    client = t.client(daemon.endpoint("submission"))
    client.ehlo()
    assert client.cmd("AUTH PLAIN " + base64.b64encode(b"\0ann@example.org\0wrong").decode()).code == 535
    client.expect(221, "QUIT")
    for what in ("ann@example.org", "127.0.0.1"):
        refused = [e for e in _trace(daemon, what) if e["event"] == "login_refused"]
        assert [(e["service"], e["sender"], e["text"], e["client_ip"]) for e in refused] == [
            (service, "ann@example.org", "wrong", "127.0.0.1") for service in ("imap", "submission")], (what, refused)
    text = daemon.mailctl("trace", "ann@example.org").stdout
    assert "login refused ann@example.org from 127.0.0.1 by imap LOGIN: wrong" in text, text
    story = [e["event"] for e in _trace(daemon, refused[1]["session_id"])]
    assert story[:3] == ["connected", "login_refused", "rejected"], "one session, one story"


def a_life_story_over_a_restart(t):
    peer = t.peer()
    peer.on("RCPT", ["451 4.3.0 come back later"])
    daemon = t.relay(peer)
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    reply = client.data(b"Message-ID: <story@example.com>\r\nSubject: x\r\n\r\nbody\r\n")
    assert reply.code == 250, reply
    client.expect(221, "QUIT")
    identity = reply.text.split()[-1]
    until(lambda: "deferred" in _kinds(_trace(daemon, identity)), 20, "the first attempt")
    daemon.restart()
    daemon.retry_all()
    peer.one()
    _done(daemon, identity)

    for what in (identity, "<story@example.com>", "story@example.com", "b@example.net", "A@EXAMPLE.com"):
        events = _trace(daemon, what)
        kinds = _kinds(events)
        wanted = ["connected", "accepted", "attempt", "deferred", "attempt", "delivered", "done"]
        assert [kind for kind in kinds if kind in wanted] == wanted, (what, kinds)
        first = _one(events, "attempt", attempt=1)
        assert first["smtp_code"] == 451 and "come back later" in first["text"], first
        assert any(line.startswith("C: RCPT TO:<b@example.net>") for line in first["dialogue"]), first
        assert any("come back later" in line for line in first["dialogue"]), first
        assert "next_try" in _one(events, "deferred"), events
        assert "dialogue" not in _one(events, "attempt", attempt=2), events
        assert _one(events, "delivered")["server_ip"] == "127.0.0.1", events
        assert _one(events, "accepted")["header_message_id"], events
    text = daemon.mailctl("trace", identity).stdout
    for word in (identity, "connected", "attempt 1", "S: 451 4.3.0 come back later", "deferred", "delivered"):
        assert word in text, (word, text)
    print(text)


def what_never_reached_data_is_told_with_its_reason(t):
    daemon = t.daemon({"smtp": {"relay_networks": []}})
    client = t.client(daemon)
    client.ehlo("outsider.example")
    client.expect(250, "MAIL FROM:<spam@example.com>")
    client.expect(550, "RCPT TO:<victim@example.net>")
    client.expect(221, "QUIT")
    events = until(lambda: [e for e in [_trace(daemon, "127.0.0.1")] if "disconnected" in _kinds(e)], 10, "the end")[0]
    assert _kinds(events) == ["connected", "rejected", "disconnected"], events
    refused = events[1]
    assert refused["smtp_code"] == 550 and refused["enhanced_code"] == "5.7.1", refused
    assert refused["detail"] == "RCPT" and refused["recipient"] == "victim@example.net", refused
    assert refused["sender"] == "spam@example.com" and refused["helo"] == "outsider.example", refused
    for what in ("victim@example.net", "spam@example.com", refused["session_id"]):
        assert _kinds(_trace(daemon, what)) == ["connected", "rejected", "disconnected"], what
    assert "relay" in daemon.mailctl("trace", "127.0.0.1").stdout


def a_bounce_names_its_notification(t):
    peer = t.peer()
    peer.on("RCPT", "550 5.1.1 no such user", match="nobody@")
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": peer.address}})
    submit(daemon.smtp, "nobody@example.net")
    peer.one()
    events = until(lambda: [e for e in [_trace(daemon, "nobody@example.net")] if "done" in _kinds(e)], 20, "the end")[0]
    bounced = _one(events, "bounced")
    assert "no such user" in bounced["text"] and bounced["smtp_code"] == 550, bounced
    notification = _one(events, "dsn_sent")["detail"].split()[0]
    until(lambda: "delivered" in _kinds(_trace(daemon, notification)), 20, "the notification's own story")


def all_recipients_are_found_before_any_attempt(t):
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer)
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", [f"b{number}@example.net" for number in range(5)])
    assert client.data(message()).code == 250
    assert len(_one(_trace(daemon, "b4@example.net"), "accepted")["recipients"]) == 5


def what_a_local_program_sent_has_a_story_too(t):
    peer = t.peer()
    daemon = t.relay(peer)
    env = dict(os.environ, POSTHORN_SPOOL_DIR=str(daemon.spool), POSTHORN_RUNTIME_DIR=str(daemon.runtime))
    subprocess.run([str(daemon.build / "ctl/posthorn-sendmail"), "-i", "-f", "me@example.com", "b@example.net",
                    "c@example.net"], input="Subject: by hand\n\nhello\n", text=True, env=env, check=True, timeout=30)
    peer.wait(1)
    events = until(lambda: [e for e in [_trace(daemon, "c@example.net")] if "done" in _kinds(e)], 20, "the end")[0]
    accepted = _one(events, "accepted")
    assert accepted["listener"] == "drop folder" and accepted["submitter_uid"] == str(os.getuid()), accepted
    assert accepted["recipients"] == ["b@example.net", "c@example.net"] and accepted["size"] > 0, accepted
    assert len([e for e in events if e["event"] == "delivered"]) == 2, events
    assert accepted["message_id"] in daemon.mailctl("trace", "me@example.com").stdout
    assert b"posthorn_smtp_messages_accepted_total 0" in daemon.health("/metrics")[1]


def nothing_known_and_nonsense_are_told_apart(t):
    daemon = t.daemon()
    assert _trace(daemon, "nobody@example.org") == []
    unknown = daemon.mailctl("trace", "192.0.2.99", check=False)
    assert unknown.returncode == 1 and "nothing is known" in unknown.stdout, unknown
    assert daemon.mailctl("trace", "no such thing", check=False).returncode == 2
    assert daemon.mailctl("trace", check=False).returncode == 2


@within(180)
def a_long_story_streams(t):
    """Many frames, one connection; the daemon answers others meanwhile."""
    peer = t.peer()
    daemon = t.relay(peer)
    client = t.client(daemon)
    client.ehlo()
    for number in range(150):
        client.mail("a@example.com", f"b{number}@example.net")
        assert client.data(message()).code == 250
    with Control(daemon.socket) as control:
        events = control.call("trace", what="a@example.com", limit=1000)
        assert len({e["message_id"] for e in events if "message_id" in e}) == 150
        assert control.call("system.ping")["pong"]
    assert len({e.get("message_id") for e in _trace(daemon, "a@example.com", "--limit", "10")} - {None}) == 10


def a_full_disk_costs_history_and_no_mail(t):
    disk = t.disk("48M")
    peer = t.peer()
    daemon = t.relay(peer, {"server": {"data_dir": disk.place}})
    submit(daemon.smtp, "b@example.net")
    peer.one()
    disk.fill()
    for _ in range(20):  # more than what is left of the file's last block
        submit(daemon.smtp, "b@example.net")
    peer.wait(21)
    daemon.wait_event("history.write_failed")
    dropped = [line for line in daemon.health("/metrics")[1].decode().splitlines()
               if line.startswith("posthorn_history_dropped_total")]
    assert int(dropped[0].split()[-1]) > 0, dropped
    disk.free()
    submit(daemon.smtp, "c@example.net")
    until(lambda: "accepted" in _kinds(_trace(daemon, "c@example.net")), 10, "history again")
