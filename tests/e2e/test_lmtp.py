"""LMTP in: others hand mail over to our accounts, on Unix and TCP sockets."""

import os
import stat
import subprocess

from harness import accounts
from harness.smtp import message, submit
from harness.wait import until

ANN, BOB = "ann@example.org", "bob@example.org"


def _home(t, address="127.0.0.1:0", **more):
    daemon = t.daemon({"listener": [{"protocol": "smtp", "address": "127.0.0.1:0"},
                                    {"protocol": "lmtp", "address": address, **more}]})
    accounts.add(daemon, ANN, BOB)
    return daemon


def each_recipient_has_a_reply_of_its_own(t):
    daemon = _home(t)
    client = t.client(daemon.endpoint("lmtp"))
    assert "LMTP" in client.greeting.text
    assert client.cmd("EHLO c").code == 500
    client.expect(250, "LHLO c")
    client.expect(250, "MAIL FROM:<x@example.net>")
    client.expect(250, f"RCPT TO:<{ANN}>")
    assert client.cmd("RCPT TO:<nobody@example.org>").status == "5.1.1"
    assert client.cmd("RCPT TO:<far@example.net>").code == 550
    client.expect(250, f"RCPT TO:<{BOB}>")
    assert client.data(message()).code == 250
    assert client.reply().code == 250
    accepted = daemon.wait_event("message.accepted")
    assert accepted is not None
    client.expect(221, "QUIT")


def swaks_hands_over(t):
    daemon = _home(t)
    host, port = daemon.endpoint("lmtp").rsplit(":", 1)
    done = subprocess.run(["swaks", "--protocol", "LMTP", "--server", host, "--port", port, "--from", "x@example.net",
                           "--to", f"{ANN},{BOB}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Queued as") == 2, done.stdout


def a_unix_socket_has_its_mode_and_goes_with_the_server(t):
    path = t.dir / "lmtp.sock"
    daemon = _home(t, f"unix:{path}", mode="0620")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o620
    done = subprocess.run(["swaks", "--protocol", "LMTP", "--socket", path, "--from", "x@example.net", "--to", ANN],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    daemon.stop()
    assert not path.exists()


def postfix_hands_over(t):
    daemon = _home(t)
    postfix = t.postfix(settings={"virtual_mailbox_domains": "example.org",
                                  "virtual_transport": f"lmtp:inet:{daemon.endpoint('lmtp')}",
                                  "lmtp_tls_security_level": "may"})
    submit(postfix.address, [ANN, BOB])
    until(lambda: postfix.log().count("status=sent (250 2.0.0 Queued as ") == 2, 30, "Postfix to hand it over")
    submit(postfix.address, "nobody@example.org")
    until(lambda: "550 5.1.1" in postfix.log(), 30, "Postfix to hear of nobody")


def room_is_promised_with_the_250(t):
    daemon = _home(t)
    daemon.mailctl("account", "set", BOB, "--max-messages", "1")
    client = t.client(daemon.endpoint("lmtp"))
    client.expect(250, "LHLO c")

    def deliver():
        client.mail("x@example.net", [ANN, BOB])
        return client.data(message()), client.reply()

    ann, bob = deliver()
    assert (ann.code, bob.code) == (250, 250), (ann, bob)
    client.expect(250, "MAIL FROM:<x@example.net>")
    refused = client.cmd(f"RCPT TO:<{BOB}>")  # the promise counts, delivered or not
    assert refused.code == 452 and refused.status == "4.2.2", refused
    client.expect(250, "RSET")
    until(lambda: not daemon.queue(), 30, "both to be in the store")
    refused = client.cmd("MAIL FROM:<x@example.net>") and client.cmd(f"RCPT TO:<{BOB}>")
    assert refused.code == 452, refused
