"""Clients at their worst. Each test states the bound it checks."""

import resource
import select
import socket
import subprocess
import time

from harness.marks import proof, within
from harness.smtp import Client, Closed, message, submit, unverified
from harness.wait import until

MIB = 1 << 20


def _many_files(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard) if hard != resource.RLIM_INFINITY else count,
                                                    hard))


def _crowd(t, count, limit, config=None):
    """`count` silent connections against a limit: at most `limit` greeted, the rest told 421, memory bounded,
    one more client served as soon as there is room."""
    _many_files(count * 2 + 100)
    daemon = t.daemon({"smtp": {"max_connections": limit, "max_connections_per_client": limit}, **(config or {})})
    before = daemon.memory()
    host, _, port = daemon.smtp.rpartition(":")
    sockets = []
    for number in range(count):
        sock = socket.socket()
        sock.bind((f"127.0.{2 + number // 250}.{1 + number % 250}", 0))
        sock.settimeout(20)
        sock.connect((host, int(port)))
        sockets.append(sock)
    greeted, told = 0, 0
    for sock in sockets:
        try:
            first = sock.recv(3)
        except OSError:
            first = b""
        greeted += first == b"220"
        told += first == b"421"
    assert greeted <= limit and greeted >= limit * 0.95, (greeted, limit)
    assert told >= (count - limit) * 0.95, (told, count - limit)
    grown = daemon.memory() - before
    assert grown < 16 * MIB + limit * 24 * 1024, f"{grown >> 10} KiB for {limit} sessions"
    for sock in sockets:
        sock.close()
    until(lambda: _served(daemon), 20, "a free place")
    submit(daemon.smtp, "b@example.net")


def _served(daemon):
    try:
        with Client(daemon.smtp, timeout=5) as client:
            return client.greeting.code == 220
    except (OSError, Closed):
        return False


@within(90)
def a_thousand_connections_at_once_against_a_limit_of_300(t):
    _crowd(t, 1000, 300)


@proof
@within(300)
def ten_thousand_connections_at_once_against_a_limit_of_5000(t):
    _crowd(t, 10000, 5000)


@within(90)
def twenty_thousand_recipients_in_one_pipeline(t):
    """max_recipients is 1000: as many are taken, the rest refused, memory stays."""
    _recipients(t, 20000)


@proof
@within(300)
def a_hundred_thousand_recipients_in_one_pipeline(t):
    _recipients(t, 100000)


def _recipients(t, count):
    daemon = t.daemon()
    client = t.client(daemon, timeout=60)
    client.ehlo()
    before = daemon.memory()
    client.expect(250, "MAIL FROM:<a@example.com>")
    lines = [b"RCPT TO:<user%06d@example.net>\r\n" % i for i in range(count)]
    codes = {250: 0, 452: 0}
    left = count
    try:
        while left:
            batch, lines = lines[:500], lines[500:]
            client.send(b"".join(batch))
            for _ in batch:
                reply = client.reply()
                codes[reply.code] = codes.get(reply.code, 0) + 1
            left -= len(batch)
    except (ConnectionError, Closed):
        pass  # ended by the limit on errors, which is right as well
    assert codes[250] == 1000, codes
    assert daemon.memory() - before < 8 * MIB
    submit(daemon.smtp, "b@example.net")


def renegotiation_of_tls_is_refused(t):
    """Asked for by a TLS 1.2 client: no CPU for the asking."""
    daemon = t.daemon({"listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "implicit"}]})
    client = subprocess.Popen(["openssl", "s_client", "-connect", daemon.smtp, "-tls1_2"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
    client.stdin.write("R\n")
    try:
        said, _ = client.communicate(timeout=3)
    except subprocess.TimeoutExpired:
        client.kill()
        said, _ = client.communicate()
    assert "RENEGOTIATING" in said, said
    # The first handshake says it twice of a self-signed certificate: once for the error, once for the leaf.
    assert said.count("verify return:") <= 2, "a second handshake: " + said
    t.client(daemon, tls=unverified()).ehlo()


def half_open_handshakes_do_not_stop_others(t):
    """Two hundred clients begin a TLS handshake and never go on."""
    daemon = t.daemon({"smtp": {"max_connections_per_client": 1000, "timeouts": {"command": "3s"}}})
    held = []
    for _ in range(200):
        client = t.client(daemon)
        client.send(b"EHLO x\r\nSTARTTLS\r\n")
        client.reply()
        client.reply()
        client.send(b"\x16\x03\x01\x01\x00\x01")
        held.append(client)
    start = time.monotonic()
    submit(daemon.smtp, "b@example.net", tls=True)
    assert time.monotonic() - start < 2
    deadline = time.monotonic() + 12
    open_ones = {c.sock.fileno(): c for c in held}
    while open_ones and time.monotonic() < deadline:
        for fd in select.select(list(open_ones), [], [], 0.2)[0]:
            try:
                if not open_ones[fd].sock.recv(4096):
                    del open_ones[fd]
            except OSError:
                del open_ones[fd]
    assert not open_ones, f"{len(open_ones)} handshakes are still waited for"


def a_tls_client_that_sends_garbage_records_ends_alone(t):
    daemon = t.daemon({"listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "implicit"}]})
    good = t.client(daemon, tls=unverified())
    good.ehlo()
    for junk in (b"\x17\x03\x03\xff\xff" + b"x" * 70000, b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x01\xff\xff" + b"\0" * 65535):
        raw = t.client(daemon, greet=False)
        try:
            raw.send(junk)
        except OSError:
            pass
        raw.closed(10)
    good.expect(250, "NOOP")


def sessions_that_idle_cost_little(t):
    """500 sessions after EHLO: under 24 KiB each, all included but what the first ones cost once for all."""
    _many_files(2000)
    daemon = t.daemon({"smtp": {"max_connections_per_client": 1000}})
    submit(daemon.smtp, "b@example.net")

    def greeted(count):
        clients = [t.client(daemon) for _ in range(count)]
        for client in clients:
            client.ehlo()
        return clients

    _first = greeted(100)
    before = daemon.memory()
    clients = greeted(500)
    each = (daemon.memory() - before) / len(clients)
    assert each < 24 * 1024, f"{each / 1024:.1f} KiB a session"


def bodies_in_progress_stay_within_the_budget(t):
    """120 clients in the middle of 2 MiB each: far less than that in memory."""
    _many_files(2000)
    daemon = t.daemon({"smtp": {"max_connections_per_client": 1000}})
    submit(daemon.smtp, "b@example.net")
    before = daemon.memory()
    clients = []
    block = (b"x" * 98 + b"\r\n") * 21000
    for _ in range(120):
        client = t.client(daemon, timeout=60)
        client.ehlo()
        client.mail("a@example.com", "b@example.net")
        client.expect(354, "DATA")
        client.send(message() + block)
        clients.append(client)
    grown = daemon.memory() - before
    assert grown < 64 * MIB, f"{grown >> 20} MiB"
    for client in clients:
        client.send(b".\r\n")
    for client in clients:
        assert client.reply().code == 250


@proof
@within(600)
def a_gigabyte_against_a_limit_of_50_megabytes(t):
    """By DATA and by BDAT: 552 or the end of the connection; memory grows by less than 24 MiB, the disk by no more
    than the limit, and nothing stays."""
    daemon = t.daemon()
    submit(daemon.smtp, "b@example.net")
    before, room = daemon.rss(), _disk_used(daemon)
    line = b"x" * 998 + b"\r\n"
    for start in (b"DATA\r\n", b"BDAT %d LAST\r\n" % (len(line) * 1_074_000)):
        client = t.client(daemon, timeout=120)
        client.ehlo()
        refused = client.cmd("MAIL FROM:<a@example.com> SIZE=1074000000")
        assert refused.code == 552 and refused.status == "5.3.4", refused
        client.mail("a@example.com", "b@example.net")
        client.send(start)
        if start.startswith(b"DATA"):
            assert client.reply().code == 354
        most = 0
        try:
            for _ in range(1074):
                client.send(line * 1000)
                most = max(most, _disk_used(daemon) - room)
            if start.startswith(b"DATA"):
                client.send(b".\r\n")
            assert client.reply().code == 552
        except ConnectionError:
            pass
        assert most < 52 * MIB, f"{most >> 20} MiB on the disk"
        client.close()
    assert daemon.rss(peak=True) - before < 24 * MIB
    until(lambda: not list((daemon.spool / "big").iterdir()), 20, "nothing to be left in big/")
    submit(daemon.smtp, "b@example.net")


def _disk_used(daemon):
    return sum(path.stat().st_size for path in (daemon.spool / "big").iterdir())


@proof
@within(300)
def a_header_of_a_hundred_megabytes(t):
    """Refused by the limit of 50 MB; memory grows by less than 24 MiB."""
    daemon = t.daemon()
    client = t.client(daemon, timeout=120)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    client.expect(354, "DATA")
    before = daemon.rss()
    try:
        for number in range(1100):
            client.send(b"".join(b"X-Long-%d: %s\r\n" % (n, b"y" * 900) for n in range(number * 100, number * 100 + 100)))
        client.send(b"\r\nbody\r\n.\r\n")
        assert client.reply().code == 552
    except ConnectionError:
        pass
    assert daemon.rss(peak=True) - before < 24 * MIB
    submit(daemon.smtp, "b@example.net")
