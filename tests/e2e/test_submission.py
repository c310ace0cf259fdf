"""Submission: real clients log in by each mechanism they have, and may send what is theirs to send."""

import base64
import smtplib
import subprocess

from harness import accounts
from harness.accounts import PASSWORD
from harness.smtp import message, unverified
from harness.wait import until

ANN, BOB = "ann@example.org", "bob@example.org"


def _home(t, peer, config=None, smtp=None):
    """A daemon with both submission doors, ann and bob; mail to example.net goes to the peer."""
    daemon = t.relay(peer, {
        "listener": [{"protocol": "smtp", "address": "127.0.0.1:0"},
                     {"protocol": "submission", "address": "127.0.0.1:0", "tls": "starttls"},
                     {"protocol": "submission", "address": "127.0.0.1:0", "tls": "implicit"}],
        # A refusal comes at once here: these tests are about its words.
        "auth": {"failure_delay": "0s"},
        "smtp": smtp or {}, **(config or {})})
    accounts.add(daemon, ANN, BOB)
    return daemon


def _plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def _client(t, daemon):
    """Greeted, behind STARTTLS."""
    client = t.client(daemon.endpoint("submission"))
    client.ehlo()
    client.starttls()
    client.ehlo()
    return client


def _run(command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, **options)
    return done.returncode, done.stdout + done.stderr


def swaks_logs_in_by_plain_and_login_through_both_doors(t):
    peer = t.peer()
    daemon = _home(t, peer)
    count = 0
    for number, tls in ((0, "--tls"), (1, "--tls-on-connect")):
        host, port = daemon.endpoint("submission", number).rsplit(":", 1)
        for mechanism in ("PLAIN", "LOGIN"):
            status, said = _run(["swaks", "--server", host, "--port", port, tls, "--auth", mechanism, "--auth-user", ANN,
                                 "--auth-password", PASSWORD, "--from", ANN, "--to", "far@example.net"])
            assert status == 0, said
            count += 1
    until(lambda: len(peer.messages) == count, 30, "all of them at the peer")
    trace = peer.messages[0].headers.replace(b"\r\n\t", b" ")
    assert b" with ESMTPSA " in trace, trace


def curl_submits_by_smtps(t):
    peer = t.peer()
    daemon = _home(t, peer)
    file = t.dir / "mail"
    file.write_bytes(b"Subject: by curl\r\n\r\nhello\r\n")
    for options in ((), ("--login-options", "AUTH=LOGIN"), ("--login-options", "AUTH=PLAIN", "--sasl-ir")):
        status, said = _run(["curl", "-sS", "-k", "--url", f"smtps://{daemon.endpoint('submission', 1)}", "--user",
                             f"{ANN}:{PASSWORD}", "--mail-from", ANN, "--mail-rcpt", "far@example.net", "-T", file,
                             *options])
        assert status == 0, said
    until(lambda: len(peer.messages) == 3, 30, "all of them at the peer")
    got = peer.messages[0].headers
    assert b"Message-ID: <" in got and b"\r\nDate: " in got, got  # curl gave neither


def msmtp_logs_in_by_scram(t):
    peer = t.peer()
    daemon = _home(t, peer)
    host, port = daemon.endpoint("submission").rsplit(":", 1)
    command = ["msmtp", "--file=/dev/null", f"--host={host}", f"--port={port}", "--tls=on", "--tls-certcheck=off",
               f"--user={ANN}", f"--passwordeval=echo {PASSWORD}", f"--from={ANN}", "far@example.net"]
    mechanisms = ("scram-sha-1", "scram-sha-256", "plain", "login")
    for mechanism in mechanisms:
        status, said = _run([*command, f"--auth={mechanism}"], input=f"Subject: {mechanism}\n\nhello\n")
        assert status == 0, f"{mechanism}: {said}"
    until(lambda: len(peer.messages) == len(mechanisms), 30, "all of them at the peer")
    wrong = [c for c in command if not c.startswith("--passwordeval")] + ["--passwordeval=echo wrong"]
    status, said = _run([*wrong, "--auth=scram-sha-256"], input="Subject: x\n\nx\n")
    assert status != 0 and "535" in said, said


def gsasl_binds_its_login_to_the_channel(t):
    daemon = _home(t, t.peer())
    for password, code in ((PASSWORD, "235"), ("wrong", "535")):
        _, said = _run(["gsasl", "--smtp", f"--connect={daemon.endpoint('submission')}", "--starttls",
                        "--mechanism=SCRAM-SHA-256-PLUS", f"--authentication-id={ANN}", f"--password={password}",
                        "--x509-ca-file=", "--verbose"])
        assert f"\n{code} " in said, said


def smtplib_logs_in(t):
    peer = t.peer()
    daemon = _home(t, peer)
    host, port = daemon.endpoint("submission").rsplit(":", 1)
    with smtplib.SMTP(host, int(port), timeout=30) as client:
        client.starttls(context=unverified())
        client.login(ANN, PASSWORD)
        assert client.sendmail(ANN, ["far@example.net"], b"Subject: x\r\n\r\nx\r\n") == {}
    peer.one()


def a_wrong_password_and_nobody_are_one_answer(t):
    daemon = _home(t, t.peer())
    client = _client(t, daemon)
    wrong = client.cmd("AUTH PLAIN " + _plain(ANN, "wrong"))
    nobody = client.cmd("AUTH PLAIN " + _plain("nobody@example.org", PASSWORD))
    assert wrong.code == 535 and wrong.status == "5.7.8" and wrong.raw == nobody.raw, (wrong, nobody)
    assert client.cmd("AUTH PLAIN " + _plain(ANN, PASSWORD)).code == 235
    daemon.stop()
    assert PASSWORD not in daemon.raw_log() and _plain(ANN, PASSWORD) not in daemon.raw_log()


def a_password_is_not_taken_in_the_clear(t):
    daemon = _home(t, t.peer())
    client = t.client(daemon.endpoint("submission"))
    client.ehlo()
    assert "PLAIN" not in client.extensions.get("AUTH", ""), client.extensions
    refused = client.cmd("AUTH PLAIN " + _plain(ANN, PASSWORD))
    assert refused.code == 538 and refused.status == "5.7.11", refused
    assert client.cmd(f"MAIL FROM:<{ANN}>").code == 530

    open_daemon = _home(t, t.peer(), smtp={"plaintext_auth_networks": ["127.0.0.0/8"]})
    client = t.client(open_daemon.endpoint("submission"))
    client.ehlo()
    assert client.cmd("AUTH PLAIN " + _plain(ANN, PASSWORD)).code == 235


def a_login_can_be_cancelled_and_tried_again(t):
    daemon = _home(t, t.peer())
    client = _client(t, daemon)
    client.expect(334, "AUTH LOGIN")
    assert client.cmd("*").status == "5.7.0"
    client.expect(334, "AUTH PLAIN")
    assert client.cmd("%%%").status == "5.5.2"
    assert client.cmd("AUTH PLAIN " + _plain(ANN, PASSWORD)).code == 235
    assert client.cmd("AUTH PLAIN " + _plain(ANN, PASSWORD)).code == 503


def too_many_failures_end_the_session(t):
    daemon = _home(t, t.peer(), smtp={"max_auth_failures": 2})
    client = _client(t, daemon)
    assert client.cmd("AUTH PLAIN " + _plain(ANN, "1")).code == 535
    assert client.cmd("AUTH PLAIN " + _plain(ANN, "2")).code == 535
    assert client.reply().code == 421


def only_ones_own_sender_address_is_taken(t):
    daemon = _home(t, t.peer())
    daemon.mailctl("alias", "add", "info@example.org", ANN)
    client = _client(t, daemon)
    client.expect(530, f"MAIL FROM:<{ANN}>")
    client.expect(235, "AUTH PLAIN " + _plain(ANN, PASSWORD))
    for sender, code in ((ANN, 250), ("info@example.org", 250), ("ann+x@example.org", 250), (BOB, 553),
                         ("a@elsewhere.example", 553)):
        assert client.cmd(f"MAIL FROM:<{sender}>").code == code, sender
        client.cmd("RSET")


def an_account_sends_no_more_than_it_may(t):
    peer = t.peer()
    daemon = _home(t, peer, {"submission": {"messages_per_hour": 2}})
    client = _client(t, daemon)
    client.expect(235, "AUTH PLAIN " + _plain(ANN, PASSWORD))
    for _ in range(2):
        client.mail(ANN, "far@example.net")
        assert client.data(message()).code == 250
    refused = client.cmd(f"MAIL FROM:<{ANN}>")
    assert refused.code == 450 and refused.status == "4.7.1", refused


def a_held_message_waits_for_its_time(t):
    peer = t.peer()
    daemon = _home(t, peer, {"submission": {"max_hold": "1d"}})
    client = _client(t, daemon)
    assert client.extensions["FUTURERELEASE"].startswith("86400 "), client.extensions
    client.expect(235, "AUTH PLAIN " + _plain(ANN, PASSWORD))
    assert client.cmd(f"MAIL FROM:<{ANN}> HOLDFOR=86401").code == 501
    client.expect(250, f"MAIL FROM:<{ANN}> HOLDFOR=3600")
    client.expect(250, "RCPT TO:<far@example.net>")
    assert client.data(message()).code == 250
    client.mail(ANN, "far@example.net")
    assert client.data(b"Subject: second\r\n\r\nx\r\n").code == 250
    assert b"second" in peer.one().headers  # and the held one is not there
    daemon.wait_queue(1)


def recipients_of_our_own_are_known_at_rcpt(t):
    daemon = _home(t, t.peer())
    client = t.client(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<x@example.net>")
    assert client.cmd(f"RCPT TO:<{ANN}>").code == 250
    unknown = client.cmd("RCPT TO:<nobody@example.org>")
    assert unknown.code == 550 and unknown.status == "5.1.1", unknown
    daemon.mailctl("account", "set", BOB, "--disable")
    disabled = client.cmd(f"RCPT TO:<{BOB}>")
    assert disabled.code == 550 and disabled.status == "5.2.1", disabled
    assert client.cmd(f"VRFY {ANN}").raw == client.cmd("VRFY nobody@example.org").raw
