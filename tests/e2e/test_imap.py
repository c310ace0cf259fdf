"""Mail read, stored and synchronised by IMAP with the clients people use: nothing is lost, nothing is doubled."""

import imaplib
import re
import shutil
import subprocess
import zlib

from harness import accounts
from harness.imap import PASSWORD, USER, ImapHost
from harness.smtp import message, submit, unverified
from harness.wait import until

PLAIN = b"From: a@example.net\r\nTo: ann@example.org\r\nSubject: plain\r\nMessage-ID: <1@example.net>\r\n\r\nHello\r\n"
EIGHT_BIT = "From: a@example.net\r\nSubject: grüße\r\nMessage-ID: <3@example.net>\r\n\r\nÄÖÜ end\r\n".encode()
LARGE = b"From: a@example.net\r\nSubject: large\r\nMessage-ID: <4@example.net>\r\n\r\n" + b"a line 76 octets long\r\n" * 100_000
PARTS = (b"From: a@example.net\r\nSubject: parts\r\nMessage-ID: <5@example.net>\r\nMIME-Version: 1.0\r\n"
         b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\nneedle\r\n"
         b"--B\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--B--\r\n")
MAIL = [PLAIN, EIGHT_BIT, LARGE, PARTS]


def _tool(t, name):
    path = shutil.which(name)
    if path is None:
        t.skip(f"no {name}")
    return path


def _run(command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=100, **options)
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout!r}\n{done.stderr!r}"
    return done.stdout


def _ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def _numbered(count, prefix="n"):
    return [b"Subject: %d\r\nMessage-ID: <%s%d@example.net>\r\n\r\nbody %d\r\n" % (i, prefix.encode(), i, i)
            for i in range(count)]


def curl_lists_reads_searches_and_appends(t):
    host = ImapHost(t)
    host.put(*MAIL)
    curl = [_tool(t, "curl"), "-s", "-S", "--cacert", host.cert, "--resolve",
            f"mx.example.org:{host.tls_port}:127.0.0.1", "-u", f"{USER}:{PASSWORD}"]
    url = f"imaps://mx.example.org:{host.tls_port}/"
    assert b'"/" INBOX' in _run([*curl, url])
    for uid, message in enumerate(MAIL, 1):
        assert _run([*curl, f"{url}INBOX;UID={uid}"]) == message, uid
    assert _run([*curl, f"{url}INBOX;UID=4;SECTION=1"]) == b"needle"
    assert _run([*curl, f"{url}INBOX?SUBJECT%20parts"]).strip() == b"* SEARCH 4"
    file = t.dir / "new"
    file.write_bytes(PLAIN)
    _run([*curl, "-T", file, f"{url}Sent"])
    assert host.content("Sent") == [PLAIN]


def curl_upgrades_with_starttls(t):
    host = ImapHost(t)
    host.put(PLAIN)
    curl = [_tool(t, "curl"), "-s", "-S", "--ssl-reqd", "--cacert", host.cert, "--resolve",
            f"mx.example.org:{host.port}:127.0.0.1", "-u"]
    url = f"imap://mx.example.org:{host.port}/INBOX;UID=1"
    for options in ("AUTH=PLAIN", "AUTH=LOGIN", "AUTH=*"):
        assert _run([*curl, f"{USER}:{PASSWORD}", "--login-options", options, url]) == PLAIN
    wrong = subprocess.run([*map(str, curl), f"{USER}:wrong", url], capture_output=True, timeout=50)
    assert wrong.returncode == 67, wrong  # "login denied"


def imaplib_goes_through_a_mailbox(t):
    host = ImapHost(t)
    client = host.client()
    assert "IMAP4REV1" in client.capabilities
    assert _ok(client.select("INBOX")) == [b"0"]
    for message in MAIL:
        _ok(client.append("INBOX", r"(\Seen)", None, message))
    assert host.content() == MAIL
    assert _ok(client.noop())
    assert client.untagged_responses["EXISTS"][-1] == b"4"
    fetched = _ok(client.fetch("1:*", "(UID FLAGS RFC822.SIZE BODY.PEEK[])"))
    assert [part[1] for part in fetched if isinstance(part, tuple)] == MAIL
    assert _ok(client.search(None, "SUBJECT", "parts")) == [b"4"]
    assert _ok(client.uid("SEARCH", None, "TEXT", "needle")) == [b"4"]
    _ok(client.create("Work/2026"))
    _ok(client.copy("1:2", "Work/2026"))
    assert host.content("Work/2026") == MAIL[:2]
    _ok(client.store("1:2", "+FLAGS", r"(\Deleted)"))
    assert _ok(client.expunge()) == [b"2", b"1"]
    _ok(client.uid("MOVE", "3", "Work/2026"))
    assert host.content() == [PARTS]
    assert host.content("Work/2026") == [*MAIL[:2], LARGE]
    _ok(client.rename("Work", "Old"))
    assert any(b"Old/2026" in line for line in _ok(client.list()))
    assert re.search(rb"MESSAGES 3", _ok(client.status("Old/2026", "(MESSAGES UIDNEXT)"))[0])
    _ok(client.delete("Old/2026"))
    client.close()
    client.logout()


def imaplib_sorts_and_threads(t):
    host = ImapHost(t)
    host.put(*[b"Message-ID: <%d@a>\r\nReferences: %s\r\nSubject: %s\r\nFrom: %s@example.net\r\n\r\ntext\r\n" % line for line in [
        (1, b"", b"beta", b"zoe"), (2, b"<1@a>", b"Re: beta", b"bob"), (3, b"", b"Alpha", b"ann"),
        (4, b"<1@a> <2@a>", b"Re: beta", b"ann")]])
    client = host.client()
    _ok(client.select("INBOX"))
    assert {"SORT", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT"} <= set(_ok(client.capability())[0].decode().split())
    assert _ok(client.sort("SUBJECT FROM", "UTF-8", "ALL")) == [b"3 4 2 1"]
    assert _ok(client.uid("SORT", "(REVERSE FROM)", "UTF-8", "SUBJECT", "beta")) == [b"1 2 4"]
    assert _ok(client.thread("REFERENCES", "UTF-8", "ALL")) == [b"(1 2 4)(3)"]
    assert _ok(client.uid("THREAD", "ORDEREDSUBJECT", "UTF-8", "ALL")) == [b"(1 (2)(4))(3)"]


def a_delivery_reaches_a_client_in_idle(t):
    host = ImapHost(t)
    client = host.client()
    _ok(client.select("INBOX"))
    client.send(b"i1 IDLE\r\n")
    assert client.readline().startswith(b"+ ")
    host.put(PLAIN)
    assert client.readline() == b"* 1 EXISTS\r\n"
    client.send(b"DONE\r\n")
    assert client.readline().startswith(b"i1 OK")


def a_mailbox_of_many_messages(t):
    host = ImapHost(t)
    host.many(20_000)
    client = host.client()
    assert _ok(client.select("INBOX")) == [b"20000"]
    assert len(_ok(client.fetch("1:*", "(UID FLAGS)"))) == 20_000
    assert len(_ok(client.fetch("19000:*", "(ENVELOPE)"))) == 1001
    _ok(client.store("1:*", "+FLAGS.SILENT", r"(\Seen)"))
    assert _ok(client.search(None, "UNSEEN")) == [b""]
    assert len(_ok(client.search(None, "SUBJECT", "77"))[0].split()) == len([n for n in range(20_000) if "77" in str(n)])
    _ok(client.store("2:20000", "+FLAGS.SILENT", r"(\Deleted)"))
    client.close()
    assert len(host.content()) == 1


def _mbsyncrc(t, host):
    rc = t.dir / "mbsyncrc"
    (t.dir / "mail").mkdir(exist_ok=True)
    rc.write_text(
        f"IMAPAccount ph\nHost 127.0.0.1\nPort {host.tls_port}\nUser {USER}\nPass {PASSWORD}\nSSLType IMAPS\n"
        f"CertificateFile {host.cert}\n\nIMAPStore far\nAccount ph\n\n"
        f"MaildirStore near\nPath {t.dir}/mail/\nInbox {t.dir}/mail/INBOX\nSubFolders Verbatim\n\n"
        f"Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\n")
    return rc


def _maildir_bodies(folder):
    files = [*(folder / "cur").iterdir(), *(folder / "new").iterdir()]
    # mbsync writes LF and a header of its own.
    return sorted(re.sub(rb"X-TUID:.*\n", b"", f.read_bytes().replace(b"\r\n", b"\n")) for f in files)


def _near(messages):
    return sorted(re.sub(rb"X-TUID:.*\n", b"", m.replace(b"\r\n", b"\n")) for m in messages)


def mbsync_keeps_both_sides_the_same(t):
    host = ImapHost(t)
    mbsync = [_tool(t, "mbsync"), "-c", _mbsyncrc(t, host), "-a"]
    home = {"HOME": str(t.dir), "PATH": "/usr/bin:/bin"}
    inbox = t.dir / "mail" / "INBOX"
    host.put(*MAIL, *_numbered(50))
    _run(mbsync, env=home)
    assert _maildir_bodies(inbox) == _near([*MAIL, *_numbered(50)])
    # Changes on both sides, again and again.
    for turn in range(3):
        host.put(*_numbered(5, f"far{turn}-"))
        for n, message in enumerate(_numbered(3, f"near{turn}-")):
            (inbox / "new" / f"{turn}{n}.near.host").write_bytes(message.replace(b"\r\n", b"\n"))
        client = host.client()
        _ok(client.select("INBOX"))
        _ok(client.store("1:2", "+FLAGS", r"(\Deleted)"))
        _ok(client.expunge())
        client.logout()
        sorted(inbox.glob("*/*,U=*"))[0].unlink()
        _run(mbsync, env=home)
        _run(mbsync, env=home)
        assert _maildir_bodies(inbox) == _near(host.content()), turn
    # 54 at first; each turn brings 5 and 3, and takes 2 and 1, or 2 where it took the same one.
    assert 54 + 3 * 5 <= len(host.content()) <= 54 + 3 * 6, len(host.content())


def offlineimap_brings_mail_home_and_changes_back(t):
    host = ImapHost(t, name="localhost")
    host.put(*MAIL)
    rc = t.dir / "offlineimaprc"
    rc.write_text(
        f"[general]\naccounts = a\nmetadata = {t.dir}/meta\nui = quiet\n[Account a]\nlocalrepository = l\n"
        f"remoterepository = r\n[Repository l]\ntype = Maildir\nlocalfolders = {t.dir}/home\n[Repository r]\ntype = IMAP\n"
        f"remotehost = localhost\nremoteport = {host.tls_port}\nremoteuser = {USER}\nremotepass = {PASSWORD}\nssl = yes\n"
        f"sslcacertfile = {host.cert}\nssl_version = tls1_2\ntls_level = tls_compat\n")
    command = [_tool(t, "offlineimap"), "-c", rc, "-o", "-u", "quiet"]
    home = {"HOME": str(t.dir), "PATH": "/usr/bin:/bin"}
    _run(command, env=home)
    inbox = t.dir / "home" / "INBOX"
    assert _maildir_bodies(inbox) == _near(MAIL)
    (inbox / "new" / "1.local.host").write_bytes(_numbered(1)[0].replace(b"\r\n", b"\n"))
    next(f for f in inbox.glob("*/*") if b"Subject: plain" in f.read_bytes()).unlink()
    _run(command, env=home)
    subjects = sorted(re.search(rb"Subject: (\S+)", m)[1] for m in host.content())
    assert subjects == sorted([b"0", "grüße".encode(), b"large", b"parts"]), subjects


def neomutt_saves_a_message(t):
    host = ImapHost(t)
    host.put(PLAIN, PARTS)
    rc = t.dir / "muttrc"
    rc.write_text(
        f'set ssl_force_tls=yes\nset ssl_verify_host=no\nset certificate_file={host.cert}\nset imap_user="{USER}"\n'
        f'set imap_pass="{PASSWORD}"\nset folder="imaps://127.0.0.1:{host.tls_port}/"\nset spoolfile="+INBOX"\n'
        f'set confirmcreate=no\nset confirmappend=no\nset quit=yes\nset delete=yes\nset wait_key=no\n'
        f'set header_cache=""\n'
        f'push "<tag-pattern>~s parts<enter><tag-prefix><save-message>=Archive<enter><sync-mailbox><quit>"\n')
    process = t.process([_tool(t, "script"), "-q", "-e", "-c", f"{_tool(t, 'neomutt')} -n -F {rc}", "/dev/null"],
                        stdin=subprocess.PIPE, stdout=(t.dir / "screen").open("wb"),
                        env={"HOME": str(t.dir), "PATH": "/usr/bin:/bin", "TERM": "xterm", "LINES": "30", "COLUMNS": "100"})
    until(lambda: host.content("Archive") == [PARTS] and host.content() == [PLAIN], 60, "neomutt has moved it")
    process.stdin.close()
    process.wait(30)


def many_clients_store_and_expunge_at_once(t):
    host = ImapHost(t)
    clients = [host.client() for _ in range(10)]
    for client in clients:
        _ok(client.select("INBOX"))
    for turn in range(5):
        for number, client in enumerate(clients):
            _ok(client.append("INBOX", None, None, _numbered(1, f"t{turn}c{number}-")[0]))
        for client in clients:
            _ok(client.noop())
        victim = clients[turn]
        _ok(victim.store("1:3", "+FLAGS.SILENT", r"(\Deleted)"))
        _ok(victim.expunge())
    views = []
    for client in clients:
        _ok(client.noop())
        uids = [re.search(rb"UID (\d+)", line)[1] for line in _ok(client.fetch("1:*", "(UID)"))]
        views.append(uids)
    assert all(view == views[0] for view in views)
    assert len(views[0]) == 50 - 15 == len(host.content())
    assert [int(u) for u in views[0]] == sorted(set(int(u) for u in views[0]))


def the_server_ends_with_sessions_open(t):
    host = ImapHost(t)
    client = host.client()
    _ok(client.select("INBOX"))
    assert host.stop() == 0
    assert b"BYE" in client.readline()


def a_wrong_password_is_refused(t):
    host = ImapHost(t)
    client = host.client(login=False)
    try:
        client.login(USER, "wrong")
        raise AssertionError("let in")
    except imaplib.IMAP4.error as error:
        assert "AUTHENTICATIONFAILED" in str(error), error


def the_daemon_takes_mail_in_and_shows_it(t):
    daemon = t.daemon({"listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "starttls"},
                                    {"protocol": "imap", "address": "127.0.0.1:0", "tls": "starttls"},
                                    {"protocol": "imap", "address": "127.0.0.1:0", "tls": "implicit"}]})
    accounts.add(daemon, USER, password=PASSWORD)
    client = _login(daemon)
    _ok(client.select("INBOX"))
    client.send(b"i1 IDLE\r\n")
    assert client.readline().startswith(b"+ ")
    submit(daemon.smtp, USER, message("number 0"))
    assert client.readline() == b"* 1 EXISTS\r\n"  # in IDLE, from a delivery
    client.send(b"DONE\r\n")
    assert client.readline().startswith(b"i1 OK")
    for number in (1, 2):
        submit(daemon.smtp, USER, message(f"number {number}"))
    daemon.wait_queue(0)
    _ok(client.noop())
    fetched = [part[1] for part in _ok(client.fetch("1:*", "(BODY.PEEK[])")) if isinstance(part, tuple)]
    assert len(fetched) == 3 and all(b"Return-Path: <a@example.com>" in text for text in fetched), fetched
    _ok(client.append("Sent", r"(\Seen)", None, PARTS))
    _ok(client.uid("MOVE", "2", "Trash"))
    _ok(client.store("1", "+FLAGS", r"(\Deleted \Flagged)"))
    _ok(client.expunge())
    daemon.kill()  # what was answered OK is durable
    daemon.start()
    client = _login(daemon)
    _ok(client.select("INBOX"))
    assert [part[1] for part in _ok(client.fetch("1:*", "(UID BODY.PEEK[])")) if isinstance(part, tuple)] == fetched[2:]
    assert b"UID 3" in _ok(client.fetch("1", "(UID)"))[0]
    for mailbox, text in (("Sent", PARTS), ("Trash", fetched[1])):
        _ok(client.select(mailbox))
        assert _ok(client.fetch("1", "(BODY.PEEK[])"))[0][1] == text, mailbox
    assert _ok(client.search(None, "TEXT", "number")) == [b"1"]
    client.logout()
    daemon.stop()
    assert daemon.events("imap.session", account=USER)


def _login(daemon):
    port = int(daemon.endpoint("imap", 1).rpartition(":")[2])
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=unverified(), timeout=30)
    client.login(USER, PASSWORD)
    return client


def getmail_takes_each_message_once(t):
    host = ImapHost(t)
    host.put(*MAIL)
    got = t.dir / "got"
    rc = t.dir / "getmailrc"
    rc.write_text(f"[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = 127.0.0.1\nport = {host.tls_port}\n"
                  f"username = {USER}\npassword = {PASSWORD}\nmailboxes = (\"INBOX\",)\n"
                  f"[destination]\ntype = MDA_external\npath = {_tool(t, 'tee')}\narguments = (\"-a\", \"{got}\")\n"
                  f"allow_root_commands = true\n[options]\nread_all = false\ndelete = false\n")
    command = [_tool(t, "getmail"), "--getmaildir", t.dir, "--rcfile", rc]
    taken = list(MAIL)
    for new in ([], [], _numbered(1)):  # the second time there is nothing new
        host.put(*new)
        taken += new
        _run(command, env={"HOME": str(t.dir), "PATH": "/usr/bin:/bin"})
        ids = sorted(re.findall(rb"(?im)^message-id: (<.*?>)", got.read_bytes()))
        assert ids == sorted(re.search(rb"(?i)message-id: (<.*?>)", mail)[1] for mail in taken)


class _Deflated:
    """The socket and file of an imaplib client after COMPRESS."""

    def __init__(self, sock, file):
        self.sock, self.file = sock, file
        self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(9, zlib.DEFLATED, -15)
        self.ready, self.raw = b"", 0

    def sendall(self, data):
        self.sock.sendall(self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH))

    def _fill(self):
        packed = self.file.read1(65536)
        assert packed, "the server left"
        self.raw += len(packed)
        self.ready += self.inflate.decompress(packed)

    def read(self, size):
        while len(self.ready) < size:
            self._fill()
        data, self.ready = self.ready[:size], self.ready[size:]
        return data

    def readline(self, limit=-1):
        while b"\n" not in self.ready:
            self._fill()
        return self.read(self.ready.index(b"\n") + 1)

    def shutdown(self, how):
        self.sock.shutdown(how)

    def close(self):
        self.sock.close()


def a_client_that_compresses_reads_and_stores_the_same(t):
    host = ImapHost(t)
    host.put(*MAIL)
    client = host.client()
    assert "COMPRESS=DEFLATE" in _ok(client.capability())[0].decode().split()
    imaplib.Commands.setdefault("COMPRESS", ("AUTH", "SELECTED"))
    _ok(client._simple_command("COMPRESS", "DEFLATE"))
    thin = client.sock = client.file = _Deflated(client.sock, client.file)
    assert "COMPRESS=DEFLATE" not in _ok(client.capability())[0].decode().split()
    status, said = client._simple_command("COMPRESS", "DEFLATE")
    assert status == "NO" and b"COMPRESSIONACTIVE" in said[0], said
    _ok(client.select("INBOX"))
    for number, message in enumerate(MAIL, 1):
        assert _ok(client.fetch(str(number), "(BODY.PEEK[])"))[0][1] == message
    assert thin.raw < len(LARGE) // 10, thin.raw
    _ok(client.append("Sent", None, None, LARGE))
    assert host.content("Sent") == [LARGE]
    client.logout()
