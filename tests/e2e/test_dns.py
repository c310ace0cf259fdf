"""The way mail finds: a real name server and peers on port 25 of 192.0.2.0/24, all inside the test's own network."""

import socket

from harness.daemon import merged
from harness.dns import servfail
from harness.peer import Drop
from harness.smtp import message, submit
from harness.text import Dsn
from harness.wait import stays, until

BACK = "example.com MX 10 back.example.com\nback.example.com A 192.0.2.200\n"


def _setup(t, zone, config=None):
    """A daemon on a real zone, where mail to example.com (the sender) ends at `back`."""
    t.need_net()
    knot = t.knot(zone + "\n" + BACK)
    back = t.peer("192.0.2.200", 25)
    daemon = t.daemon(merged({"dns": {"servers": [knot.address]},
                              "delivery": {"timeouts": {"connect": "2s"}}}, config or {}))
    return daemon, back, knot


def mail_goes_to_the_most_preferred_mx(t):
    daemon, _, _ = _setup(t, "example.net MX 20 two.example.net\nexample.net MX 10 one.example.net\n"
                             "one.example.net A 192.0.2.1\ntwo.example.net A 192.0.2.2")
    one, two = t.peer("192.0.2.1", 25), t.peer("192.0.2.2", 25)
    submit(daemon.smtp, "b@example.net")
    one.one()
    assert not two.sessions


def the_next_mx_is_tried_when_one_is_away_or_says_4xx(t):
    daemon, _, _ = _setup(t, "example.net MX 10 away.example.net\nexample.net MX 20 busy.example.net\n"
                             "example.net MX 30 drops.example.net\nexample.net MX 40 good.example.net\n"
                             "away.example.net A 192.0.2.1\nbusy.example.net A 192.0.2.2\n"
                             "drops.example.net A 192.0.2.3\ngood.example.net A 192.0.2.4")
    busy = t.peer("192.0.2.2", 25, banner="421 4.3.2 busy")
    drops = t.peer("192.0.2.3", 25)
    drops.on("CONNECT", Drop())
    good = t.peer("192.0.2.4", 25)
    submit(daemon.smtp, "b@example.net")
    good.one()
    assert busy.sessions and drops.sessions


def a_5xx_for_a_recipient_is_not_tried_at_the_next_mx(t):
    daemon, back, _ = _setup(t, "example.net MX 10 one.example.net\nexample.net MX 20 two.example.net\n"
                                "one.example.net A 192.0.2.1\ntwo.example.net A 192.0.2.2")
    one, two = t.peer("192.0.2.1", 25), t.peer("192.0.2.2", 25)
    one.on("RCPT", "550 5.1.1 no")
    submit(daemon.smtp, "b@example.net")
    assert Dsn(back.one().data).recipient("b@example.net")["Action"] == "failed"
    assert not two.sessions


def what_one_mx_cannot_take_goes_to_the_next(t):
    """It bounces only when none can."""
    daemon, back, _ = _setup(t, "example.net MX 10 one.example.net\nexample.net MX 20 two.example.net\n"
                                "one.example.net A 192.0.2.1\ntwo.example.net A 192.0.2.2")
    one = t.peer("192.0.2.1", 25, extensions=["PIPELINING", "SIZE 1000", "ENHANCEDSTATUSCODES"])
    two = t.peer("192.0.2.2", 25, extensions=["PIPELINING", "SIZE 4000", "SMTPUTF8", "8BITMIME", "ENHANCEDSTATUSCODES"])
    submit(daemon.smtp, "b@example.net", message(body=b"x" * 70 + b"\r\n" + b"y" * 900 + b"\r\n"))
    assert two.one().to == ["b@example.net"]
    submit(daemon.smtp, "jürgen@example.net", message("x"), params="SMTPUTF8")
    two.wait(2)
    assert one.sessions and not one.messages
    submit(daemon.smtp, "b@example.net", message(body=(b"z" * 70 + b"\r\n") * 100))
    assert b"5.3.4" in back.one().data


def equal_preferences_share_the_mail(t):
    daemon, _, _ = _setup(t, "example.net MX 10 one.example.net\nexample.net MX 10 two.example.net\n"
                             "one.example.net A 192.0.2.1\ntwo.example.net A 192.0.2.2",
                          {"delivery": {"domains": {"example.net": {"max_connections": 20}}}})
    peers = [t.peer("192.0.2.1", 25), t.peer("192.0.2.2", 25)]
    for peer in peers:  # a connection serves one message, so that each message chooses
        peer.on("BODY", lambda session, line: None)
        peer.on("MAIL", lambda session, line: "421 4.3.2 one is enough" if session.messages else None)
    for number in range(40):
        submit(daemon.smtp, f"b{number}@example.net")
    until(lambda: (daemon.retry_all(), sum(len(p.messages) for p in peers) >= 40)[1], 40, "forty messages", step=0.5)
    assert all(len(p.messages) >= 3 for p in peers), [len(p.messages) for p in peers]


def a_domain_without_mx_gets_mail_at_its_address(t):
    daemon, _, _ = _setup(t, "example.net A 192.0.2.1")
    peer = t.peer("192.0.2.1", 25)
    submit(daemon.smtp, "b@example.net")
    peer.one()


def an_ipv6_only_host_is_reached(t):
    daemon, _, _ = _setup(t, "example.net MX 10 six.example.net\nsix.example.net AAAA 2001:db8::1")
    peer = t.peer("2001:db8::1", 25)
    submit(daemon.smtp, "b@example.net")
    peer.one()


def trouble_with_ipv6_falls_back_to_ipv4(t):
    daemon, _, _ = _setup(t, "example.net MX 10 both.example.net\nboth.example.net AAAA 2001:db8::1\n"
                             "both.example.net AAAA 2001:db8:ffff::1\nboth.example.net A 192.0.2.1")
    peer = t.peer("192.0.2.1", 25)
    submit(daemon.smtp, "b@example.net")
    peer.one()


def a_null_mx_is_refused_at_once(t):
    """RFC 7505 §4.1: 5.1.10"""
    daemon, back, _ = _setup(t, "example.net MX 0 .\nexample.net A 192.0.2.1")
    peer = t.peer("192.0.2.1", 25)
    submit(daemon.smtp, "b@example.net")
    assert str(Dsn(back.one().data).recipient("b@example.net")["Status"]).startswith("5.1.10")
    assert not peer.sessions


def a_domain_that_is_not_there_is_refused_at_once(t):
    daemon, back, _ = _setup(t, "")
    submit(daemon.smtp, "b@no-such.example.net")
    r = Dsn(back.one().data).recipient("b@no-such.example.net")
    assert str(r["Status"]).startswith("5.1.2"), r.items()


def a_domain_without_any_address_is_refused(t):
    daemon, back, _ = _setup(t, "example.net TXT hello")
    submit(daemon.smtp, "b@example.net")
    assert str(Dsn(back.one().data).recipient("b@example.net")["Status"]).startswith("5.")


def an_mx_that_names_nothing_is_passed_over(t):
    daemon, _, _ = _setup(t, "example.net MX 10 gone.example.net\nexample.net MX 20 two.example.net\n"
                             "two.example.net A 192.0.2.2")
    peer = t.peer("192.0.2.2", 25)
    submit(daemon.smtp, "b@example.net")
    peer.one()


def an_alias_is_followed(t):
    daemon, _, _ = _setup(t, "alias.example.net CNAME example.net\nexample.net MX 10 one.example.net\n"
                             "one.example.net A 192.0.2.1")
    peer = t.peer("192.0.2.1", 25)
    submit(daemon.smtp, "b@alias.example.net")
    assert peer.one().to == ["b@alias.example.net"]


def an_alias_loop_is_no_endless_loop(t):
    daemon, _, _ = _setup(t, "a.example.net CNAME b.example.net\nb.example.net CNAME a.example.net")
    submit(daemon.smtp, "b@a.example.net")
    until(lambda: not daemon.queue() or daemon.queue()[0]["recipients"][0]["attempts"], 20, "an outcome")
    assert daemon.running()


def a_silent_name_server_defers(t):
    t.need_net()
    hole = t.black_hole()
    daemon = t.daemon({"dns": {"servers": [hole.address]}})
    submit(daemon.smtp, "b@example.net")
    until(lambda: hole.queries, 10, "a query")
    stays(lambda: len(daemon.queue()) == 1, 0.5)


def servfail_defers_and_recovers(t):
    t.need_net()
    hole = t.black_hole(answer=servfail)
    daemon = t.daemon({"dns": {"servers": [hole.address]}})
    submit(daemon.smtp, "b@example.net")
    until(lambda: daemon.queue() and daemon.queue()[0]["recipients"][0]["attempts"], 20, "an attempt")
    assert str(daemon.queue()[0]).find("4.4.3") >= 0, daemon.queue()


def a_second_name_server_is_asked_when_the_first_is_silent(t):
    t.need_net()
    hole = t.black_hole()
    knot = t.knot("example.net A 192.0.2.1")
    peer = t.peer("192.0.2.1", 25)
    daemon = t.daemon({"dns": {"servers": [hole.address, knot.address]}})
    submit(daemon.smtp, "b@example.net")
    peer.one(30)


def an_address_literal_needs_no_dns(t):
    t.need_net()
    hole = t.black_hole()
    peer = t.peer("192.0.2.1", 25)
    daemon = t.daemon({"dns": {"servers": [hole.address]}})
    submit(daemon.smtp, "b@[192.0.2.1]")
    assert peer.one().to == ["b@[192.0.2.1]"]
    six = t.peer("2001:db8::1", 25)
    submit(daemon.smtp, "b@[IPv6:2001:db8::1]")
    six.one()


def answers_are_cached_for_their_time(t):
    t.need_net()
    queries = []
    knot = t.knot("example.net MX 10 one.example.net\none.example.net A 192.0.2.1")
    def forward(query):
        queries.append(query)
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.sendto(query, (knot.host, knot.port))
            return sock.recv(4096)

    hole = t.black_hole(answer=forward)
    peer = t.peer("192.0.2.1", 25)
    daemon = t.daemon({"dns": {"servers": [hole.address]}})
    submit(daemon.smtp, "b@example.net")
    peer.wait(1)
    first = len(queries)
    for number in range(5):
        submit(daemon.smtp, "b@example.net", message(f"again {number}"))
    peer.wait(6)
    assert len(queries) == first, f"{len(queries) - first} more queries"


def mail_for_ourselves_is_no_loop(t):
    """The MX is this very server: no mail goes round and round."""
    daemon, back, _ = _setup(t, "example.net MX 10 mx.posthorn.test\nmx.posthorn.test A 192.0.2.1",
                             {"listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "none"},
                                           {"protocol": "smtp", "address": "192.0.2.1:25", "tls": "none"}]})
    submit(daemon.smtp, "b@example.net")
    r = Dsn(back.one().data).recipient("b@example.net")
    assert str(r["Status"]).startswith("5.4.6"), r.items()


def a_smarthost_gets_everything(t):
    t.need_net()
    peer = t.peer()
    daemon = t.daemon({"delivery": {"domains": {"*": {"smarthost": peer.address}}}})
    submit(daemon.smtp, ["b@example.net", "c@example.org"])
    until(lambda: sum(len(m.to) for m in peer.messages) == 2, 20, "both recipients")


def mx_wins_over_address(t):
    daemon, _, _ = _setup(t, "example.net MX 10 one.example.net\nexample.net A 192.0.2.9\none.example.net A 192.0.2.1")
    wrong = t.peer("192.0.2.9", 25)
    right = t.peer("192.0.2.1", 25)
    submit(daemon.smtp, "b@example.net")
    right.one()
    assert not wrong.sessions
