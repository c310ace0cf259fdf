"""A Maildir that we share with Dovecot, NeoMutt and Python, each writing while an IMAP session of ours watches."""

import imaplib
import mailbox
import re
import shutil
import subprocess

from harness import accounts
from harness.marks import within
from harness.smtp import message, submit, unverified
from harness.wait import until

ANN = "ann@example.org"
TEXT = b"From: b@example.net\nSubject: theirs\nMessage-ID: <1@example.net>\n\nline one\nline two\n"
AS_SHOWN = TEXT.replace(b"\n", b"\r\n")


def _home(t):
    daemon = t.daemon({"store": {"backend": "maildir"},
                       "listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "starttls"},
                                    {"protocol": "imap", "address": "127.0.0.1:0", "tls": "implicit"}]})
    accounts.add(daemon, ANN)
    return daemon, daemon.data / "data/example.org/ann/Maildir"


def _ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def _login(daemon, select="INBOX"):
    port = int(daemon.endpoint("imap").rpartition(":")[2])
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=unverified(), timeout=60)
    client.login(ANN, accounts.PASSWORD)
    _ok(client.select(select))
    return client


def _deliver(daemon, text="ours"):
    submit(daemon.smtp, ANN, message(text))
    daemon.wait_queue(0)


class Idle:
    """An IMAP session in IDLE; `with` gives a function that waits for a line."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        self.client.send(b"w1 IDLE\r\n")
        assert self.client.readline().startswith(b"+ ")

        def wait_for(pattern):
            while not re.search(pattern, line := self.client.readline()):  # the client's time limit ends it
                assert line, "the connection ended"
            return line
        return wait_for

    def __exit__(self, kind, *_):
        if kind is None:
            self.client.send(b"DONE\r\n")
            while not self.client.readline().startswith(b"w1 OK"):
                pass


def _flags(client, number):
    return set(re.search(rb"FLAGS \((.*?)\)", _ok(client.fetch(str(number), "(FLAGS)"))[0])[1].split()) - {rb"\Recent"}


def _text(client, number):
    return _ok(client.fetch(str(number), "(BODY.PEEK[])"))[0][1]


def _clean(daemon):
    return daemon.mailctl("store", "check", ANN, "--bodies", json_output=True)["clean"]


@within(120)
def dovecot_writes_while_we_watch(t):
    daemon, maildir = _home(t)
    dovecot = t.doveadm(maildir)
    _deliver(daemon)
    client = _login(daemon)
    with Idle(client) as wait_for:
        dovecot("save", "-m", "INBOX", input=TEXT)
        wait_for(rb"\* 2 EXISTS")
        dovecot("flags", "add", r"\Flagged $Work", "HEADER", "subject", "theirs")
        wait_for(rb"\* 2 FETCH .*\$Work")
        dovecot("flags", "remove", r"\Flagged", "HEADER", "subject", "theirs")
        wait_for(rb"\* 2 FETCH ")
    assert _flags(client, 2) == {b"$Work"}, _flags(client, 2)
    assert _text(client, 2) == AS_SHOWN
    assert b"RFC822.SIZE %d" % len(AS_SHOWN) in _ok(client.fetch("2", "(RFC822.SIZE)"))[0]
    dovecot("mailbox", "create", "Entwürfe.Neu")
    dovecot("copy", "Entwürfe.Neu", "mailbox", "INBOX", "HEADER", "subject", "theirs")
    with Idle(client) as wait_for:
        dovecot("expunge", "mailbox", "INBOX", "HEADER", "subject", "ours")
        wait_for(rb"\* 1 EXPUNGE")
    _ok(client.select('"Entw&APw-rfe/Neu"'))
    assert _text(client, 1) == AS_SHOWN
    dovecot("mailbox", "delete", "-s", "Entwürfe.Neu")
    until(lambda: client.status('"Entw&APw-rfe/Neu"', "(MESSAGES)")[0] == "NO", 60, "the folder to be gone")
    assert _clean(daemon)


@within(120)
def dovecot_reads_what_we_write(t):
    daemon, maildir = _home(t)
    dovecot = t.doveadm(maildir)
    for text in ("one", "two"):
        _deliver(daemon, text)
    assert dovecot("fetch", "hdr.subject", "mailbox", "INBOX").count("subject") == 2
    client = _login(daemon)
    _ok(client.store("1", "+FLAGS", r"(\Answered $Work)"))
    _ok(client.append("Sent", r"(\Seen)", None, AS_SHOWN))
    _ok(client.create('"Entw&APw-rfe"'))
    _ok(client.copy("1", '"Entw&APw-rfe"'))
    _ok(client.uid("MOVE", "2", "Trash"))

    def seen(mailbox):
        return dovecot("-f", "flow", "fetch", "flags size.physical body", "mailbox", mailbox).replace(r"\Recent", "")

    (line,) = [line for line in seen("INBOX").splitlines() if line.startswith("flags=")]
    assert r"\Answered" in line and "$Work" in line, line
    assert "$Work" in seen("Entwürfe") and seen("Trash").count("flags=") == 1
    assert "line two" in seen("Sent") and r"\Seen" in seen("Sent")
    _ok(client.store("1", "FLAGS", r"(\Deleted)"))
    _ok(client.expunge())
    assert "flags=" not in seen("INBOX")
    _ok(client.rename('"Entw&APw-rfe"', "Done"))
    assert sorted(dovecot("mailbox", "list").split()) == ["Archive", "Done", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    assert _clean(daemon)


@within(120)
def neomutt_moves_a_message_while_we_watch(t):
    neomutt, script = shutil.which("neomutt"), shutil.which("script")
    if neomutt is None or script is None:
        t.skip("no neomutt")
    daemon, maildir = _home(t)
    for text in ("stays", "moves"):
        _deliver(daemon, text)
    client = _login(daemon)
    subject = re.search(rb"Subject: (.*)\r\n", _text(client, 2))[1].decode()
    rc = t.dir / "muttrc"
    rc.write_text(f'set mbox_type=Maildir\nset folder="{maildir}"\nset spoolfile="{maildir}"\nset confirmcreate=no\n'
                  'set confirmappend=no\nset quit=yes\nset delete=yes\nset wait_key=no\nset move=no\n'
                  f'push "<tag-pattern>~s {subject}<enter><tag-prefix><save-message>=.Archive<enter><sync-mailbox><quit>"\n')
    with Idle(client) as wait_for:
        process = t.process([script, "-q", "-e", "-c", f"{neomutt} -n -F {rc}", "/dev/null"], stdin=subprocess.PIPE,
                            stdout=(t.dir / "screen").open("wb"),
                            env={"HOME": str(t.dir), "PATH": "/usr/bin:/bin", "TERM": "xterm", "LINES": "30",
                                 "COLUMNS": "100"})
        wait_for(rb"\* \d EXPUNGE")
        process.stdin.close()
        process.wait(60)
    assert _ok(client.select("Archive")) == [b"1"]
    assert subject.encode() in _text(client, 1)
    assert _ok(client.select("INBOX")) == [b"1"]
    assert _clean(daemon)


@within(120)
def python_writes_and_the_daemon_is_killed(t):
    """What was acknowledged is there, once; what others put there meanwhile, too."""
    daemon, maildir = _home(t)
    _deliver(daemon, "first")
    theirs = mailbox.Maildir(maildir, create=False)
    for _ in range(3):
        before = len(theirs)
        for number in range(5):
            submit(daemon.smtp, ANN, message(f"before the kill {number}"))
            theirs.add(TEXT)
        daemon.kill()
        theirs.add(TEXT)
        daemon.start()
        daemon.wait_queue(0)
        until(lambda: len(theirs) == before + 11, 60, "all of it, once")
    client = _login(daemon)
    assert _ok(client.select("INBOX")) == [b"34"]
    shown = [part[1] for part in _ok(client.fetch("1:*", "(BODY.PEEK[])")) if isinstance(part, tuple)]
    assert shown.count(AS_SHOWN) == 18, len(shown)
    path = next(path for path in (maildir / "new").iterdir() if ".posthorn" not in path.name)
    with Idle(client) as wait_for:
        seen = path.rename(maildir / "cur" / f"{path.name}:2,FS")
        wait_for(rb"FETCH .*\\Flagged")
        seen.unlink()
        wait_for(rb"EXPUNGE")
    assert _clean(daemon)


def a_lost_index_costs_nothing_but_a_uidvalidity(t):
    daemon, _ = _home(t)
    for text in ("one", "two"):
        _deliver(daemon, text)
    client = _login(daemon)
    _ok(client.store("1", "+FLAGS", r"(\Flagged $Work)"))
    validity = int(client.response("UIDVALIDITY")[1][0])
    text = _text(client, 1)
    daemon.stop()
    for file in daemon.dir.rglob("index.sqlite*"):
        file.unlink()
    daemon.start()
    client = _login(daemon)
    assert int(client.response("UIDVALIDITY")[1][0]) > validity
    (number,) = _ok(client.search(None, "KEYWORD", "$Work"))[0].split()
    assert _text(client, number.decode()) == text and _ok(client.search(None, "ALL"))[0].split() == [b"1", b"2"]
    assert _clean(daemon)


def a_start_with_the_other_backend_is_refused(t):
    daemon, _ = _home(t)
    assert daemon.stop() == 0
    daemon.config["store"]["backend"] = "packs"
    daemon.write()
    daemon.spawn()
    assert daemon.wait_exit() != 0
    assert "mailctl store export" in daemon.log_path.read_text()
