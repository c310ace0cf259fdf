"""The report of the proofs: what was run, where, when and with what, as JSON and as Markdown.

A proof that is run alone takes the place of its last result; the others stay, each with its own date.
"""

import datetime
import json
import os
import platform
import re
import subprocess
from pathlib import Path


def said(*command):
    """The first line that a command prints, or ''."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def machine():
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": f"{os.cpu_count()} x {cpu[1].strip() if cpu else platform.machine()}",
        "memory": f"{int(memory[1]) >> 20} GiB" if memory else "",
        "disk": said("findmnt", "-no", "FSTYPE,OPTIONS", "-T", "/var/tmp"),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())[1],
    }


def versions(root):
    dirty = " and changes" if said("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no") else ""
    return {
        "posthorn": said("git", "-C", str(root), "rev-parse", "--short=12", "HEAD") + dirty,
        "compiler": said("g++", "--version"),
        "openssl": said("openssl", "version"),
        "python": platform.python_version(),
    }


def listed(figures):
    return ", ".join(f"{key.replace('_', ' ')} {value:,}" if isinstance(value, (int, float)) and key != "seed"
                     else f"{key.replace('_', ' ')} {value}" for key, value in figures.items())


class Results:
    def __init__(self, path: Path, root: Path):
        self.path, self.root = path, root
        self.load()

    def load(self):
        try:
            self.data = json.loads(self.path.read_text())
        except (OSError, ValueError):
            self.data = {"proofs": {}}

    def add(self, result):
        self.load()  # another run may have added to it
        result["date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        self.data.update(date=result["date"], machine=machine(), versions=versions(self.root))
        result["version"] = self.data["versions"]["posthorn"]
        self.data["proofs"][result["name"]] = result
        bench = self.benches()
        if bench:
            self.data["bench"] = bench
        self.path.write_text(json.dumps(self.data, indent=1) + "\n")

    def benches(self):
        """What `./dev bench latency --json build/proof/latency.json` left, and relay likewise."""
        paths = {name: self.path.parent / f"{name}.json" for name in ("latency", "relay")}
        return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}

    def markdown(self, names):
        """`names`: of all the proofs there are."""
        d = self.data
        lines = ["# Proof", "", "Made by `./dev proof --write`; each proof is run with `./dev proof NAME`. Times depend on what",
                 "else the machine does; the other figures do not.", "",
                 "| | |", "|---|---|", f"| date | {d.get('date', '')} |"]
        lines += [f"| {key} | {value} |" for part in ("machine", "versions") for key, value in d.get(part, {}).items()]
        lines += ["", "| proof | what it shows | result | at | version | s | figures |",
                  "|---|---|---|---|---|---:|---|"]
        for one in d["proofs"].values():
            lines.append(f"| {one['name']} | {one['claim']} | {one['result']} | {one['date'][11:16]} | {one['version']} "
                         f"| {one.get('seconds', '')} | {listed(one.get('figures', {})) or one.get('note') or self.tests(one)} |")
        missing = [name for name in names if name not in d["proofs"]]
        if missing:
            lines += ["", f"Not run for this report: {', '.join(missing)}."]
        lines += ["", *MEANING]
        for name, figures in d.get("bench", {}).items():
            lines += ["", f"## {name.capitalize()}", "", f"From `./dev bench {name}`.", "", *table(figures)]
        return "\n".join(lines) + "\n"

    @staticmethod
    def tests(one):
        return f"tests {one['passed']}" if one.get("passed") else ""


MEANING = """\
- **acknowledged**: messages whose 250 a client has read. **lost**: of these, recipients that never got it (and
  failures never reported). **duplicates**: copies beyond the first. **failures** and **reports**: recipients refused
  for good, and reports their senders got of them.
- **pages** and **names**: what was not synced when the power went; **lost** of them: what the disk forgot.
- **interruptions**: kills, losses of power, faults. **slowest start**: until the server served again after one.
- **operations**: writes, syncs, renames, unlinks and the like of the script; **runs**, **cuts**, **subsets**: how often
  it was run with a failure at one of them, cut there, and started again on a different rest.""".split("\n")


KEYS = {"p50_ms": "p50 ms", "p99_ms": "p99 ms", "per_second": "messages/s", "cpu_s_per_1000": "CPU s/1000",
        "pss_mb": "PSS MB"}


def table(figures):
    """What bench/latency and bench/relay write: for each disk, for each load, each server's figures."""
    lines = []
    for disk, one in figures.get("disks", {}).items():
        servers = list(dict.fromkeys(s for by in one["results"].values() for s in by))
        keys = [k for k in KEYS if any(k in values for by in one["results"].values() for values in by.values())]
        lines += ["", f"| {disk} disk: {one.get('filesystem', '')} | "
                  + " | ".join(f"{server}: {KEYS[key]}" for server in servers for key in keys) + " |",
                  "|---|" + "---:|" * (len(servers) * len(keys))]
        for what, by in one["results"].items():
            cells = (by.get(server, {}).get(key, "") for server in servers for key in keys)
            lines.append(f"| {what} | " + " | ".join(f"{c:,.2f}" if isinstance(c, float) else str(c) for c in cells)
                         + " |")
    return lines
