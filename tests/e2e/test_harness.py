"""The harness itself: what the other tests rely on holds before it is turned on the daemon."""

import smtplib
import socket
import subprocess

from harness.control import pack, unpack
from harness.daemon import document
from harness.dns import servfail
from harness.peer import Drop
from harness.smtp import Closed, message, submit


def peer_records_what_it_got_byte_for_byte(t):
    peer = t.peer()
    body = b".\r\n..two\r\n\xff\x00 eight\r\n" + b"x" * 5000 + b"\r\n"
    data = message("exact", body)
    submit(peer.address, ["b@example.net", "c@example.net"], data, params="BODY=8BITMIME", rcpt_params="NOTIFY=NEVER")
    got = peer.one()
    assert got.data == data
    assert got.to == ["b@example.net", "c@example.net"]
    assert got.sender_params == "BODY=8BITMIME" and got.recipients[0][1] == "NOTIFY=NEVER"


def peer_takes_bdat(t):
    peer = t.peer()
    client = t.client(peer.address)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    client.send(b"BDAT 5\r\nab\r\ncBDAT 3 LAST\r\nxyz")
    assert client.reply().code == 250 and client.reply().code == 250
    assert peer.one().data == b"ab\r\ncxyz" and peer.one().chunks == [5, 3]


def peer_follows_its_script(t):
    peer = t.peer()
    peer.on("RCPT", "550 5.1.1 no such user", match="nobody@").on("BODY", ["451 4.3.0 later"]).on("MAIL", Drop(),
                                                                                                 match="drop@")
    client = t.client(peer.address)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    assert client.cmd("RCPT TO:<nobody@example.net>").status == "5.1.1"
    assert client.data(message()).code == 451
    client.mail("a@example.com", "b@example.net")
    assert client.data(message()).code == 250
    try:
        client.cmd("MAIL FROM:<drop@example.com>")
        raise AssertionError("not dropped")
    except Closed:
        pass


def peer_speaks_starttls(t):
    peer = t.tls_peer()
    with smtplib.SMTP(peer.host, peer.port) as client:
        client.starttls()
        client.sendmail("a@example.com", ["b@example.net"], "Subject: x\r\n\r\nhello\r\n")
    assert peer.one().session.tls.startswith("TLSv1")


def swaks_reaches_the_peer(t):
    peer = t.tls_peer()
    done = subprocess.run(["swaks", "--server", peer.host, "--port", str(peer.port), "--from", "a@example.com",
                           "--to", "b@example.net", "--tls", "--body", "from swaks"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"from swaks" in peer.one().body


def knot_answers_from_the_zone(t):
    knot = t.knot("example.net MX 10 mx.example.net\nmx.example.net A 192.0.2.1\nnull.test MX 0 .")
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0\7example\3net\0\0\17\0\1"
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(query, (knot.host, knot.port))
        answer = sock.recv(4096)
        assert answer[:2] == b"\0\7" and answer[3] & 15 == 0 and answer[7] == 1
        sock.sendto(query.replace(b"example", b"missing"), (knot.host, knot.port))
        assert sock.recv(4096)[3] & 15 == 3
    assert servfail(query)[3] & 15 == 2


def a_network_of_its_own_has_port_25(t):
    t.need_net()
    peer = t.peer("192.0.2.7", 25)
    submit("192.0.2.7:25", "b@example.net")
    assert peer.one()
    six = t.peer("2001:db8::7", 25)
    submit("[2001:db8::7]:25", "b@example.net")
    assert six.one()


def postfix_takes_and_keeps_a_message(t):
    postfix = t.postfix()
    submit(postfix.address, "b@example.net", message("kept"))
    assert b"Subject: kept" in postfix.wait(1)[0]


def smtp_source_and_sink_talk(t):
    t.smtp_source(t.smtp_sink(), "-s", 4, "-m", 50, "-l", 4096, "-f", "a@example.com", "-t", "b@example.net")


def messagepack_goes_there_and_back(t):
    value = {"v": 1, "id": 7, "cmd": "queue.list", "args": {"n": -5, "f": 1.5, "l": [None, True, "é" * 300, b"\0"]}}
    assert unpack(pack(value)) == value


def configuration_is_written_as_toml(t):
    text = document({"server": {"threads": 2}, "listener": [{"address": "127.0.0.1:0"}],
                     "delivery": {"retry_min": "1s", "domains": {"a.example": {"tls": "may"}}}})
    import tomllib
    parsed = tomllib.loads(text)
    assert parsed["delivery"]["domains"]["a.example"]["tls"] == "may" and parsed["delivery"]["retry_min"] == "1s"
