"""Mail read by POP3 with the clients people use. Messages come back octet for octet, and go when the client says so."""

import poplib
import shutil
import socket
import subprocess

from harness import accounts
from harness.pop3 import PASSWORD, USER, Pop3Host
from harness.smtp import message, submit, unverified
from harness.wait import until

PLAIN = b"From: a@example.net\r\nTo: ann@example.org\r\nSubject: plain\r\nMessage-ID: <1@example.net>\r\n\r\nHello\r\n"
DOTS = b"From: a@example.net\r\nSubject: dots\r\nMessage-ID: <2@example.net>\r\n\r\n.\r\n..\r\n.a\r\n a.\r\n"
EIGHT_BIT = "From: a@example.net\r\nSubject: grüße\r\nMessage-ID: <3@example.net>\r\n\r\nÄÖÜ \0 end\r\n".encode()
LARGE = b"From: a@example.net\r\nSubject: large\r\nMessage-ID: <4@example.net>\r\n\r\n" + b".line 76 octets long\r\n" * 100_000
MAIL = [PLAIN, DOTS, LARGE]


def _tool(t, name):
    path = shutil.which(name)
    if path is None:
        t.skip(f"no {name}")
    return path


def _run(command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=50, **options)
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
    return done.stdout


def _maildir(folder):
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def _agent(t, into):
    """A delivery agent that is safe against a crash: the file is durable before it says so."""
    agent = t.dir / "agent"
    agent.write_text(f'#!/bin/sh\nset -e\nf=$(mktemp {into}/tmp/XXXXXX)\ncat >"$f"\nsync "$f"\nmv "$f" {into}/new/\n')
    agent.chmod(0o755)
    return agent


def _delivered(folder) -> list:
    return sorted(file.read_bytes() for file in (folder / "new").iterdir())


def _same(delivered, sent):
    """Delivery agents write LF and headers of their own; the bodies must be there, each once."""
    bodies = sorted(m.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n") for m in sent)
    got = sorted(m.replace(b"\r\n", b"\n").partition(b"\n\n")[2] for m in delivered)
    assert got == bodies, (len(got), [len(b) for b in got], [len(b) for b in bodies])


def curl_reads_lists_and_deletes_over_pop3s(t):
    host = Pop3Host(t)
    host.put(*MAIL, EIGHT_BIT)
    curl = [_tool(t, "curl"), "-s", "-S", "--cacert", host.cert, "--resolve",
            f"mx.example.org:{host.tls_port}:127.0.0.1", "-u", f"{USER}:{PASSWORD}"]
    url = f"pop3s://mx.example.org:{host.tls_port}/"
    listing = _run([*curl, url]).split(b"\r\n")
    assert listing[:4] == [b"%d %d" % (n + 1, len(m)) for n, m in enumerate([*MAIL, EIGHT_BIT])], listing
    for number, message in enumerate([*MAIL, EIGHT_BIT], 1):
        assert _run([*curl, f"{url}{number}"]) == message, number
    uidl = _run([*curl, "-X", "UIDL", url])
    assert uidl == _run([*curl, "-X", "UIDL", url]), "unique ids stay"
    _run([*curl, "--head", "-X", "DELE 2", url])
    assert host.content() == [PLAIN, LARGE, EIGHT_BIT]
    later = _run([*curl, "-X", "UIDL", url]).split()[1::2]
    ids = uidl.split()[1::2]
    assert later == [ids[0], ids[2], ids[3]], (later, ids)


def curl_upgrades_with_stls_and_sasl(t):
    host = Pop3Host(t)
    host.put(PLAIN)
    curl = [_tool(t, "curl"), "-s", "-S", "--ssl-reqd", "--cacert", host.cert, "--resolve",
            f"mx.example.org:{host.port}:127.0.0.1", "-u", f"{USER}:{PASSWORD}"]
    for mechanism in ("PLAIN", "LOGIN"):
        assert _run([*curl, "--login-options", f"AUTH={mechanism}", f"pop3://mx.example.org:{host.port}/1"]) == PLAIN
    wrong = subprocess.run([*map(str, curl[:-1]), f"{USER}:wrong", f"pop3://mx.example.org:{host.port}/1"],
                           capture_output=True, timeout=50)
    assert wrong.returncode == 67, wrong  # "login denied"


def fetchmail_delivers_and_deletes(t):
    host = Pop3Host(t)
    host.put(*MAIL)
    into = _maildir(t.dir / "fetched")
    agent = _agent(t, into)
    rc = t.dir / "fetchmailrc"
    rc.write_text(f'poll mx.example.org via 127.0.0.1 protocol pop3 port {host.tls_port}\n'
                  f'  user "{USER}" password "{PASSWORD}" ssl sslcertfile "{host.cert}" sslcommonname mx.example.org\n'
                  f'  no keep fetchall mda "{agent}"\n')
    rc.chmod(0o600)
    _run([_tool(t, "fetchmail"), "-f", rc, "--pidfile", t.dir / "fetchmail.pid", "--nosyslog", "-v"],
         env={"HOME": str(t.dir), "FETCHMAILHOME": str(t.dir), "PATH": "/usr/bin:/bin"})
    _same(_delivered(into), MAIL)
    assert host.count() == 0


def fetchmail_that_cannot_deliver_deletes_nothing(t):
    host = Pop3Host(t)
    host.put(PLAIN, DOTS)
    rc = t.dir / "fetchmailrc"
    rc.write_text(f'poll mx.example.org via 127.0.0.1 protocol pop3 port {host.tls_port}\n'
                  f'  user "{USER}" password "{PASSWORD}" ssl sslcertfile "{host.cert}" sslcommonname mx.example.org\n'
                  f'  no keep fetchall mda "/bin/false"\n')
    rc.chmod(0o600)
    subprocess.run([_tool(t, "fetchmail"), "-f", str(rc), "--pidfile", str(t.dir / "fetchmail.pid"), "--nosyslog"],
                   capture_output=True, timeout=50,
                   env={"HOME": str(t.dir), "FETCHMAILHOME": str(t.dir), "PATH": "/usr/bin:/bin"})
    assert host.content() == [PLAIN, DOTS]


def getmail_fetches_each_message_once(t):
    host = Pop3Host(t)
    host.put(*MAIL)
    into = _maildir(t.dir / "got")
    (t.dir / "getmail").mkdir()
    rc = t.dir / "getmail" / "getmailrc"
    rc.write_text(f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\nport = {host.tls_port}\n"
                  f"username = {USER}\npassword = {PASSWORD}\n"
                  f"[destination]\ntype = MDA_external\npath = {_agent(t, into)}\nallow_root_commands = true\n"
                  f"[options]\nread_all = false\ndelete = false\n")
    getmail = [_tool(t, "getmail"), "--getmaildir", t.dir / "getmail", "--rcfile", rc]
    for _ in range(2):  # the second time nothing is new: UIDL tells
        _run(getmail)
        _same(_delivered(into), MAIL)
    host.put(EIGHT_BIT)
    _run(getmail)
    assert len(_delivered(into)) == 4
    rc.write_text(rc.read_text().replace("delete = false", "delete = true"))
    _run(getmail)
    assert host.count() == 0


def mpop_fetches_by_stls_with_pipelining(t):
    host = Pop3Host(t)
    host.put(*MAIL, *[PLAIN] * 50)
    into = _maildir(t.dir / "popped")
    rc = t.dir / "mpoprc"
    rc.write_text(f"account default\nhost 127.0.0.1\nport {host.port}\nuser {USER}\npassword {PASSWORD}\n"
                  f"auth plain\ntls on\ntls_starttls on\ntls_trust_file {host.cert}\ntls_certcheck on\n"
                  f"tls_host_override mx.example.org\n"
                  f"pipelining on\nkeep off\nuidls_file {t.dir}/uidls\ndelivery maildir {into}\n")
    rc.chmod(0o600)
    _run([_tool(t, "mpop"), "-C", rc, "--quiet"])
    _same(_delivered(into), [*MAIL, *[PLAIN] * 50])
    assert host.count() == 0


def poplib_sees_rset_top_and_the_lock(t):
    host = Pop3Host(t)
    host.put(PLAIN, DOTS)
    client = host.client()
    assert client.stat() == (2, len(PLAIN) + len(DOTS))
    assert client.top(2, 1)[1] == DOTS.split(b"\r\n\r\n")[0].split(b"\r\n") + [b"", b"."]
    client.dele(1)
    client.rset()
    assert len(client.list()[1]) == 2
    client.dele(1)
    second = host.client(login=False)
    second.user(USER)
    try:
        second.pass_(PASSWORD)
        raise AssertionError("two sessions in one maildrop")
    except poplib.error_proto as error:
        assert b"[IN-USE]" in error.args[0], error
    client.sock.shutdown(socket.SHUT_RDWR)  # gone without QUIT: nothing is removed, and the lock is free
    client.close()

    def comes_in():
        try:
            second.user(USER)
            return second.pass_(PASSWORD)
        except poplib.error_proto:
            return None

    second = host.client(login=False)
    until(comes_in, 10, "the lock of a client that vanished")
    assert second.stat()[0] == 2
    second.dele(2)
    second.quit()
    assert host.content() == [PLAIN]


def a_maildrop_of_many_messages(t):
    host = Pop3Host(t)
    host.many(20_000)
    client = host.client()
    assert client.stat()[0] == 20_000
    sizes, ids = client.list()[1], client.uidl()[1]
    assert len(sizes) == len(ids) == len(set(i.split()[1] for i in ids)) == 20_000
    assert client.retr(20_000)[1][0] == b"Subject: 19999"
    client.quit()


def the_server_ends_with_sessions_open(t):
    host = Pop3Host(t)
    host.put(PLAIN)
    client = host.client()
    client.dele(1)
    assert host.stop() == 0
    assert b"[SYS/TEMP]" in client.file.readline()


def the_daemon_takes_mail_in_and_shows_it(t):
    daemon = t.daemon({"listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "starttls"},
                                    {"protocol": "pop3", "address": "127.0.0.1:0", "tls": "starttls"},
                                    {"protocol": "pop3", "address": "127.0.0.1:0", "tls": "implicit"}]})
    accounts.add(daemon, USER, password=PASSWORD)
    for number in range(3):
        submit(daemon.smtp, USER, message(f"number {number}"))
    daemon.wait_queue(0)
    client = _login(daemon, 1)
    assert client.stat()[0] == 3
    ids = [line.split()[1] for line in client.uidl()[1]]
    texts = [b"\r\n".join(client.retr(number)[1]) for number in (1, 2, 3)]
    assert all(b"Return-Path: <a@example.com>" in text for text in texts), texts
    client.dele(2)
    client.quit()
    daemon.restart()
    client = _login(daemon, 1)
    assert [line.split()[1] for line in client.uidl()[1]] == [ids[0], ids[2]], "ids outlive a restart"
    client.dele(1)
    client.quit()
    daemon.kill()  # what QUIT said is durable
    daemon.start()
    client = _login(daemon, 1)
    assert [line.split()[1] for line in client.uidl()[1]] == [ids[2]]
    assert b"\r\n".join(client.retr(1)[1]) == texts[2]
    client.quit()
    daemon.wait_event("pop3.session", account=USER)
    assert b"posthorn_pop3_messages_retrieved_total 1" in daemon.health("/metrics")[1]


def a_wrong_password_and_no_tls_are_refused_by_the_daemon(t):
    daemon = t.daemon({"listener": [{"protocol": "pop3", "address": "127.0.0.1:0", "tls": "starttls"}]})
    accounts.add(daemon, USER, password=PASSWORD)
    client = poplib.POP3("127.0.0.1", int(daemon.endpoint("pop3").rpartition(":")[2]), timeout=20)
    assert "USER" not in client.capa() and "STLS" in client.capa()
    try:
        client.user(USER)
        raise AssertionError("a password in the clear")
    except poplib.error_proto as error:
        assert b"[AUTH]" in error.args[0], error
    client.stls(unverified())
    assert {"SCRAM-SHA-256", "PLAIN"} <= set(client.capa()["SASL"])
    client.user(USER)
    try:
        client.pass_("wrong")
        raise AssertionError("came in")
    except poplib.error_proto as error:
        assert b"[AUTH]" in error.args[0], error
    client.user(USER)
    client.pass_(PASSWORD)
    client.quit()


def _login(daemon, number):
    port = int(daemon.endpoint("pop3", number).rpartition(":")[2])
    client = poplib.POP3_SSL("127.0.0.1", port, context=unverified(), timeout=20)
    client.user(USER)
    client.pass_(PASSWORD)
    return client
