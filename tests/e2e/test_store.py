"""The mailbox store under what happens to a process."""

import collections
import mailbox
import random
import re
import subprocess
import threading

from harness import accounts
from harness.marks import long, within
from harness.smtp import message
from harness.store import inbox
from harness.wait import until

ANN = "ann@example.org"


def _storm(t, kills, backend="packs"):
    done = subprocess.run([t.build / "tests/crash/store_storm", "--kills", str(kills), "--backend", backend], text=True,
                          capture_output=True)
    print(done.stdout[-4000:], done.stderr[-2000:])
    assert done.returncode == 0


@within(120)
def kill_9_in_a_storm_on_an_account_loses_nothing(t):
    """50 deliverers, readers and deleters: what was told is there, once, whole; no UID is given twice."""
    _storm(t, 3)


@within(400)
@long
def kill_9_thirty_times_in_a_storm_on_an_account_loses_nothing(t):
    _storm(t, 30)


@within(120)
def kill_9_in_a_storm_on_a_maildir_loses_nothing(t):
    _storm(t, 3, "maildir")


@within(400)
@long
def kill_9_thirty_times_in_a_storm_on_a_maildir_loses_nothing(t):
    _storm(t, 30, "maildir")


def _home(t):
    daemon = t.daemon({"listener": [{"protocol": "lmtp", "address": "127.0.0.1:0"}]})
    accounts.add(daemon, ANN)
    return daemon


def _hand_over(t, daemon, messages):
    """... and wait until that many are in her mailboxes."""
    client = t.client(daemon.endpoint("lmtp"))
    client.expect(250, "LHLO c")
    client.expect(250, "MAIL FROM:<x@example.net>")
    client.expect(250, f"RCPT TO:<{ANN}>")
    assert client.data(message()).code == 250
    client.expect(221, "QUIT")
    until(lambda: _messages(daemon) == messages, 60, f"{messages} messages in the store")


def _messages(daemon):
    rows = daemon.mailctl("store", "list", json_output=True)
    return next((row["messages"] for row in rows if row["account"] == ANN), 0)


def _clean(daemon):
    return daemon.mailctl("store", "check", ANN, "--bodies", json_output=True)["clean"]


def an_account_is_backed_up_while_the_server_runs_and_restored(t):
    daemon = _home(t)
    _hand_over(t, daemon, 1)
    assert _clean(daemon)
    folder = str(t.dir / "backup")
    made = daemon.mailctl("store", "backup", ANN, "--to", folder, json_output=True)
    assert made["messages"] == 1 and made["files"] == 1, made
    _hand_over(t, daemon, 2)
    assert daemon.mailctl("store", "restore", ANN, "--from", folder, json_output=True)["messages"] == 1
    assert _messages(daemon) == 1 and _clean(daemon)
    _hand_over(t, daemon, 2)
    daemon.kill()
    daemon.start()
    assert _messages(daemon) == 2 and _clean(daemon)


def a_lost_index_is_made_again_by_an_operator(t):
    daemon = _home(t)
    _hand_over(t, daemon, 1)
    daemon.stop()
    for file in daemon.dir.rglob("index.sqlite*"):
        file.unlink()
    daemon.start()
    assert daemon.mailctl("store", "list", json_output=True)[0]["error"]
    done = daemon.mailctl("store", "repair", ANN, json_output=True)
    assert done["index_was_lost"] and done["recovered"] == 1, done
    assert _messages(daemon) == 1 and _clean(daemon)


# ---- with the server down

def an_account_is_checked_and_repaired_with_the_server_down(t):
    daemon = _home(t)
    _hand_over(t, daemon, 1)
    offline = ("--config", str(daemon.file), "--server", str(daemon.binary))
    daemon.stop()
    report = daemon.mailctl("store", "check", ANN, "--bodies", *offline, json_output=True)
    assert report["clean"] and report["messages"] == 1, report
    for file in daemon.dir.rglob("index.sqlite*"):
        file.unlink()
    broken = daemon.mailctl("store", "check", ANN, *offline, check=False)
    assert broken.returncode == 1 and "store repair" in broken.stderr, broken
    done = daemon.mailctl("store", "repair", ANN, *offline, json_output=True)
    assert done["index_was_lost"] and done["recovered"] == 1, done
    nobody = daemon.mailctl("store", "check", "nobody@example.org", *offline, check=False)
    assert nobody.returncode == 1 and "no account" in nobody.stderr, nobody
    daemon.start()
    assert _messages(daemon) == 1 and _clean(daemon)
    _hand_over(t, daemon, 2)  # what was made anew is the server's to write


def an_account_is_not_repaired_behind_a_running_server(t):
    daemon = _home(t)
    _hand_over(t, daemon, 1)
    # Without its socket mailctl takes the server for one that is down; posthornd knows better.
    for word in ("check", "repair"):
        done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.dir / "none", "store", word, ANN,
                               "--config", daemon.file, "--server", daemon.binary],
                              text=True, capture_output=True, timeout=60)
        assert done.returncode == 1 and "in use" in done.stderr, done
    assert _clean(daemon)


# ---- mail from and to the files of others

def _fill(folder):
    """A Maildir++ as python makes it, with a folder, flags and dates."""
    box = mailbox.Maildir(folder)
    for n in range(3):
        one = mailbox.MaildirMessage(f"Subject: {n}\nMessage-ID: <{n}@example.net>\n\nFrom x\nbody {n}\n".encode())
        one.set_date(1_700_000_000 + n)
        if n:
            one.set_subdir("cur")
            one.set_flags("RS" if n == 1 else "F")
        box.add(one)
    below = box.add_folder("Work.Entw&APw-rfe")
    below.add(b"Subject: draft\n\nx\n")
    return 4


def _mail(daemon, format, folder):
    """What an export holds: (mailbox, text, flags) of each message."""
    daemon.mailctl("store", "export", format, folder, ANN, timeout=120)
    out = []
    if format == "maildir":
        box = mailbox.Maildir(folder, create=False)
        boxes = {"INBOX": box} | {name: box.get_folder(name) for name in box.list_folders()}
        for name, one in boxes.items():
            out += [(name, m.as_bytes(), "".join(sorted(m.get_flags())), int(m.get_date())) for m in one]
    else:
        for path in sorted(folder.rglob("*.mbox")):
            for m in mailbox.mbox(path, create=False):
                flags = "".join(sorted(m.get_flags().replace("O", "")))
                for field in ("Status", "X-Status", "X-Keywords"):
                    del m[field]
                out.append((path.stem, m.as_bytes(), flags, m.get_from()))
    return sorted(out)


def a_maildir_is_imported_once_however_often_and_exported_as_it_was(t):
    daemon = _home(t)
    source = t.dir / "source"
    count = _fill(source)
    done = daemon.mailctl("store", "import", "maildir", source, ANN, json_output=True)
    assert (done["messages"], done["known"], done["mailboxes"]) == (count, 0, 2), done
    # Somebody has read one meanwhile, and one is new.
    for path in (source / "new").iterdir():
        path.rename(source / "cur" / (path.name + ":2,S"))
    mailbox.Maildir(source).add(b"Subject: late\n\nx\n")
    done = daemon.mailctl("store", "import", "maildir", source, ANN, json_output=True)
    assert (done["messages"], done["known"]) == (1, count), done
    got = _mail(daemon, "maildir", t.dir / "out")
    assert [(box, flags) for box, _, flags, _ in got] == [
        ("INBOX", ""), ("INBOX", "RS"), ("INBOX", "F"), ("INBOX", ""), ("Work.Entw&APw-rfe", "")], got
    assert got[0][1].startswith(b"Subject: 0\n") and b"\nFrom x\n" in got[0][1], got[0]
    assert [date for *_, date in got[:3]] == [1_700_000_000, 1_700_000_001, 1_700_000_002], got
    assert _clean(daemon)
    # What was exported is, imported elsewhere, what it was.
    accounts.add(daemon, "bob@example.org")
    daemon.mailctl("store", "import", "maildir", t.dir / "out", "bob@example.org")
    daemon.mailctl("store", "export", "maildir", t.dir / "again", "bob@example.org")
    box = mailbox.Maildir(t.dir / "again", create=False)
    assert sorted(m.as_bytes() for m in box) == [text for name, text, *_ in got if name == "INBOX"]


def mboxes_are_imported_and_exported(t):
    daemon = _home(t)
    path = t.dir / "old.mbox"
    box = mailbox.mbox(path)
    for n in range(3):
        one = mailbox.mboxMessage(f"Subject: {n}\n\nFrom x\n>body\n".encode())
        one.set_flags(["", "RO", "AFR"][n])
        one.set_from("ann@example.net", (2023, 11, 14, 22, 13, 20 + n, 1, 318, 0))
        box.add(one)
    box.close()
    done = daemon.mailctl("store", "import", "mbox", path, ANN, json_output=True)
    assert done["messages"] == 3, done
    assert daemon.mailctl("store", "import", "mbox", path, ANN, json_output=True)["known"] == 3
    got = _mail(daemon, "mbox", t.dir / "out")
    assert [(box, flags) for box, _, flags, _ in got if box == "INBOX"] == [("INBOX", ""), ("INBOX", "R"), ("INBOX", "AFR")], got
    assert got[0][3].endswith("Tue Nov 14 22:13:20 2023"), got[0]
    # python takes no quoting back.
    assert got[0][1].replace(b">From ", b"From ") == b"Subject: 0\n\nFrom x\n>body\n", got[0]


@within(240)
def an_import_that_a_kill_cut_off_is_begun_again(t):
    daemon = _home(t)
    source = t.dir / "source"
    box = mailbox.Maildir(source)
    count = 150
    for n in range(count):
        box.add(f"Subject: {n}\n\n{'x' * (n * 97 % 2000)}\n".encode())
    for _ in range(3):
        run = subprocess.Popen([daemon.mailctl_binary, "--control-socket", daemon.socket, "store", "import", "maildir",
                                source, ANN], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        before = _messages(daemon)
        until(lambda: _messages(daemon) > before or run.poll() is not None, 60, "some progress", step=0.01)
        daemon.kill()
        run.communicate(timeout=60)
        daemon.start()
    daemon.mailctl("store", "import", "maildir", source, ANN, timeout=120)
    assert _messages(daemon) == count and _clean(daemon)
    daemon.stop()
    subjects = collections.Counter(re.match(rb"Subject: (\d+)", text)[1] for text in inbox(daemon.dir / "data", ANN))
    assert len(subjects) == count and set(subjects.values()) == {1}


# ---- accepted for an account: in its mailbox, once

class _Senders:
    """Clients that send to accounts of ours until they are told to end, and note what got its 250."""

    def __init__(self, t, daemon, sessions, recipients):
        self.t, self.daemon, self.recipients = t, daemon, recipients
        self.promised, self.lock, self.over = {}, threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(sessions)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        dice, count = random.Random(number), 0
        while not self.over.is_set():
            try:
                client = self.t.client(self.daemon.endpoint("smtp"))
                client.expect(250, "EHLO load.example.net")
                while not self.over.is_set():
                    identity = f"id-{number}-{count}"
                    count += 1
                    body = (identity + " ").encode() * dice.choice((3, 100, 20_000))
                    client.expect(250, "MAIL FROM:<>")
                    for recipient in self.recipients:
                        client.expect(250, f"RCPT TO:<{recipient}>")
                    text = b"Subject: " + identity.encode() + b"\r\n\r\n" + re.sub(rb"(.{60,70} )", rb"\1\r\n", body) + b"\r\n"
                    if client.data(text).code == 250:
                        with self.lock:
                            self.promised[identity] = text
            except (OSError, AssertionError, ValueError, KeyError, IndexError):
                self.over.wait(0.05)  # the server is down just now

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
        return self.promised


def _kills_under_local_mail(t, kills, most):
    listener = [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "none"}]
    daemon = t.daemon({"listener": listener, "smtp": {"max_connections_per_client": 100},
                       "delivery": {"retry_min": "1s", "retry_max": "1s"}})
    people = [ANN, "bob@example.org"]
    accounts.add(daemon, *people)
    daemon.mailctl("alias", "add", "both@example.org", ",".join(people))
    senders = _Senders(t, daemon, 5, ["both@example.org", ANN])
    dice = random.Random(7)
    try:
        for _ in range(kills):
            goal = len(senders.promised) + dice.randint(1, most)
            until(lambda: len(senders.promised) >= goal, 120, "promises", step=0.01)
            daemon.kill()
            daemon.start(60)
        goal = len(senders.promised) + 20
        until(lambda: len(senders.promised) >= goal, 120, "promises", step=0.01)
    finally:
        promised = senders.end()
    daemon.wait_queue(0, 120)
    for account in people:
        said = daemon.mailctl("store", "check", account, "--bodies", json_output=True, timeout=120)
        assert said["findings"] == said["orphans"], said  # a body whose row a kill forbade was promised to nobody
    assert daemon.stop() == 0
    for account in people:
        stored = collections.Counter()
        for text in inbox(daemon.dir / "data", account):
            identity = re.search(rb"^Subject: (\S+)\r$", text, re.M)[1].decode()
            stored[identity] += 1
            assert identity not in promised or text.endswith(promised[identity]), identity
        assert not [i for i in promised if stored[i] != 1], [(i, stored[i]) for i in promised if stored[i] != 1][:5]
        assert max(stored.values()) == 1
    print(f"{len(promised)} messages, {kills} kills")


@within(240)
def what_was_accepted_for_accounts_is_in_their_mailboxes_once_after_kills(t):
    _kills_under_local_mail(t, 3, 60)


@within(600)
@long
def what_was_accepted_for_accounts_is_in_their_mailboxes_once_after_twenty_kills(t):
    _kills_under_local_mail(t, 20, 300)
