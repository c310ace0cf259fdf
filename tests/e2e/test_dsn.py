"""Reports to the sender: one for each failure that asks for it, with the true reasons."""

import email.utils
import re

from harness.peer import EXTENSIONS
from harness.smtp import message, submit
from harness.text import Dsn, dsns
from harness.wait import stays, until


def _setup(t, config=None, **peer_options):
    """A next hop for example.net, the sender's own server for example.com, and the daemon between."""
    peer, back = t.peer(**peer_options), t.peer(hostname="mx.example.com")
    daemon = t.relay(peer, config, more_domains={"example.com": {"mx_override": back.address}})
    return daemon, peer, back


def a_refused_recipient_is_reported_with_the_remote_reply(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 5.1.1 <nobody@example.net>: no such user")
    submit(daemon.smtp, "nobody@example.net", message("lost"), params="ENVID=abc+2B123")
    got = back.one()
    assert got.sender == "" and got.to == ["a@example.com"]
    report = Dsn(got.data)
    head = report.message
    assert "a@example.com" in head["To"]
    assert head["Auto-Submitted"] and head["Auto-Submitted"].startswith("auto-")
    assert head["Message-ID"] and head["Date"] and head["Subject"] and head["MIME-Version"] == "1.0"
    assert "nobody@example.net" in report.text and "no such user" in report.text
    about = report.about
    assert str(about["Reporting-MTA"]).lower().replace(" ", "") == "dns;mx.posthorn.test"
    assert about["Original-Envelope-Id"] == "abc+123"
    assert email.utils.parsedate_to_datetime(str(about["Arrival-Date"]))
    r = report.recipient("nobody@example.net")
    assert str(r["Final-Recipient"]).lower().replace(" ", "") == "rfc822;nobody@example.net"
    assert r["Action"] == "failed" and str(r["Status"]).startswith("5.1.1")
    assert re.match(r"smtp; ?550", str(r["Diagnostic-Code"])) and "no such user" in str(r["Diagnostic-Code"])
    assert str(r["Remote-MTA"]).lower().startswith("dns;")
    assert email.utils.parsedate_to_datetime(str(r["Last-Attempt-Date"]))
    assert report.returned is not None and "Subject: lost" in report.returned_text
    daemon.wait_queue(0)
    assert len(back.messages) == 1


def a_5xx_at_each_step_is_reported(t):
    for step, text in (("MAIL", "553 5.1.8 bad sender"), ("RCPT", "554 5.7.1 no"), ("DATA", "554 5.3.0 no"),
                       ("BODY", "554 5.6.0 bad content")):
        daemon, peer, back = _setup(t, extensions=["PIPELINING", "ENHANCEDSTATUSCODES"])
        peer.on(step, text)
        submit(daemon.smtp, "b@example.net")
        report = Dsn(back.one().data)
        assert str(report.recipient("b@example.net")["Status"]).startswith(text.split()[1]), (step, report.recipients)
        daemon.wait_queue(0)
        daemon.end()


def a_reply_without_an_enhanced_code_gets_a_fitting_one(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 mailbox unavailable")
    submit(daemon.smtp, "b@example.net")
    status = str(Dsn(back.one().data).recipient("b@example.net")["Status"])
    assert re.match(r"5\.\d\.\d", status)


def ret_full_returns_the_whole_message_ret_hdrs_the_headers(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 5.1.1 no")
    submit(daemon.smtp, "b@example.net", message("full", b"the body itself\r\n"), params="RET=FULL")
    submit(daemon.smtp, "b@example.net", message("hdrs", b"the body itself\r\n"), params="RET=HDRS")
    back.wait(2)
    for report in dsns(back):
        text = report.returned_text
        if "Subject: full" in text:
            assert report.returned.get_content_type() in ("message/rfc822", "message/global")
            assert "the body itself" in text
        else:
            assert report.returned.get_content_type() in ("text/rfc822-headers", "message/global-headers")
            assert "Subject: hdrs" in text and "the body itself" not in text


def notify_never_is_silent(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 5.1.1 no")
    submit(daemon.smtp, "b@example.net", rcpt_params="NOTIFY=NEVER")
    daemon.wait_queue(0)
    stays(lambda: not back.messages, 1)


def notify_without_failure_is_silent_on_failure(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 5.1.1 no")
    submit(daemon.smtp, "b@example.net", rcpt_params="NOTIFY=DELAY")
    daemon.wait_queue(0)
    stays(lambda: not back.messages, 1)


def only_recipients_that_ask_for_it_stand_in_the_report(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 5.1.1 no")
    client = t.client(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.com>")
    client.expect(250, "RCPT TO:<loud@example.net> NOTIFY=FAILURE ORCPT=rfc822;orig@example.org")
    client.expect(250, "RCPT TO:<quiet@example.net> NOTIFY=NEVER")
    client.expect(250, "RCPT TO:<plain@example.net>")
    client.data(message())
    report = Dsn(back.one().data)
    assert len(report.recipients) == 2
    loud = report.recipient("loud@example.net")
    assert str(loud["Original-Recipient"]).replace(" ", "") == "rfc822;orig@example.org"
    assert report.recipient("plain@example.net")
    assert len(back.messages) == 1


def recipients_that_fail_together_share_a_report(t):
    other = t.peer()
    other.on("RCPT", "550 5.1.1 not here either")
    peer, back = t.peer(), t.peer()
    peer.on("RCPT", "550 5.1.1 no", match="bad")
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": back.address},
                                         "example.org": {"mx_override": other.address}})
    submit(daemon.smtp, ["bad1@example.net", "good@example.net", "bad2@example.net", "x@example.org"])
    report = Dsn(back.one().data)
    assert len(report.recipients) == 3, [str(r["Final-Recipient"]) for r in report.recipients]
    assert peer.one().to == ["good@example.net"]
    daemon.wait_queue(0)
    assert len(back.messages) == 1


def a_report_is_never_answered_by_a_report(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 5.1.1 no")
    submit(daemon.smtp, "b@example.net", sender="")
    daemon.wait_queue(0)
    stays(lambda: not back.messages, 1)
    # and a report that cannot be delivered ends there
    back.on("RCPT", "550 5.1.1 no sender either")
    submit(daemon.smtp, "b@example.net")
    back.wait_attempts("RCPT", 1)
    daemon.wait_queue(0)


def success_is_reported_when_asked_and_the_next_hop_knows_no_dsn(t):
    """RFC 3461 §5.2.2: relayed to a server without DSN: we say 'relayed'."""
    daemon, peer, back = _setup(t, extensions=[e for e in EXTENSIONS if e != "DSN"])
    submit(daemon.smtp, "b@example.net", rcpt_params="NOTIFY=SUCCESS")
    peer.one()
    report = Dsn(back.one().data)
    r = report.recipient("b@example.net")
    assert r["Action"] == "relayed" and str(r["Status"]).startswith("2."), r.items()
    assert peer.messages[0].recipients[0][1] == ""


def success_is_left_to_a_next_hop_that_knows_dsn(t):
    daemon, peer, back = _setup(t)
    submit(daemon.smtp, "b@example.net", rcpt_params="NOTIFY=SUCCESS")
    assert "NOTIFY=SUCCESS" in peer.one().recipients[0][1]
    daemon.wait_queue(0)
    stays(lambda: not back.messages, 1)


def a_delay_is_reported_once(t):
    daemon, peer, back = _setup(t, {"delivery": {"delay_warning": "1s", "retry_min": "1s", "retry_max": "1s"}})
    peer.on("RCPT", "451 4.2.1 mailbox busy")
    submit(daemon.smtp, "b@example.net")
    report = Dsn(back.one(20).data)
    r = report.recipient("b@example.net")
    assert r["Action"] == "delayed" and str(r["Status"]).startswith("4.2.1"), r.items()
    assert r["Will-Retry-Until"]
    before = peer.seen("RCPT")
    until(lambda: peer.seen("RCPT") >= before + 2, 20, "two more attempts")
    assert len(back.messages) == 1
    peer.clear()
    peer.one(20)


def notify_without_delay_gets_no_warning(t):
    daemon, peer, back = _setup(t, {"delivery": {"delay_warning": "1s", "retry_min": "1s", "retry_max": "1s"}})
    peer.on("RCPT", "451 4.2.1 mailbox busy")
    submit(daemon.smtp, "b@example.net", rcpt_params="NOTIFY=FAILURE")
    until(lambda: peer.seen("RCPT") >= 4, 20, "four attempts")
    assert not back.messages


def reports_can_be_switched_off(t):
    daemon, peer, back = _setup(t, {"dsn": {"enabled": False}})
    peer.on("RCPT", "550 5.1.1 no")
    submit(daemon.smtp, "b@example.net")
    daemon.wait_queue(0)
    stays(lambda: not back.messages, 1)


def utf8_addresses_are_reported_as_rfc_6533_says(t):
    daemon, peer, back = _setup(t)
    peer.on("RCPT", "550 5.1.1 niemand da")
    submit(daemon.smtp, "jürgen@example.net", message("Grüße"), sender="zoë@example.com", params="SMTPUTF8")
    got = back.one()
    assert got.to == ["zoë@example.com"] and "SMTPUTF8" in got.sender_params.upper()
    assert b"message/global-delivery-status" in got.data
    assert "utf-8; jürgen@example.net".replace(" ", "").encode() in got.data.replace(b" ", b"")


def a_report_survives_a_kill_and_comes_once(t):
    peer, back = t.peer(), t.peer()
    back.stop()
    peer.on("RCPT", "550 5.1.1 no")
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": back.address}})
    submit(daemon.smtp, "b@example.net")
    until(lambda: [e for e in daemon.queue() if e["sender"] == "<>"], 20, "the report in the queue")
    daemon.kill()
    back.start()
    daemon.start()
    until(lambda: (daemon.retry_all(), back.messages)[1], 20, "the report", step=0.3)
    daemon.wait_queue(0)
    assert len(back.messages) == 1
    assert Dsn(back.messages[0].data).recipient("b@example.net")["Action"] == "failed"
