"""Next hops at their worst. Whatever they answer, memory is bounded, the connection ends, the message stays."""

import socket

from harness.marks import long, within
from harness.peer import Drip, Drop, Stall
from harness.smtp import message, submit
from harness.wait import until

MIB = 1 << 20
CODES = {"CONNECT": 220, "EHLO": 250, "MAIL": 250, "RCPT": 250, "DATA": 354, "BODY": 250, "QUIT": 221}
NO_BDAT = ["PIPELINING", "8BITMIME"]


class Flood:
    """Sends `block` again and again, until the other end has enough (`cut`) or `limit` octets went out."""

    def __init__(self, block, limit=64 * MIB):
        self.block, self.limit = block, limit
        self.cut = False

    def __call__(self, session, _line):
        try:
            for _ in range(self.limit // len(self.block)):
                session.sock.sendall(self.block)
        except OSError:
            self.cut = True
        return Drop()


def _settled(daemon, peer):
    """The attempt is over: all connections have ended, the message is delivered or waits."""
    until(lambda: peer.sessions and peer.open == 0, 30, "the connection to end")
    assert daemon.running()
    assert daemon.queue() or peer.messages, "the message is gone"


@within(150)
def a_reply_of_a_megabyte_is_bounded_at_every_step(t):
    """As one line and as many; each grows the server by less than 8 MiB."""
    for step, code in CODES.items():
        for long_line in (True, False):
            peer = t.peer(extensions=NO_BDAT)
            end = b"%d end\r\n" % code
            reply = (b"%d-" % code + b"x" * MIB + b"\r\n" if long_line else b"%d-line\r\n" % code * (MIB // 10)) + end
            peer.on(step, [reply])
            daemon = t.relay(peer, {"delivery": {"timeouts": {"quit": "2s"}}})
            before = daemon.rss()
            submit(daemon.smtp, "b@example.net")
            until(lambda: peer.open == 0 and peer.sessions or peer.messages, 30, f"an outcome at {step}")
            assert daemon.rss(peak=True) - before < 8 * MIB, (step, long_line, daemon.rss(peak=True) - before)
            assert daemon.running()
            daemon.kill()


@within(150)
def a_reply_that_never_ends_is_cut_at_every_step(t):
    """One endless line, and lines without end: the connection is closed before 64 MiB, memory grows by less than
    8 MiB, the message waits."""
    for step, code in CODES.items():
        for block in (b"x" * 65536, b"%d-more\r\n" % code * 8000):
            peer = t.peer(extensions=NO_BDAT)
            flood = Flood(b"%d-" % code + block if block[:1] == b"x" else block)
            peer.on(step, flood)
            daemon = t.relay(peer, {"delivery": {"timeouts": {"quit": "2s"}}})
            before = daemon.rss()
            submit(daemon.smtp, "b@example.net")
            if step == "QUIT":
                peer.one()
                daemon.kill()  # an idle connection is kept: QUIT comes when it pleases
                continue
            _settled(daemon, peer)
            assert flood.cut, f"{step}: read it all"
            assert daemon.rss(peak=True) - before < 8 * MIB, (step, daemon.rss(peak=True) - before)
            assert not peer.messages and len(daemon.queue()) == 1, step
            daemon.kill()


@long
def a_peer_that_answers_byte_by_byte_at_every_step_is_understood(t):
    peer = t.peer(extensions=NO_BDAT)
    for step, code in CODES.items():
        peer.on(step, Drip(b"%d-a line before\r\n%d 2.0.0 slowly\r\n" % (code, code), 0.005))
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", message("slowly"))
    assert b"Subject: slowly" in peer.one().data
    daemon.wait_queue(0)


def a_peer_whose_bytes_never_become_a_reply_is_given_up(t):
    """An octet now and then does not start the time of a reply anew: 2 s are allowed, the drops would take minutes."""
    for step in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA"):
        peer = t.peer(extensions=NO_BDAT)
        peer.on(step, Drip(b"%d-" % CODES[step] + b"x" * 5000, 0.1))
        daemon = t.relay(peer, {"delivery": {"timeouts": dict.fromkeys(
            ("connect", "ehlo", "mail_from", "rcpt_to", "data", "quit"), "2s")}})
        submit(daemon.smtp, "b@example.net")
        _settled(daemon, peer)
        assert not peer.messages and len(daemon.queue()) == 1, step
        daemon.kill()


def a_peer_that_closes_its_half_at_any_step_defers(t):
    """It answers, says nothing more ever, and waits for us to go."""
    for step in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA"):
        peer = t.peer(extensions=["8BITMIME"])

        def half(session, _line, code=CODES[step]):
            session.reply(f"{code} 2.0.0 farewell")
            session.sock.shutdown(socket.SHUT_WR)
            return Stall()

        peer.on(step, half)
        daemon = t.relay(peer)
        submit(daemon.smtp, "b@example.net")
        _settled(daemon, peer)
        assert len(daemon.queue()) == 1, step
        daemon.kill()
