"""What the receiver says and refuses."""

import ipaddress
import socket
import struct

from harness.smtp import Closed, message, submit


def the_greeting_names_the_server_and_ehlo_its_extensions(t):
    daemon = t.daemon()
    client = t.client(daemon)
    assert client.greeting.code == 220 and client.greeting.text.startswith("mx.posthorn.test ESMTP")
    reply = client.ehlo()
    assert reply.lines[0][4:].startswith("mx.posthorn.test")
    have = client.extensions
    for name in ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "STARTTLS", "CHUNKING", "BINARYMIME", "DSN",
                 "ENHANCEDSTATUSCODES", "LIMITS", "HELP"):
        assert name in have, f"no {name} in {sorted(have)}"
    assert have["SIZE"] == str(50 * 1024 * 1024)
    assert "RCPTMAX=1000" in have["LIMITS"]


def helo_shows_no_extensions(t):
    client = t.client(t.daemon())
    reply = client.expect(250, "HELO old.example.com")
    assert len(reply.lines) == 1
    client.mail("a@example.com", "b@example.net")
    assert client.data(message()).code == 250


def a_stranger_may_not_relay(t):
    """Not an open relay: without relay networks, only for relay domains."""
    daemon = t.daemon({"smtp": {"relay_networks": [], "relay_domains": ["example.net"]}})
    client = t.client(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.com>")
    for address in ("x@elsewhere.example", "x%elsewhere.example@example.org", "@example.net:x@elsewhere.example",
                    '"x@elsewhere.example"@example.org', "x@example.net.evil.example", "x@[192.0.2.1]"):
        reply = client.cmd(f"RCPT TO:<{address}>")
        assert reply.code == 550 and reply.status == "5.7.1", (address, reply)
    client.expect(250, "RCPT TO:<b@EXAMPLE.net>")
    assert client.data(message()).code == 250


def the_default_serves_loopback_only(t):
    t.need_net()
    daemon = t.daemon({"listener": [{"protocol": "smtp", "address": "192.0.2.1:2525", "tls": "none"}]})
    client = t.client("192.0.2.1:2525", source="192.0.2.99")
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.com>")
    reply = client.cmd("RCPT TO:<b@example.net>")
    assert reply.code == 550 and reply.status == "5.7.1", reply
    assert daemon.running()


def commands_out_of_order_get_503(t):
    client = t.client(t.daemon())
    for line in ("RCPT TO:<b@example.net>", "DATA", "BDAT 0 LAST"):
        assert client.cmd(line).code == 503, line
    client.ehlo()
    for line in ("RCPT TO:<b@example.net>", "DATA"):
        assert client.cmd(line).code == 503, line
    client.expect(250, "MAIL FROM:<a@example.com>")
    assert client.cmd("MAIL FROM:<a@example.com>").code == 503
    assert client.cmd("DATA").code in (503, 554)
    client.expect(250, "RSET")
    assert client.cmd("RCPT TO:<b@example.net>").code == 503
    assert client.cmd("QUIT").code == 221
    assert client.closed()


def bad_syntax_gets_its_code(t):
    client = t.client(t.daemon({"smtp": {}}))
    client.ehlo()
    for line, codes in (("MAIL FROM:a b@example.com", (501,)), ("MAIL FROM:<a@example.com> FOO=bar", (555,)),
                        ("MAIL FROM:<a@example.com> SIZE=x", (501,)), ("MAIL", (501,)),
                        ("MAIL FROM:<a@example.com> BODY=9BIT", (501, 555)), ("EHLO", (501,)),
                        ("NONSENSE", (500,)), ("VRFY b@example.net", (252,)), ("NOOP anything", (250,))):
        reply = client.cmd(line)
        assert reply.code in codes, (line, reply)


def verbs_and_keywords_are_case_blind(t):
    client = t.client(t.daemon())
    client.expect(250, "eHlO x.example.com")
    client.expect(250, "mail from:<a@example.com> body=8bitmime size=10")
    client.expect(250, "rcpt To:<b@example.net> notify=never")
    assert client.data(message()).code == 250


def an_announced_size_over_the_limit_is_refused_at_once(t):
    client = t.client(t.daemon({"smtp": {"max_message_size": "64KiB"}}))
    client.ehlo()
    assert client.extensions["SIZE"] == "65536"
    reply = client.cmd("MAIL FROM:<a@example.com> SIZE=65537")
    assert reply.code == 552 and reply.status == "5.3.4", reply
    client.expect(250, "MAIL FROM:<a@example.com> SIZE=65536")


def a_message_over_the_limit_is_refused_and_the_session_goes_on(t):
    peer = t.peer()
    daemon = t.relay(peer, {"smtp": {"max_message_size": "64KiB"}})
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    reply = client.data(message("big", b"x" * 98 + b"\r\n" + (b"y" * 98 + b"\r\n") * 1000))
    assert reply.code == 552 and reply.status == "5.3.4", reply
    client.mail("a@example.com", "b@example.net")
    assert client.data(message("small")).code == 250
    assert b"Subject: small" in peer.one().data
    # by BDAT as well
    client.mail("a@example.com", "b@example.net")
    client.send(b"BDAT 70000 LAST\r\n" + (b"z" * 98 + b"\r\n") * 700)
    reply = client.reply()
    assert reply.code == 552, reply
    assert client.cmd("RSET").code == 250
    assert len(peer.messages) == 1


def too_many_recipients_get_452(t):
    """RFC 5321 §4.5.3.1.10"""
    peer = t.peer()
    daemon = t.relay(peer, {"smtp": {"max_recipients": 5}})
    client = t.client(daemon)
    client.ehlo()
    assert "RCPTMAX=5" in client.extensions["LIMITS"]
    client.expect(250, "MAIL FROM:<a@example.com>")
    codes = [client.cmd(f"RCPT TO:<u{i}@example.net>").code for i in range(7)]
    assert codes == [250] * 5 + [452] * 2, codes
    assert client.data(message()).code == 250
    assert len(peer.one().to) == 5


def an_endless_line_does_not_fill_memory(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    before = daemon.rss()
    try:
        for _ in range(100):
            client.send(b"A" * 100000)
        client.send(b"\r\n")
        assert client.reply().code == 500
    except (Closed, ConnectionError):
        pass
    assert daemon.rss() - before < 8 << 20, f"{(daemon.rss() - before) >> 10} KiB more"
    submit(daemon.smtp, "b@example.net")


def an_endless_stream_of_errors_ends_the_session(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    try:
        for _ in range(200):
            reply = client.cmd("NONSENSE")
            if reply.code == 421:
                return
            assert reply.code == 500
    except (Closed, ConnectionError):
        return
    raise AssertionError("200 errors and still served")


def a_mail_loop_is_ended_by_its_received_lines(t):
    client = t.client(t.daemon())
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    hops = b"".join(b"Received: from a by b; Sat, 21 Nov 2026 10:00:%02d +0000\r\n" % (i % 60) for i in range(120))
    reply = client.data(hops + message())
    assert reply.code == 554 and reply.status == "5.4.6", reply


def undeclared_8_bit_is_taken_as_8bitmime(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", message("eight", b"\xe4\xf6\xfc\r\n"))
    assert "8BITMIME" in peer.one().sender_params.upper()


def strict_8bit_refuses_it(t):
    client = t.client(t.daemon({"smtp": {"strict_8bit": True}}))
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    reply = client.data(message("eight", b"\xe4\xf6\xfc\r\n"))
    assert reply.code in (550, 554) and reply.status.startswith("5.6."), reply
    client.mail("a@example.com", "b@example.net", params="BODY=8BITMIME")
    assert client.data(message("eight", b"\xe4\xf6\xfc\r\n")).code == 250


def xclient_gives_the_true_client(t):
    peer = t.peer()
    daemon = t.relay(peer, {"smtp": {"xclient_networks": ["127.0.0.0/8"]}})
    client = t.client(daemon)
    client.ehlo("front.example.com")
    assert "XCLIENT" in client.extensions
    client.expect(220, "XCLIENT NAME=true.example.com ADDR=127.0.0.77 PORT=4242 HELO=true.example.com")
    client.ehlo("true.example.com")
    client.mail("a@example.com", "b@example.net")
    assert client.data(message()).code == 250
    assert b"[127.0.0.77]" in peer.one().headers
    # and it is the true client whose rights count
    client = t.client(daemon)
    client.ehlo()
    client.expect(220, "XCLIENT ADDR=198.51.100.7 NAME=[UNAVAILABLE]")
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.com>")
    assert client.cmd("RCPT TO:<b@example.net>").code == 550


def xclient_from_elsewhere_is_refused(t):
    client = t.client(t.daemon())
    client.ehlo()
    assert "XCLIENT" not in client.extensions
    assert client.cmd("XCLIENT ADDR=127.0.0.1").code in (500, 502, 550)


def _v2(source, target, *, command=1):
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    family = 0x11 if source.version == 4 else 0x21
    payload = source.packed + target.packed + struct.pack(">HH", 4242, 25)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) + struct.pack(">H", len(payload)) + payload


def the_proxy_protocol_gives_the_true_client(t):
    peer = t.peer()
    daemon = t.relay(peer, {"smtp": {"proxy_networks": ["127.0.0.0/8"], "relay_domains": ["example.net"]}})
    headers = [(b"PROXY TCP4 192.0.2.55 192.0.2.1 4242 25\r\n", b"[192.0.2.55]"),
               (b"PROXY TCP6 2001:db8::55 2001:db8::1 4242 25\r\n", b"[IPv6:2001:db8::55]"),
               (_v2("192.0.2.56", "192.0.2.1"), b"[192.0.2.56]"),
               (_v2("2001:db8::56", "2001:db8::1"), b"[IPv6:2001:db8::56]")]
    for number, (header, want) in enumerate(headers):
        client = t.client(daemon, prefix=header)
        client.ehlo()
        client.mail("a@example.com", "b@example.net")
        assert client.data(message(f"proxied {number}")).code == 250
        client.cmd("QUIT")
        assert want in peer.wait(number + 1)[-1].headers, want
    # LOCAL (a health check of the proxy) keeps the connection's own address
    client = t.client(daemon, prefix=b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    assert client.data(message("local")).code == 250
    assert b"[127.0.0.1]" in peer.wait(len(headers) + 1)[-1].headers


def a_broken_proxy_header_ends_the_connection(t):
    daemon = t.daemon({"smtp": {"proxy_networks": ["127.0.0.0/8"]}})
    for header in (b"PROXY TCP4 999.0.0.1 1.2.3.4 1 2\r\n", b"EHLO x\r\n", b"PROXY " + b"x" * 200 + b"\r\n",
                   b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c" + b"\0" * 12):
        client = t.client(daemon, prefix=header, greet=False)
        assert client.closed(10), header
        assert not client.pending.startswith(b"220"), (header, client.pending)


def several_listeners_each_with_its_own_ways(t):
    daemon = t.daemon({"listener": [
        {"protocol": "smtp", "address": "127.0.0.1:0", "tls": "none", "max_message_size": "1MiB"},
        {"protocol": "smtp", "address": "127.0.0.1:0", "tls": "starttls"}] + (
            [{"protocol": "smtp", "address": "[::1]:0", "tls": "none"}] if _has_ipv6() else [])})
    plain, tls = t.client(daemon.endpoint("smtp", 0)), t.client(daemon.endpoint("smtp", 1))
    plain.ehlo()
    tls.ehlo()
    assert "STARTTLS" not in plain.extensions and "STARTTLS" in tls.extensions
    assert plain.extensions["SIZE"] == "1048576" and tls.extensions["SIZE"] == str(50 << 20)
    assert plain.cmd("STARTTLS").code in (500, 502, 503)
    if _has_ipv6():
        six = t.client(daemon.endpoint("smtp", 2))
        six.ehlo()
        six.mail("a@example.com", "b@example.net")
        assert six.data(message()).code == 250


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


def a_client_that_leaves_in_the_middle_leaves_nothing(t):
    peer = t.peer()
    daemon = t.relay(peer)
    for cut in (b"", b"Subject: half\r\n\r\nbody", b"Subject: half\r\n\r\nbody\r\n", b"Subject: half\r\n\r\nbody\r\n."):
        client = t.client(daemon)
        client.ehlo()
        client.mail("a@example.com", "b@example.net")
        client.expect(354, "DATA")
        client.send(cut)
        client.close()
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    client.send(b"BDAT 100\r\n" + b"x" * 50)
    client.close()
    submit(daemon.smtp, "b@example.net", message("whole"))
    assert b"Subject: whole" in peer.one().data
    daemon.wait_queue(0)
    assert len(peer.messages) == 1


def a_half_closed_client_still_gets_its_reply(t):
    peer = t.peer()
    daemon = t.relay(peer)
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    client.expect(354, "DATA")
    client.send(message() + b".\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.reply().code == 250
    peer.one()
