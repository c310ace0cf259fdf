"""Full text: what clients find over IMAP, with and without the index."""

import base64
import imaplib
import subprocess
from email.message import EmailMessage

from harness import accounts
from harness.smtp import unverified
from harness.wait import until

ANN = "ann@example.org"
LATIN = (b"From: =?iso-8859-1?q?J=F8rgen?= <j@example.net>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n"
         b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
         b"bl=E5b=E6r og r=F8m=\r\nme\r\n")
HTML = (b"Subject: page\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
        base64.encodebytes("<p class=hidden>Wasser<b>fall</b> &amp; B\u00e4ume</p>".encode()))
PLAIN = b"Subject: plain\r\nX-Label: Odd one\r\nMessage-ID: <plain.1@example.net>\r\n\r\nwalrus in the\r\n quarterly report\r\n"


def _daemon(t, **store):
    certificate = t.certificate("mx.example.org")
    daemon = t.daemon({"store": store, "listener": [{"protocol": "imap", "address": "127.0.0.1:0", "tls": "implicit"}]})
    accounts.add(daemon, ANN)
    return daemon


def _client(daemon):
    port = int(daemon.endpoint("imap").rpartition(":")[2])
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=unverified(), timeout=60)
    client.login(ANN, accounts.PASSWORD)
    return client


def _found(client, *keys, text=None):
    """`text` goes as a literal, with its charset."""
    if text is not None:
        client.literal = text.encode()
        keys = ("CHARSET", "UTF-8", *keys)
    status, data = client._simple_command("SEARCH", *keys)
    assert status == "OK", data
    return client._untagged_response(status, data, "SEARCH")[1][0].decode()


def _queries(client):
    return {
        "2 gr\u00fc\u00dfe": _found(client, "SUBJECT", text="GR\u00dc\u00dfE"),
        "2 r\u00f8mme": _found(client, "BODY", text="R\u00d8MME"),
        "2 from": _found(client, "FROM", text="j\u00f8rgen"),
        "3 html": _found(client, "TEXT", text="wasserfall & b\u00e4u"),
        "none": _found(client, "TEXT", "hidden"),
        "1 line": _found(client, "BODY", '"the quarterly"'),
        "1 label": _found(client, "HEADER", "X-Label", "odd"),
        "1 id": _found(client, "HEADER", "Message-ID", "plain.1@example"),
        "1:3": _found(client, "NOT", "BODY", "nothing"),
        "1,3": _found(client, "OR", "TEXT", "WALRUS", "SUBJECT", "page"),
        "fuzzy 1": _found(client, "FUZZY", "BODY", '"report walrus"'),
    }


EXPECTED = {"2 gr\u00fc\u00dfe": "2", "2 r\u00f8mme": "2", "2 from": "2", "3 html": "3", "none": "", "1 line": "1",
            "1 label": "1", "1 id": "1", "1:3": "1 2 3", "1,3": "1 3", "fuzzy 1": "1"}


def texts_are_found_decoded_before_and_after_they_are_indexed(t):
    daemon = _daemon(t)
    client = _client(daemon)
    for mail in (PLAIN, LATIN, HTML):
        assert client.append("INBOX", None, None, mail)[0] == "OK"
    client.select("INBOX")
    assert _queries(client) == EXPECTED  # reads them
    assert _queries(client) == EXPECTED  # has them
    assert client.append("INBOX", None, None, PLAIN)[0] == "OK"
    client.noop()
    assert _found(client, "TEXT", "walrus") == "1 4"
    client.logout()
    daemon.kill()
    daemon.start()
    assert daemon.mailctl("store", "reindex", ANN, json_output=True)["messages"] == 4
    assert daemon.mailctl("store", "check", ANN, "--bodies", json_output=True)["clean"]
    client = _client(daemon)
    client.select("INBOX")
    assert _found(client, "TEXT", "walrus") == "1 4"
    client.logout()


def curl_searches_by_imap(t):
    daemon = _daemon(t, search_index="never")
    client = _client(daemon)
    assert client.append("INBOX", None, None, PLAIN)[0] == "OK"
    url = f"imaps://{daemon.endpoint('imap')}/INBOX?TEXT%20walrus"
    done = subprocess.run(["curl", "-sk", "--user", f"{ANN}:{accounts.PASSWORD}", url], capture_output=True, timeout=60)
    assert done.stdout.strip() == b"* SEARCH 1", done
    client.logout()


def new_mail_goes_into_the_index_in_the_background(t):
    daemon = _daemon(t, search_index="always", search_interval="100ms")
    client = _client(daemon)
    mail = EmailMessage()
    mail["Subject"] = "one"
    mail.set_content("text")
    for _ in range(3):
        assert client.append("INBOX", None, None, mail.as_bytes())[0] == "OK"
    wanted = b"\nposthorn_store_search_indexed_total 3\n"
    until(lambda: wanted in daemon.health("/metrics")[1], 60, "three messages in the index")
    client.logout()
