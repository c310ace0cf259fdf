"""kill -9 at random moments under load, and the account of it: nothing acknowledged is lost.

Used by tests/e2e/test_crash.py (few kills) and tests/proof/crash (many).
"""

import collections
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

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
        for line in arrived.read_text().splitlines():
            kind, _, *rest = line.split()
            if kind == "message":
                identity, right, recipients = rest
                if right != "1":
                    self.torn.append(identity)
                for recipient in recipients.split(","):
                    self.deliveries[identity, recipient.split("+")[0]] += 1
            else:
                message_id, sender, failed = rest
                identity = sender[2:].partition("@")[0]
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

    def duplicates(self):
        return sum(n - 1 for n in self.deliveries.values()) + sum(n - 1 for n in self.report_copies.values())

    def double_reports(self):
        return [key for key, n in self.reported.items() if n > 1]

    def reports_of_successes(self):
        return [key for key in self.reported if key[1] != "bad"]


def configuration(listen, sink):
    return {
        "listener": [{"protocol": "smtp", "address": listen, "tls": "none"}],
        "smtp": {"max_connections_per_client": 1000},
        "spool": {"segment_size": "4MiB"},
        "delivery": {"retry_min": "1s", "retry_max": "1s", "max_connections": CONNECTIONS,
                     "domains": {"example.net": {"mx_override": sink, "max_connections": CONNECTIONS},
                                 "example.com": {"mx_override": sink, "max_connections": CONNECTIONS}}},
        "log": {"format": "json", "level": "info"},
    }


def run(make_daemon, folder: Path, free_port, *, kills=20, sessions=20, longest=0.8, seed=None, drain=60.0, disk=None,
        say=print):
    """make_daemon(config) -> Daemon that is not started. Returns a dict of figures; raises AssertionError.

    With a disk (harness/disk.py) the spool is on it and each kill is a loss of power: the file system is shut
    down under the running daemon, what was not synced is gone, and it is mounted anew.
    """
    seed = seed if seed is not None else random.randrange(1 << 32)
    dice = random.Random(seed)
    say(f"seed {seed}")
    acknowledged, arrived = folder / "acknowledged", folder / "arrived"
    for path in (acknowledged, arrived):
        path.touch()
    sink_port, port = free_port(), free_port()
    config = configuration(f"127.0.0.1:{port}", f"127.0.0.1:{sink_port}")
    if disk:
        config["server"] = {"spool_dir": disk.place / "spool"}
    daemon = make_daemon(config)
    if disk:
        daemon.spool = disk.place / "spool"
    children = []

    def child(*command):
        process = subprocess.Popen([sys.executable, *map(str, command)], stdin=subprocess.PIPE)
        children.append(process)
        return process

    try:
        child(HERE / "sink.py", sink_port, arrived)
        daemon.start()
        load = child(HERE / "load.py", f"127.0.0.1:{port}", sessions, acknowledged)
        starts = []
        for number in range(kills):
            time.sleep(dice.uniform(0.05, longest))
            assert daemon.running(), f"posthornd ended by itself with {daemon.process.returncode}"
            if disk:
                daemon.signal(signal.SIGSTOP)  # all of it at one moment
                disk.break_it()
            daemon.kill()
            if disk:
                disk.remount()
            begin = time.monotonic()
            daemon.start()
            starts.append(time.monotonic() - begin)
        time.sleep(0.3)
        load.stdin.close()
        load.wait(20)
        _drain(daemon, arrived, drain)
        account = Account(acknowledged, arrived)
        end = time.monotonic() + drain
        while account.missing() and time.monotonic() < end and daemon.queue():
            daemon.retry_all()
            time.sleep(1)
            account = Account(acknowledged, arrived)
        figures = judge(account, daemon, None if disk else kills * CONNECTIONS * 2)  # two destinations
        figures.update(seed=seed, kills=kills, slowest_start_s=round(max(starts), 3) if starts else 0)
        return figures
    finally:
        for process in children:
            if process.stdin and not process.stdin.closed:
                process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _drain(daemon, arrived, limit):
    """Until the queue is empty. A queue that neither shrinks nor delivers for long is a failure of its own."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        entries = daemon.queue()
        if not entries:
            return
        time.sleep(0.3)
    raise AssertionError(f"{len(daemon.queue())} messages still in the queue after {limit:g} s: {daemon.queue()[:3]}")


def judge(account, daemon, most_duplicates):
    """Raises unless every promise was kept; the figures. `most_duplicates`: None where no bound is known to hold,
    as on a disk so slow that a connection begins its next transaction before the last outcome is durable."""
    figures = {
        "acknowledged": len(account.promised), "deliveries": sum(account.deliveries.values()),
        "reports": len(account.report_copies), "duplicates": account.duplicates(),
        "lost": len(account.missing()), "torn": len(account.torn),
    }
    assert account.promised, "the clients got nothing acknowledged"
    assert not account.missing(), f"LOST {len(account.missing())} of {len(account.promised)}: {account.missing()[:10]} {figures}"
    assert not account.torn, f"torn: {account.torn[:10]} {figures}"
    assert not account.double_reports(), f"reported twice: {account.double_reports()[:10]} {figures}"
    assert not account.reports_of_successes(), f"reported although not refused: {account.reports_of_successes()[:10]}"
    again = delivered_again(daemon.log_path)
    assert not again, f"{len(again)} recipients delivered again although their success was durable: {again[:5]} {figures}"
    assert most_duplicates is None or account.duplicates() <= most_duplicates, (
        f"{account.duplicates()} duplicates, at most {most_duplicates} can be excused {figures}")
    left_over(daemon, figures)
    return figures


def delivered_again(log: Path):
    """Recipients whose `message.delivered` stands in the log twice. It is written once the success is durable, so
    what was in flight at a kill (the only excuse for sending twice) has none of its first time."""
    seen = collections.Counter()
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"message.delivered"' in line and line.endswith("}\n"):
                record = json.loads(line)
                seen[record["message_id"], record["recipient"]] += 1
    return [key for key, count in seen.items() if count > 1]


def left_over(daemon, figures):
    """With an empty queue nothing stays behind but a few segments to be used again."""
    spool = daemon.spool
    for name in ("big", "incoming", "corrupt"):
        folder = spool / name
        left = list(folder.iterdir()) if folder.exists() else []
        assert not left, f"left in {name}/: {left[:5]} of {len(left)}"
    segments = list((spool / "log").glob("*.seg"))
    figures["segments"] = len(segments)
