"""kill -9, losses of power and failing disks under load, and the account of it: nothing acknowledged is lost.

Used by tests/e2e/test_crash.py (few interruptions) and tests/proof/ (many).
"""

import collections
import errno
import itertools
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.wait import TimedOut, until

from . import power

HERE = Path(__file__).resolve().parent
CONNECTIONS = 10  # of the daemon to the sink


class Account:
    """What clients were told beside what arrived."""

    def __init__(self, acknowledged: Path, arrived: Path):
        self.promised = dict(line.split() for line in acknowledged.read_text().splitlines() if line.count(" ") == 1)
        self.deliveries = collections.Counter()   # (id, recipient)
        self.torn = []
        self.reports = collections.defaultdict(set)      # id -> Message-IDs of reports
        self.report_copies = collections.Counter()       # Message-ID
        self.reported = collections.Counter()            # (id, failed recipient), by distinct report
        self.duplicates = 0  # transactions that brought what had come before
        self.cut = 0         # connections open when the daemon died that had taken something: each excuses one of these
        for line in arrived.read_text().splitlines():
            kind, _, *rest = line.split()
            if kind == "cut":
                self.cut += 1
            elif kind == "message":
                identity, right, recipients = rest
                names = [recipient.split("+")[0] for recipient in recipients.split(",")]
                self.duplicates += any(self.deliveries[identity, name] for name in names)
                if right != "1":
                    self.torn.append(identity)
                for name in names:
                    self.deliveries[identity, name] += 1
            else:
                message_id, sender, failed = rest
                identity = sender[2:].partition("@")[0]
                self.duplicates += message_id in self.report_copies
                self.report_copies[message_id] += 1
                if message_id not in self.reports[identity]:
                    self.reports[identity].add(message_id)
                    for recipient in failed.split(","):
                        self.reported[identity, recipient.split("+")[0]] += 1

    def expected(self):
        for identity, kind in self.promised.items():
            for name in {"good": ["good"], "large": ["good"], "later": ["later"], "bad": [],
                         "mixed": ["good", "later"]}[kind]:
                yield identity, name

    def refused(self):
        for identity, kind in self.promised.items():
            if kind in ("bad", "mixed"):
                yield identity, "bad"

    def missing(self):
        return [key for key in self.expected() if not self.deliveries[key]] + \
            [("no report", *key) for key in self.refused() if not self.reported[key]]

    def double_reports(self):
        return [key for key, n in self.reported.items() if n > 1]

    def reports_of_successes(self):
        return [key for key in self.reported if key[1] != "bad"]


def configuration(listen, sink, segment_size):
    return {
        "listener": [{"protocol": "smtp", "address": listen, "tls": "none"}],
        "smtp": {"max_connections_per_client": 1000},
        "spool": {"segment_size": segment_size},
        "delivery": {"retry_min": "1s", "retry_max": "1s", "max_connections": CONNECTIONS,
                     "domains": {"example.net": {"mx_override": sink, "max_connections": CONNECTIONS},
                                 "example.com": {"mx_override": sink, "max_connections": CONNECTIONS}}},
        "log": {"format": "json", "level": "info"},
    }


class Lines:
    """How many lines a file that grows has."""

    def __init__(self, path: Path):
        self.path, self.at, self.count = path, 0, 0

    def __call__(self):
        with self.path.open("rb") as file:
            file.seek(self.at)
            new = file.read()
        self.at += len(new)
        self.count += new.count(b"\n")
        return self.count


class Trial:
    """The daemon between clients that never cease and a sink, interrupted again and again."""

    def __init__(self, make_daemon, folder: Path, free_port, *, sessions, seed, spool=None, segment_size="4MiB"):
        self.dice = random.Random(seed)
        self.folder, self.sessions = folder, sessions
        self.acknowledged, self.arrived = folder / "acknowledged", folder / "arrived"
        for path in (self.acknowledged, self.arrived):
            path.touch()
        self.promises = Lines(self.acknowledged)
        self.sink_port, self.port = free_port(), free_port()
        config = configuration(f"127.0.0.1:{self.port}", f"127.0.0.1:{self.sink_port}", segment_size)
        if spool:
            config["server"] = {"spool_dir": spool}
        self.daemon = make_daemon(config)
        if spool:
            self.daemon.spool = spool
        self.starts = []
        self.refused_starts = 0
        self.children = []

    def child(self, *command):
        process = subprocess.Popen([sys.executable, *map(str, command)], stdin=subprocess.PIPE)
        self.children.append(process)
        return process

    def start(self, may_end=()):
        """True once it serves; False when it ended before with one of these statuses."""
        begin = time.monotonic()
        self.daemon.spawn()
        until(lambda: self.daemon.events("server.ready") or not self.daemon.running(), 60, "the start")
        if self.daemon.running():
            self.starts.append(time.monotonic() - begin)
            return True
        status = self.daemon.process.returncode
        assert status in may_end, f"posthornd ended with {status} at its start"
        self.refused_starts += 1
        return False

    def progress(self, most):
        """Until the clients were promised some more."""
        target = self.promises() + self.dice.randint(1, most)
        until(lambda: self.promises() >= target or not self.daemon.running(), 90, f"promise {target}", step=0.005)
        assert self.daemon.running(), f"posthornd ended by itself with {self.daemon.process.returncode}"

    def run(self, interruption, times, drain):
        try:
            self.child(HERE / "sink.py", self.sink_port, self.arrived)
            self.start()
            load = self.child(HERE / "load.py", f"127.0.0.1:{self.port}", self.sessions, self.acknowledged)
            for _ in range(times):
                interruption(self)
            self.progress(100)  # it is well after all of that
            load.stdin.close()
            load.wait(20)
            return self.settle(drain)
        finally:
            self.end()

    def settle(self, limit):
        """Until the queue is empty. One that does not become so is a failure of its own."""
        daemon = self.daemon
        until(lambda: _queued(daemon) == 0, limit, "an empty queue", step=0.3)
        try:
            until(lambda: not _behind(daemon), 30, step=0.2)
        except TimedOut:
            pass  # judge() says what was left, after the graver things
        return Account(self.acknowledged, self.arrived)

    def end(self):
        for process in self.children:
            if process.stdin and not process.stdin.closed:
                process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Kill:
    """kill -9 after some more promises, now and then while it starts."""

    def __init__(self, most):
        self.most = most

    def __call__(self, trial):
        trial.progress(self.most)
        trial.daemon.kill()
        while trial.dice.random() < 0.2:
            trial.daemon.spawn()
            until(lambda: trial.daemon.raw_log() or not trial.daemon.running(), 30, "a sign of life", step=0.001)
            trial.daemon.kill()
        trial.start()


class BrokenDisk:
    """The file system is shut down under the running daemon: it forgets what was not synced, and is mounted anew."""

    def __init__(self, disk, most):
        self.disk, self.most = disk, most

    def __call__(self, trial):
        trial.progress(self.most)
        trial.daemon.signal(signal.SIGSTOP)  # all of it at one moment
        self.disk.break_it()
        trial.daemon.kill()
        self.disk.remount()
        trial.start()


class PowerCut:
    """The daemon dies at one operation on its spool; any subset of what was not synced is lost."""

    def __init__(self, layer, most=600):
        self.layer, self.most = layer, most
        self.figures = collections.Counter()

    def __call__(self, trial):
        trial.daemon.kill()
        trial.daemon.env = self.layer.environment(cut=trial.dice.randrange(self.most))
        if trial.start(may_end=(-signal.SIGKILL,)):
            assert trial.daemon.wait_exit(120) == -signal.SIGKILL, trial.daemon.process.returncode
        self.figures.update(self.layer.lose(trial.dice))
        trial.daemon.env = self.layer.environment()  # until the next cut
        trial.start()


class Faults:
    """Each kind of operation fails in turn, with EIO and with ENOSPC, at some moment and once or for a while. Then a
    kill, or a loss of power."""

    KINDS = {"write": 150, "sync": 150, "rename": 8, "unlink": 8}  # and how many of them to choose from

    def __init__(self, layer, most):
        self.layer, self.most = layer, most
        self.turns = itertools.cycle(itertools.product(self.KINDS, (errno.EIO, errno.ENOSPC)))
        self.figures = collections.Counter()

    def __call__(self, trial):
        kind, code = next(self.turns)
        count = trial.dice.choice((1, 1, 3, 20))
        trial.daemon.kill()
        trial.daemon.env = self.layer.environment(fault=f"{kind} {trial.dice.randrange(self.KINDS[kind])} {code} {count}")
        # A fault in the middle of recovery may be a refusal to start; the next start must go.
        if trial.start(may_end=(1,)):
            trial.progress(self.most)
            trial.daemon.kill()
        self.figures[f"{kind}_faults"] += 1
        if trial.dice.random() < 0.5:
            self.figures.update(self.layer.lose(trial.dice))
        trial.daemon.env = self.layer.environment()
        trial.start()


def run(make_daemon, folder: Path, free_port, *, kills=20, sessions=20, most=400, seed=None, drain=120.0, disk=None,
        layer=None, faults=False, sync_ms=None, say=print):
    """make_daemon(config) -> Daemon that is not started. Returns a dict of figures; raises AssertionError.

    Without more: kill -9. With a disk (harness/disk.py) the spool is on it and it breaks. With layer, the folder of
    the build, the power goes (power.py); with faults, operations fail; with sync_ms, its disk is so slow.
    """
    seed = seed if seed is not None else random.randrange(1 << 32)
    say(f"seed {seed}")
    trial = Trial(make_daemon, folder, free_port, sessions=sessions, seed=seed,
                  spool=disk.place / "spool" if disk else None, segment_size="1MiB" if layer else "4MiB")
    if disk:
        interruption = BrokenDisk(disk, most)
    elif layer:
        under = power.Layer(layer, trial.daemon.spool, folder / "undo", sync_ms)
        interruption = Faults(under, most // 4) if faults else PowerCut(under)
    else:
        interruption = Kill(most)
    account = trial.run(interruption, kills, drain)
    figures = judge(account, trial.daemon)
    figures.update(getattr(interruption, "figures", {}))
    figures.update(seed=seed, interruptions=kills, refused_starts=trial.refused_starts,
                   slowest_start_s=round(max(trial.starts), 3))
    return figures


def judge(account, daemon):
    """Raises unless every promise was kept; the figures."""
    figures = {
        "acknowledged": len(account.promised), "deliveries": sum(account.deliveries.values()),
        "failures": sum(1 for _ in account.refused()),
        "reports": sum(account.reported[key] for key in account.refused()), "duplicates": account.duplicates,
        "in_flight": account.cut,
        "lost": len(account.missing()), "torn": len(account.torn),
    }
    assert account.promised, "the clients got nothing acknowledged"
    assert not account.missing(), f"LOST {len(account.missing())} of {len(account.promised)}: {account.missing()[:10]} {figures}"
    assert not account.torn, f"torn: {account.torn[:10]} {figures}"
    assert not account.double_reports(), f"reported twice: {account.double_reports()[:10]} {figures}"
    assert not account.reports_of_successes(), f"reported although not refused: {account.reports_of_successes()[:10]}"
    again = delivered_again(daemon.log_path)
    assert not again, f"{len(again)} recipients delivered again although their success was durable: {again[:5]} {figures}"
    # A connection ends no message before the outcome of its last one is durable: one was in flight on each.
    assert account.duplicates <= account.cut, f"{account.duplicates} duplicates, {account.cut} in flight {figures}"
    assert not _behind(daemon), f"left behind: {_behind(daemon)[:10]} {figures}"
    return figures


def delivered_again(log: Path):
    """Recipients whose `message.delivered` stands in the log twice. It is written once the success is durable, so
    what was in flight at a kill (the only excuse for sending twice) has none of its first time."""
    seen = collections.Counter()
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"message.delivered"' in line and line.endswith("}\n"):
                record = json.loads(line[line.rindex('{"timestamp"'):])  # behind a line that a kill cut off
                seen[record["message_id"], record["recipient"]] += 1
    return [key for key, count in seen.items() if count > 1]


def _queued(daemon):
    return daemon.mailctl("system", "status", json_output=True)["queue_size"]


def _behind(daemon):
    """What an idle daemon with an empty queue still has to tidy away: nothing stays but the segment that is written,
    the next one, and spare ones."""
    left = [f"{name}/{path.name}" for name in ("big", "incoming", "corrupt")
            for path in sorted((daemon.spool / name).glob("*"))]
    kinds = collections.Counter(path.suffix for path in (daemon.spool / "log").iterdir())
    most = {".seg": 3, ".spare": 2}
    return left + [f"{n} x log/*{kind}" for kind, n in kinds.items() if n > most.get(kind, 0)]
