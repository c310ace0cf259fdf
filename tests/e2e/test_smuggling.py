"""Only CRLF.CRLF ends a message, whatever else looks like it, in both directions."""

import itertools

from harness.peer import Stall
from harness.smtp import message, submit, unverified
from harness.text import Dsn
from harness.wait import until

ENDS = [a + b"." + c for a, c in itertools.product([b"\n", b"\r", b"\r\n"], repeat=2) if (a, c) != (b"\r\n", b"\r\n")]
ENDS += [b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n.\r\0\n", b"\r\n. \r\n", b"\n.\r\n.\r",
         b"\r\0\n.\r\n", b"\r\n.\r\r\n", b"\r\n.\n\r", b"\0.\0", b"\n\r.\n\r"]
SECOND = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"


def _try(t, daemon, end):
    """Sends message + end + a second transaction + the true end; returns the replies to it all."""
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    assert client.cmd("DATA").code == 354
    client.send(message("first", b"body") + end + SECOND + b"\r\n.\r\nQUIT\r\n")
    replies = []
    try:
        while True:
            replies.append(client.reply())
            if replies[-1].code == 221:
                break
    except ConnectionError:
        pass
    client.close()
    return replies


def no_variant_ends_a_message_early(t):
    peer = t.peer()
    daemon = t.relay(peer)
    for end in ENDS:
        before = len(peer.messages)
        replies = _try(t, daemon, end)
        codes = [r.code for r in replies]
        assert 354 not in codes, f"{end!r} ended the message: {codes}"
        assert codes.count(250) <= 1, f"{end!r}: {replies}"
        bare = b"\n" in end.replace(b"\r\n", b"") or b"\r" in end.replace(b"\r\n", b"") or b"\0" in end
        if bare:
            assert 250 not in codes, f"{end!r} was accepted: {replies}"
        assert all(m.sender != "evil@example.com" for m in peer.messages), f"{end!r} smuggled"
        assert len(peer.messages) <= before + 1
    assert not peer.seen("RCPT TO:<victim")


def normalise_makes_one_message_of_it(t):
    peer = t.peer()
    daemon = t.relay(peer, {"smtp": {"bare_newline": "normalise"}})
    for end in (end for end in ENDS if b"\0" not in end):
        before = len(peer.messages)
        codes = [r.code for r in _try(t, daemon, end)]
        assert 354 not in codes and codes.count(250) == 1, f"{end!r}: {codes}"
        got = peer.wait(before + 1)[-1]
        # What leaves has no bare CR or LF and only one end, so no later hop can see another.
        assert b"\n" not in got.wire.replace(b"\r\n", b"") and b"\r" not in got.wire.replace(b"\r\n", b""), end
        assert b"Subject: smuggled" in got.data, "the rest is part of the body"
    assert not peer.seen("RCPT TO:<victim")


def bare_line_ends_are_refused_with_a_reason(t):
    daemon = t.daemon()
    for body in (b"one\ntwo\r\n", b"one\rtwo\r\n", b"null\0byte\r\n", b"end\n"):
        client = t.client(daemon)
        client.ehlo()
        client.mail("a@example.com", "b@example.net")
        reply = client.data(message("bare", body))
        assert 500 <= reply.code < 600 and reply.status.startswith("5."), (body, reply)
        assert client.cmd("NOOP").code == 250, "the session goes on"
        client.close()


def binary_bodies_are_spared_and_leave_by_bdat_only(t):
    peer = t.peer()
    daemon = t.relay(peer)
    client = t.client(daemon)
    client.ehlo()
    data = message("binary", b"one\n.\ntwo\r.\r" + SECOND)
    client.mail("a@example.com", "b@example.net", params="BODY=BINARYMIME")
    client.send(b"BDAT %d LAST\r\n" % len(data) + data)
    assert client.reply().code == 250
    assert peer.one().chunks
    assert not peer.seen("RCPT TO:<victim") and not peer.seen("DATA")


def bdat_of_text_with_bare_line_ends_is_refused(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    data = message("text", b"one\n.\ntwo\r\n")
    client.mail("a@example.com", "b@example.net")
    client.send(b"BDAT %d LAST\r\n" % len(data) + data)
    assert client.reply().code >= 500
    assert client.cmd("NOOP").code == 250


def commands_behind_starttls_are_dropped(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    client.send(b"STARTTLS\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.net>\r\n")
    assert client.reply().code == 220
    client.sock = unverified().wrap_socket(client.sock)
    # Had they been kept, their replies would stand before this one; and the transaction would exist.
    client.ehlo()
    assert client.cmd("DATA").code == 503
    assert not client.pending


def what_was_said_before_starttls_is_forgotten(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    client.starttls()
    assert client.cmd("DATA").code == 503
    client.ehlo()
    assert "STARTTLS" not in client.extensions
    assert client.cmd("RCPT TO:<b@example.net>").code == 503


def line_breaks_do_not_get_into_addresses_or_parameters(t):
    peer = t.peer()
    daemon = t.relay(peer)
    for line in (b"MAIL FROM:<a\rRCPT@example.com>", b"MAIL FROM:<a\0b@example.com>", b"MAIL FROM:<a@example.com> ENVID=a\rb",
                 b"MAIL FROM:<\"a\r\"@example.com>", b"MAIL FROM:<a@exam\x7fple.com>"):
        client = t.client(daemon)
        client.ehlo()
        reply = client.cmd(line)
        assert reply.code >= 500, (line, reply)
        client.close()
    client = t.client(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.com> ENVID=a+0D+0AX-Evil:+20yes RET=HDRS")
    client.expect(250, "RCPT TO:<b@example.net> ORCPT=rfc822;x+0D+0AX-Evil:+20yes NOTIFY=FAILURE")
    peer.on("RCPT", "550 5.1.1 no")
    client.data(message())
    peer.wait_attempts("RCPT", 1)
    for session in peer.sessions:
        for who, data in session.transcript:
            assert not (who == "C" and data.startswith(b"X-Evil")), "line break passed on"


def remote_reply_text_stays_out_of_report_headers(t):
    """A peer's reply with odd bytes must not make fields of its own in the report."""
    peer = t.peer()
    sender = t.peer()
    peer.on("RCPT", b"550-5.1.1 no\rAction: delivered\r\n550 5.1.1 X\x0bFinal-Recipient: rfc822;evil@example.org\x00\r\n")
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": sender.address}})
    submit(daemon.smtp, "b@example.net")
    got = sender.one()
    report = Dsn(got.data)
    assert len(report.recipients) == 1
    assert report.recipient("b@example.net")["Action"] == "failed"
    assert b"\r" not in got.data.replace(b"\r\n", b"") and b"\0" not in got.data


def plaintext_after_the_reply_to_starttls_is_not_believed(t):
    """Response injection: what a man in the middle puts behind the 220 must not be taken for TLS-protected replies."""
    for injected in (b"220 go\r\n250-injected\r\n250 DSN\r\n", b"220 go\r\n250", b"220 go\r\n\r\n",
                     b"220-go\r\n220 go\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n250 2.0.0 taken\r\n"):
        peer = t.tls_peer()
        peer.on("STARTTLS", injected)
        daemon = t.relay(peer, {"delivery": {"domains": {"example.net": {"tls": "require"}}}})
        submit(daemon.smtp, "b@example.net")
        peer.wait_attempts("STARTTLS", 1)
        until(lambda: peer.open == 0, 20, "the end of the connection")
        until(lambda: daemon.queue(), 20, "the message in the queue")
        assert not peer.attempted and peer.seen("MAIL") == 0, injected
        daemon.kill()


def stalled_peer_does_not_hold_others(t):
    slow, quick = t.peer(), t.peer()
    slow.on("MAIL", Stall())
    daemon = t.relay(slow, more_domains={"example.org": {"mx_override": quick.address}})
    submit(daemon.smtp, ["a@example.net", "b@example.org"])
    assert quick.one(5).to == ["b@example.org"]
