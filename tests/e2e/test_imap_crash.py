"""Kill -9 in the midst of APPEND, MOVE and EXPUNGE: nothing lost, nothing doubled, no UID given twice."""

import imaplib
import random
import re
import threading

from harness import accounts
from harness.imap import PASSWORD, USER
from harness.marks import within
from harness.smtp import unverified

MAILBOXES = ("INBOX", "A")
SESSIONS = 8
KILLS = 3


class Ledger:
    """Where each message may be, and whose each UID is. Any thread."""

    def __init__(self):
        self.lock = threading.Condition()
        self.places = {}  # Message-ID: mailboxes it may be in; None: nowhere
        self.owners = {}  # (mailbox, UIDVALIDITY, UID): Message-ID
        self.answers = 0

    def begins(self, message, before, after):
        with self.lock:
            self.places[message] = {before, after}

    def answered(self, message, place):
        with self.lock:
            self.places[message] = {place}
            self.answers += 1
            self.lock.notify_all()

    def saw(self, mailbox, validity, uid, message):
        with self.lock:
            owner = self.owners.setdefault((mailbox, int(validity), int(uid)), message)
            assert owner == message, f"UID {uid} of {mailbox} was {owner}'s and is {message}'s"

    def wait(self, answers):
        with self.lock:
            assert self.lock.wait_for(lambda: self.answers >= answers, 100), f"{self.answers} answers"


def _client(daemon):
    port = int(daemon.endpoint("imap").rpartition(":")[2])
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=unverified(), timeout=60)
    client.login(USER, PASSWORD)
    return client


def _ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


class Worker(threading.Thread):
    """Does what the dice say to messages of its own, until the connection breaks."""

    def __init__(self, daemon, ledger, name, seed):
        super().__init__(name=name)
        self.client = _client(daemon)
        self.ledger, self.dice, self.failure = ledger, random.Random(seed), None
        self.mine, self.made = [], 0  # (id, mailbox, UID)

    def run(self):
        try:
            while True:
                step = self.dice.choice((self.append, self.append, self.move, self.expunge)) if self.mine else self.append
                step()
        except (imaplib.IMAP4.abort, OSError):
            pass  # the kill
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = error

    def append(self):
        self.made += 1
        message, mailbox = f"<{self.name}-{self.made}@example.net>", self.dice.choice(MAILBOXES)
        body = b"x" * self.dice.choice((10, 5000, 100_000))
        self.ledger.begins(message, None, mailbox)
        data = _ok(self.client.append(mailbox, None, None, f"Message-ID: {message}\r\n\r\n".encode() + body + b"\r\n"))
        validity, uid = re.search(rb"APPENDUID (\d+) (\d+)", data[0]).groups()
        self.ledger.saw(mailbox, validity, uid, message)
        self.ledger.answered(message, mailbox)
        self.mine.append((message, mailbox, uid))

    def take(self):
        message, mailbox, uid = self.mine.pop(self.dice.randrange(len(self.mine)))
        _ok(self.client.select(mailbox))
        return message, mailbox, uid.decode()

    def move(self):
        message, mailbox, uid = self.take()
        other = MAILBOXES[1 - MAILBOXES.index(mailbox)]
        self.ledger.begins(message, mailbox, other)
        _ok(self.client.uid("MOVE", uid, other))
        validity, _, target = self.client.response("COPYUID")[1][0].split()
        self.ledger.saw(other, validity, target, message)
        self.ledger.answered(message, other)
        self.mine.append((message, other, target))

    def expunge(self):
        message, mailbox, uid = self.take()
        _ok(self.client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)"))
        self.ledger.begins(message, mailbox, None)
        _ok(self.client.uid("EXPUNGE", uid))
        self.ledger.answered(message, None)


def _hold_against(daemon, ledger):
    client, found = _client(daemon), {}
    for mailbox in MAILBOXES:
        count = int(_ok(client.select(mailbox))[0])
        validity = client.response("UIDVALIDITY")[1][0]
        lines = _ok(client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)] RFC822.SIZE)")) if count else []
        for part in lines:
            if not isinstance(part, tuple):
                continue
            message = re.search(rb"<[^>]*>", part[1])[0].decode()
            ledger.saw(mailbox, validity, re.search(rb"UID (\d+)", part[0])[1], message)
            found.setdefault(message, []).append(mailbox)
    client.logout()
    assert found.keys() <= ledger.places.keys(), "messages that nobody sent"
    for message, allowed in ledger.places.items():
        places = found.get(message, [])
        assert len(places) <= 1, f"{message} is doubled: {places}"
        place = places[0] if places else None
        assert place in allowed, f"{message} is in {place}, not in {allowed}"
        ledger.places[message] = {place}


@within(280)
def kill_9_in_append_move_and_expunge_loses_and_doubles_nothing(t):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    dice = random.Random(seed)
    daemon = t.daemon({"listener": [{"protocol": "imap", "address": "127.0.0.1:0", "tls": "implicit"}]})
    accounts.add(daemon, USER, password=PASSWORD)
    client = _client(daemon)
    _ok(client.create("A"))
    client.logout()
    ledger = Ledger()
    for kill in range(KILLS):
        workers = [Worker(daemon, ledger, f"k{kill}w{n}", dice.random()) for n in range(SESSIONS)]
        for worker in workers:
            worker.start()
        ledger.wait(ledger.answers + dice.randrange(20, 120))
        daemon.kill()
        for worker in workers:
            worker.join(60)
            assert not worker.is_alive() and worker.failure is None, (worker.name, worker.failure)
        daemon.start()
        _hold_against(daemon, ledger)
    print(f"{ledger.answers} answers, {len(ledger.places)} messages, {len(ledger.owners)} UIDs")
