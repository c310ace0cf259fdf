"""What a set of processes costs: CPU, memory, operations of the disk."""

import os
import re
import threading
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return [int(f) for f in fields[1:15]]  # ppid at 0 … utime, stime, cutime, cstime at 10..13


def tree(pid):
    """The process and all below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(entry.name)):
            parents.setdefault(stat[0], []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo.extend(parents.get(found[-1], []))
    return found


def cpu_seconds(pid):
    """Of all that runs or ran below pid: the living, and what their parents have already waited for."""
    total = 0
    for one in tree(pid):
        if stat := _stat(one):
            total += sum(stat[10:14])
    return total / TICKS


def pss(pid):
    total = 0
    for one in tree(pid):
        try:
            found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{one}/smaps_rollup").read_text(), re.M)
        except OSError:
            continue
        total += int(found[1]) * 1024 if found else 0
    return total


def switches(pid):
    """Context switches of the living, all threads."""
    total = 0
    for one in tree(pid):
        for status in Path(f"/proc/{one}/task").glob("*/status"):
            try:
                total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status.read_text()))
            except OSError:
                continue
    return total


def device_of(path):
    number = os.stat(path).st_dev
    return os.major(number), os.minor(number)


def disk_operations(device):
    """(writes, flushes) so far."""
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == device:
            return int(fields[7]), int(fields[18]) if len(fields) > 18 else 0
    return 0, 0


class Watch:
    """Figures of one measurement: wall time, CPU, peak PSS, disk operations, context switches."""

    def __init__(self, pid, folder):
        self.pid, self.device = pid, device_of(folder)

    def __enter__(self):
        self.cpu, self.disk, self.switched = cpu_seconds(self.pid), disk_operations(self.device), switches(self.pid)
        self.peak, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)
        self.thread.start()
        self.start = time.monotonic()
        return self

    def _sample(self):
        while not self.over.wait(0.5):
            self.peak = max(self.peak, pss(self.pid))

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start
        self.over.set()
        self.thread.join()
        self.peak = max(self.peak, pss(self.pid))
        self.cpu = cpu_seconds(self.pid) - self.cpu
        self.switched = switches(self.pid) - self.switched
        now = disk_operations(self.device)
        self.writes, self.flushes = now[0] - self.disk[0], now[1] - self.disk[1]

    def figures(self, count):
        return {"messages": count, "per_second": count / self.seconds, "cpu_s_per_1000": self.cpu / count * 1000,
                "pss_mb": self.peak / 1e6, "writes_per_message": self.writes / count,
                "flushes_per_message": self.flushes / count, "switches_per_message": self.switched / count}
