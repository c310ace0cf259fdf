"""Clients that hold what they have: an octet now and then, half a handshake, half a connection. Each is ended, what
it held is given back, and nothing of an unfinished message stays."""

import os
import select
import socket
import ssl
import struct
from pathlib import Path

from harness.smtp import submit, unverified
from harness.wait import until

LIMITS = {"smtp": {"max_connections_per_client": 1000,
                   "timeouts": {"command": "3s", "data_init": "3s", "data_block": "3s", "data_termination": "5s",
                                "connection": "60s"}}}
STATES = ("greeted", "hello", "mail", "rcpt", "data", "body", "bdat")


def _at(t, daemon, state):
    """A client in this state of a session."""
    client = t.client(daemon)
    depth = STATES.index(state)
    if depth > 0:
        client.ehlo()
    if depth > 1:
        client.expect(250, "MAIL FROM:<a@example.com>")
    if depth > 2:
        client.expect(250, "RCPT TO:<b@example.net>")
    if state in ("data", "body"):
        client.expect(354, "DATA")
    if state == "body":
        client.send(b"Subject: half\r\n\r\n" + b"x" * 70 + b"\r\n")
    if state == "bdat":
        client.send(b"BDAT 200000 LAST\r\n")
    return client


def _held(daemon):
    """Sockets and files of bodies that are open."""
    found = 0
    for path in Path(f"/proc/{daemon.pid}/fd").iterdir():
        try:
            target = os.readlink(path)
        except OSError:
            continue
        found += target.startswith("socket:") or "/big/" in target
    return found


def _hello():
    """The first flight of a TLS client."""
    outgoing = ssl.MemoryBIO()
    tls = unverified().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def a_client_that_drips_is_ended_in_every_state(t):
    """One octet each fifth of a second, three seconds allowed: the wait is for a whole command, a whole block, a whole
    handshake, however many octets come."""
    daemon = t.daemon(LIMITS)
    clients = {}
    for state in STATES:
        client = _at(t, daemon, state)
        clients[client.sock] = (state, iter(b"x" * 1000))
    shaking = t.client(daemon)
    shaking.ehlo()
    shaking.expect(220, "STARTTLS")
    clients[shaking.sock] = ("handshake", iter(_hello()))
    within = t.client(daemon)
    within.ehlo()
    within.starttls()
    clients[within.sock] = ("within TLS", iter(b"EHLO " + b"x" * 1000))
    ended = {}
    for _ in range(150):
        for sock in select.select(list(clients), [], [], 0.2)[0]:
            try:
                said = sock.recv(4096)
            except OSError:
                said = b""
            state = clients[sock][0]
            ended[state] = ended.get(state, b"") + said
            if not said:
                del clients[sock]
        for sock, (_, octets) in list(clients.items()):
            try:
                sock.send(bytes([next(octets)]))
            except OSError:
                clients.pop(sock)
        if not clients:
            break
    assert not clients, f"still served: {[state for state, _ in clients.values()]}"
    for state, said in ended.items():
        if state != "handshake":
            assert not said or said.startswith(b"421 4.4.2"), (state, said)
    submit(daemon.smtp, "b@example.net")


def a_client_that_closes_its_half_in_any_state_is_ended(t):
    """Nothing of it stays: no session, no file, no message."""
    daemon = t.daemon()
    before = _held(daemon)
    for state in STATES:
        client = _at(t, daemon, state)
        if state in ("body", "bdat"):
            client.send((b"x" * 78 + b"\r\n") * 2200)  # beyond what stays in memory
        client.sock.shutdown(socket.SHUT_WR)
        assert client.closed(20), f"{state}: not closed"
        assert b"250 2" not in client.pending, (state, client.pending)
    until(lambda: _held(daemon) <= before, 20, "the sockets and files to be closed")
    assert not list((daemon.spool / "big").iterdir())
    assert not daemon.queue()


def commands_before_a_half_close_are_answered(t):
    """A whole pipeline, then FIN: each command is answered before the connection ends."""
    daemon = t.daemon()
    client = t.client(daemon)
    client.send(b"EHLO x\r\n" + b"NOOP\r\n" * 500 + b"MAIL FROM:<a@example.com>\r\nRSET\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    assert [client.reply().code for _ in range(503)] == [250] * 503
    assert client.closed(20)


def a_handshake_cut_at_any_place_frees_its_session(t):
    """By FIN and by RST."""
    daemon = t.daemon()
    submit(daemon.smtp, "b@example.net", tls=True)
    before = _held(daemon)
    hello = _hello()
    for cut in (0, 1, 4, 5, 6, 43, len(hello) // 2, len(hello) - 1, len(hello)):
        for reset in (False, True):
            client = t.client(daemon)
            client.ehlo()
            client.expect(220, "STARTTLS")
            client.send(hello[:cut])
            if reset:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sock.close()
            else:
                client.sock.shutdown(socket.SHUT_WR)
                assert client.closed(20), f"cut at {cut}: not closed"
    until(lambda: _held(daemon) <= before, 20, "the sockets to be closed")
    submit(daemon.smtp, "b@example.net", tls=True)
