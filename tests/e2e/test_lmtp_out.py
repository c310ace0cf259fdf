"""LMTP as the way to a next hop: into a real Dovecot, whose answer after the final dot is one for each recipient."""

from harness.smtp import message, submit
from harness.wait import until


def dovecot_takes_mail_over_its_socket_and_refuses_whom_it_does_not_know(t):
    dovecot = t.dovecot("ann@example.net", "bob@example.net")
    daemon = t.daemon({"delivery": {"domains": {"example.net": {"transport": f"lmtp:{dovecot.path}"}}}})
    data = message("by LMTP", b".leading dots\r\n..\r\nlast\r\n")
    submit(daemon.smtp, ["ann@example.net", "nobody@example.net", "bob@example.net"], data)
    for user in ("ann@example.net", "bob@example.net"):
        (got,) = dovecot.wait(user)
        assert data.replace(b"\r\n", b"\n") in got, got
    bounced = until(lambda: daemon.events("message.bounced"), 20, "the third recipient's end")
    assert [(e["recipient"], e["smtp_code"], e["enhanced_code"]) for e in bounced] == \
        [("nobody@example.net", 550, "5.1.1")]
    assert len(until(lambda: len(e := daemon.events("message.delivered")) == 2 and e, 20, "the other two's")) == 2


def many_messages_go_over_few_connections_to_dovecot(t):
    dovecot = t.dovecot("ann@example.net")
    daemon = t.daemon({"delivery": {
        "rate_limit": {"messages_per_second": 0},
        "domains": {"example.net": {"transport": f"lmtp:{dovecot.path}", "max_connections": 2}}}})
    client = t.client(daemon)
    client.ehlo()
    for n in range(40):
        client.mail("a@example.com", "ann@example.net")
        assert client.data(message(f"number {n}")).code == 250
    got = dovecot.wait("ann@example.net", 40)
    assert sorted(int(one.split(b"number ")[1].split()[0]) for one in got) == list(range(40))
    daemon.wait_queue(0)
    assert dovecot.log().count("Connect from") <= 4, dovecot.log()[-2000:]
