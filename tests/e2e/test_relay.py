"""What is accepted leaves again, unaltered, with what the next hop can take."""

import base64
import hashlib
import random
import re
import smtplib
import subprocess

from harness.peer import EXTENSIONS
from harness.smtp import message, submit
from harness.text import trace_of


def a_message_is_accepted_and_delivered(t):
    peer = t.peer()
    daemon = t.relay(peer)
    data = message("first light")
    submit(daemon.smtp, "b@example.net", data)
    got = peer.one()
    assert got.sender == "a@example.com" and got.to == ["b@example.net"]
    trace = trace_of(got.data, data)
    assert trace.count(b"Received:") == 1
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", trace).decode()
    assert re.match(r"Received: from client\.example\.com \(.*\[127\.0\.0\.1\].*\) by mx\.posthorn\.test ", unfolded), \
        unfolded
    assert " with ESMTP " in unfolded and " id " in unfolded and ";" in unfolded, unfolded
    assert got.session.helo == "mx.posthorn.test"
    daemon.wait_queue(0)


def every_byte_arrives_as_it_was_sent(t):
    peer = t.peer()
    daemon = t.relay(peer)
    dice = random.Random(1)
    eight = bytes(b for b in range(1, 256) if b not in (10, 13))
    body = b"".join([
        b".\r\n", b"..\r\n", b"...three\r\n", b".leading\r\n", b"trailing blank \t \r\n", b"\r\n", b"\r\n.\r\n",
        eight + b"\r\n", b"x" * 990 + b"\r\n", b"From here\r\n", b"\t\r\n", b"=20=\r\n",
        b"".join(bytes(dice.choice(eight) for _ in range(dice.randrange(0, 200))) + b"\r\n" for _ in range(300)),
        b"\r\n\r\n"])
    data = message("exact", body)
    submit(daemon.smtp, "b@example.net", data, params="BODY=8BITMIME")
    got = peer.one()
    trace_of(got.data, data)
    assert "BODY=8BITMIME" in got.sender_params.upper()


def a_dkim_body_hash_stays_true(t):
    """The relaxed and the simple body hash of RFC 6376, computed before and after."""
    peer = t.peer()
    daemon = t.relay(peer)
    body = b" two  blanks \r\n.dots\r\n\r\n\xe4\xf6\r\n\r\n\r\n"

    def simple(text):
        return base64.b64encode(hashlib.sha256(re.sub(rb"(\r\n)*\Z", b"\r\n", text, count=1)).digest())

    data = message("signed", body, extra=b"DKIM-Signature: v=1; a=rsa-sha256; bh=" + simple(body) + b";\r\n\tb=abc\r\n")
    submit(daemon.smtp, "b@example.net", data, params="BODY=8BITMIME")
    got = peer.one()
    assert simple(got.body) == simple(body)
    assert data.partition(b"\r\n\r\n")[0] in got.data


def a_message_without_a_final_line_end_by_bdat_arrives_whole(t):
    peer = t.peer()
    daemon = t.relay(peer)
    data = message("bdat", b"one\r\n.\r\nlast line without an end")
    client = t.client(daemon)
    client.ehlo()
    assert "CHUNKING" in client.extensions
    client.mail("a@example.com", "b@example.net")
    half = len(data) // 2
    client.send(b"BDAT %d\r\n" % half + data[:half])
    assert client.reply().code == 250
    client.send(b"BDAT %d LAST\r\n" % (len(data) - half) + data[half:])
    assert client.reply().code == 250
    got = peer.one()
    assert got.data.rstrip(b"\r\n").endswith(data)


def bdat_of_nothing_but_last_ends_a_message(t):
    peer = t.peer()
    daemon = t.relay(peer)
    data = message("bdat zero")
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    client.send(b"BDAT %d\r\n" % len(data) + data + b"BDAT 0 LAST\r\n")
    assert client.reply().code == 250 and client.reply().code == 250
    trace_of(peer.one().data, data)


def binarymime_goes_out_by_bdat(t):
    peer = t.peer()
    daemon = t.relay(peer)
    data = message("binary", bytes(range(256)) * 4 + b"\r\n.\r\nbare\nand\rthere\0end",
                   extra=b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n")
    client = t.client(daemon)
    client.ehlo()
    assert "BINARYMIME" in client.extensions
    client.mail("a@example.com", "b@example.net", params="BODY=BINARYMIME")
    client.send(b"BDAT %d LAST\r\n" % len(data) + data)
    assert client.reply().code == 250
    got = peer.one()
    trace_of(got.data, data)
    assert got.chunks, "not by BDAT"
    assert "BODY=BINARYMIME" in got.sender_params.upper()


def binarymime_and_data_do_not_mix(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net", params="BODY=BINARYMIME")
    assert client.cmd("DATA").code == 503


def binarymime_without_it_at_the_next_hop_bounces_5_6_1(t):
    peer = t.peer(extensions=[e for e in EXTENSIONS if e not in ("BINARYMIME",)])
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": peer.address}})
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net", params="BODY=BINARYMIME")
    data = message("binary", b"\0\1\2")
    client.send(b"BDAT %d LAST\r\n" % len(data) + data)
    assert client.reply().code == 250
    got = peer.one()
    assert got.sender == "" and b"5.6.1" in got.data


def smtputf8_is_passed_on(t):
    peer = t.peer()
    daemon = t.relay(peer)
    data = message("Grüße", "schön\r\n".encode())
    submit(daemon.smtp, "jürgen@example.net", data, sender="zoë@example.com", params="SMTPUTF8 BODY=8BITMIME")
    got = peer.one()
    assert got.sender == "zoë@example.com" and got.to == ["jürgen@example.net"]
    assert "SMTPUTF8" in got.sender_params.upper()
    assert b"UTF8SMTP" in trace_of(got.data, data), "RFC 6531 §4.3: with UTF8SMTP"


def smtputf8_without_it_at_the_next_hop_bounces_5_6_7(t):
    peer = t.peer(extensions=[e for e in EXTENSIONS if e != "SMTPUTF8"])
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": peer.address}})
    submit(daemon.smtp, "jürgen@example.net", message("x"), params="SMTPUTF8")
    got = peer.one()
    assert got.sender == "" and got.to == ["a@example.com"] and b"5.6.7" in got.data


def dsn_parameters_are_passed_on(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", params="RET=HDRS ENVID=QQ314159",
           rcpt_params="NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bx@example.org")
    got = peer.one()
    assert "RET=HDRS" in got.sender_params and "ENVID=QQ314159" in got.sender_params
    params = got.recipients[0][1]
    assert "NOTIFY=SUCCESS,FAILURE" in params and "ORCPT=rfc822;bob+2Bx@example.org" in params


def the_size_is_announced_when_the_next_hop_knows_size(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", message("sized", b"x" * 500 + b"\r\n"))
    got = peer.one()
    announced = int(re.search(r"SIZE=(\d+)", got.sender_params)[1])
    assert len(got.data) * 0.9 <= announced <= len(got.data) * 1.1 + 100


def a_message_larger_than_the_next_hop_takes_bounces_5_3_4(t):
    peer, back = t.peer(extensions=["PIPELINING", "SIZE 1000", "ENHANCEDSTATUSCODES"]), t.peer()
    daemon = t.relay(peer, more_domains={"example.com": {"mx_override": back.address}})
    submit(daemon.smtp, "b@example.net", message("large", b"x" * 900 + b"\r\n" + b"y" * 900 + b"\r\n"),
           params="RET=HDRS")
    got = back.one()
    assert got.sender == "" and b"5.3.4" in got.data
    assert not peer.attempted


def a_bare_helo_server_gets_plain_smtp(t):
    peer = t.peer(extensions=[])
    peer.on("EHLO", "500 5.5.1 what is EHLO?")
    daemon = t.relay(peer)
    data = message("old")
    submit(daemon.smtp, "b@example.net", data)
    got = peer.one()
    assert got.sender_params == "" and got.recipients[0][1] == ""
    trace_of(got.data, data)


def pipelined_commands_are_answered_in_order(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    assert "PIPELINING" in client.extensions
    client.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<>\r\nRCPT TO:<c@example.net>\r\n"
                "NOOP\r\nDATA\r\n")
    codes = [client.reply().code for _ in range(6)]
    assert codes[0] == 250 and codes[1] == 250 and codes[2] in (501, 553) and codes[3:] == [250, 250, 354], codes
    client.send(message() + b".\r\nRSET\r\nNOOP\r\nQUIT\r\n")
    assert [client.reply().code for _ in range(4)] == [250, 250, 250, 221]
    assert client.closed()


def a_whole_session_in_one_segment_works_where_the_client_may_guess(t):
    """RFC 2920: DATA may end a group; the message itself waits for the 354."""
    peer = t.peer()
    daemon = t.relay(peer)
    client = t.client(daemon)
    for _ in range(3):
        client.send("EHLO x.example.com\r\n")
        assert client.reply().code == 250
        client.send("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        client.send(message() + b".\r\n")
        assert client.reply().code == 250
    peer.wait(3)


def recipients_of_one_domain_share_a_transaction(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, [f"u{i}@example.net" for i in range(10)])
    got = peer.one()
    assert sorted(got.to) == sorted(f"u{i}@example.net" for i in range(10))


def recipients_of_two_domains_part(t):
    one, two = t.peer(), t.peer()
    daemon = t.relay(one, more_domains={"example.org": {"mx_override": two.address}})
    submit(daemon.smtp, ["a@example.net", "b@example.org", "c@example.net"])
    assert sorted(one.one().to) == ["a@example.net", "c@example.net"]
    assert two.one().to == ["b@example.org"]


def domains_match_by_pattern(t):
    peer = t.peer()
    daemon = t.daemon({"delivery": {"domains": {"*.example.net": {"mx_override": peer.address}}}})
    submit(daemon.smtp, "b@deep.sub.example.net")
    assert peer.one().to == ["b@deep.sub.example.net"]


def an_idle_connection_is_used_again(t):
    peer = t.peer()
    daemon = t.relay(peer)
    for number in range(5):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
        peer.wait(number + 1)
    assert len(peer.sessions) < 5, "a connection for each message"


def a_connection_the_peer_closed_meanwhile_costs_no_attempt(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", message("one"))
    peer.wait(1)
    port = peer.port
    peer.stop()
    peer.port = port
    peer.start()
    submit(daemon.smtp, "b@example.net", message("two"))
    peer.wait(2)


def swaks_is_served(t):
    peer = t.peer()
    daemon = t.relay(peer)
    host, _, port = daemon.smtp.rpartition(":")
    for options in ([], ["--tls"], ["--pipeline"]):
        done = subprocess.run(["swaks", "--server", host, "--port", port, "--from", "a@example.com", "--to",
                               "b@example.net", "--body", "from swaks", *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    peer.wait(3)


def smtplib_is_served(t):
    peer = t.peer()
    daemon = t.relay(peer)
    host, _, port = daemon.smtp.rpartition(":")
    with smtplib.SMTP(host, int(port)) as client:
        client.sendmail("a@example.com", ["b@example.net"], message("smtplib"))
        assert client.vrfy("b@example.net")[0] == 252
        assert client.noop()[0] == 250
        assert client.docmd("HELP")[0] in (211, 214)
    peer.one()


def a_real_postfix_takes_what_we_send(t):
    postfix = t.postfix()
    daemon = t.relay(postfix.address)
    body = b".dot\r\n" + "grün\r\n".encode() * 50
    submit(daemon.smtp, ["b@example.net", "c@example.net"], message("to postfix", body), params="BODY=8BITMIME")
    for got in postfix.wait(2):
        assert body.replace(b"\r\n", b"\n") in got
    daemon.wait_queue(0)


def the_null_sender_is_relayed(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", sender="")
    assert peer.one().sender == ""


def an_lmtp_next_hop_answers_for_each_recipient(t):
    peer = t.peer()  # speaks LHLO; one reply after the dot is right only for one recipient
    daemon = t.daemon({"delivery": {"domains": {"example.net": {"transport": f"lmtp:{peer.address}"}}}})
    submit(daemon.smtp, "b@example.net")
    assert peer.one().to == ["b@example.net"]
    assert peer.seen("LHLO") and not peer.seen("EHLO")


def odd_replies_are_understood(t):
    peer = t.peer(banner=b"220-one\r\n220-two\r\n220 peer.example.net ESMTP\r\n")
    peer.on("MAIL", b"250-lots\r\n250-of\r\n250 text\r\n").on("RCPT", b"251 will forward\r\n").on("BODY", b"250\r\n")
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net")
    peer.one()
    daemon.wait_queue(0)
