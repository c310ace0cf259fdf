#!/usr/bin/env python3
"""All proofs, or those named: one line each while they run, then build/proof/report.md and report.json.

    run.py [--build DIR] [--list] [--write] [--kills N] [--cuts N] [--faults N] [--worlds N] [--fuzz SECONDS] [NAME...]

--write makes docs/proof.md of the report. What a proof printed stays in build/proof/NAME.log.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import report  # noqa: E402

SHARDS = 4  # of a sweep: its runs wait for threads more than they compute


class Proof:
    """Commands that run side by side; each ends with `tests: N passed, N failed` or doctest's summary, and may print
    lines `figures {…}`, whose numbers are added up."""

    def __init__(self, name, claim, commands, needs_root=False):
        self.name, self.claim, self.commands, self.needs_root = name, claim, commands, needs_root


def proofs(options):
    build, python = options.build, sys.executable
    unit_spool = build / "tests/unit/unit-spool"

    def crash(kind, times):
        return [[python, HERE / "crash", "--build", build, "--kind", kind, "--times", times]]

    def e2e(*names, extra=()):
        return [[python, ROOT / "tests/e2e/run.py", "--build", build, "--jobs", 1, *extra, *names]]

    def sweep(case):
        return [["env", f"POSTHORN_SWEEP={n}/{SHARDS}", unit_spool, f"-tc={case}*"] for n in range(SHARDS)]

    every = [
        Proof("crash", "kill -9 under load: nothing promised is lost, one report for each failure",
              crash("kill", options.kills)),
        Proof("power", "power lost at any operation, with any subset of the unsynced pages and names",
              crash("power", options.cuts)),
        Proof("faults", "EIO and ENOSPC at writes, syncs, renames and unlinks of the daemon",
              crash("faults", options.faults)),
        Proof("filesystem", "a journaled ext4 shut down under the daemon", crash("disk", max(8, options.kills // 5)),
              needs_root=True),
        Proof("sweep-faults", "in process: each operation of a script fails in turn",
              sweep("each operation of the disk fails")),
        Proof("sweep-power", "in process: power lost at each operation of a script",
              sweep("the power goes at each operation")),
        Proof("log", "the log against a model, by seeds",
              [["env", f"POSTHORN_SEEDS={options.seeds}", unit_spool, "-tc=what was promised is there*"]]),
        Proof("recovery", "a start after kill -9 with 100,000 messages queued",
              [[python, HERE / "recovery", "--build", _released(build)]]),
        Proof("hostile", "clients and peers at their worst, in numbers that are too many for every day",
              e2e(extra=["--proof"])),
        Proof("smuggling", "no variant of an end of data, a header or a reply smuggles anything", e2e("smuggling")),
        Proof("tsan", "no data race that ThreadSanitizer sees", [[ROOT / "dev", "test", "tsan"]]),
        Proof("fuzz", f"each fuzz target for {options.fuzz} s", [[ROOT / "dev", "fuzz", options.fuzz]]),
    ]
    every.append(Proof("deb", "the .deb in a bare Debian: installed, upgraded with mail in the queue, removed, purged",
                       [[python, HERE / "deb", "--build", _released(build), "--work", build / "proof/deb"]],
                       needs_root=True))
    if (ROOT / "bench/latency").exists():
        every.append(Proof("latency", "from the final dot to the 250, beside Postfix",
                           [[ROOT / "dev", "bench", "latency", "--json", build / "proof/latency.json"]],
                           needs_root=True))
    every.insert(8, Proof("simulation", "delivery in simulated worlds under a virtual clock, by seeds",
                          _simulation(build, options.worlds)))
    return every


def _simulation(build, seeds):
    """The seeds dealt out to as many processes as there are cores."""
    parts = os.cpu_count() or 1
    each = -(-seeds // parts)
    return [[build / "tests/simulation/simulation", "--seeds", each, "--from", 1 + n * each] for n in range(parts)]


def _released(build):
    """Speed is measured on the release build where there is one."""
    return build / "release" if (build / "release/server/posthornd").exists() else build


def counted(text):
    """(passed, failed) of a command's output, None without a summary."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    doctest = re.findall(r"^\[doctest\] test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed", plain, re.M)
    last = re.findall(r"^tests: (\d+) passed, (\d+) failed$", plain, re.M)
    found = last[-1:] or doctest
    if not found:
        return None
    return sum(int(p) for p, _ in found), sum(int(f) for _, f in found)


def figures_of(text):
    """Of several parts the numbers are added up, but for what is the same in all of them."""
    sums = collections.OrderedDict()
    for line in re.findall(r"^figures (\{.*\})$", text, re.M):
        for key, value in json.loads(line).items():
            if key in sums and isinstance(value, (int, float)) and key not in ("operations", "seed", "seconds"):
                sums[key] += value
            else:
                sums[key] = value
    executed = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text)
    if executed:
        sums.update(targets=len(executed), executions=sum(map(int, executed)))
    return dict(sums)


def run(proof, folder):
    if proof.needs_root and os.geteuid() != 0:
        return {"name": proof.name, "claim": proof.claim, "result": "skipped", "note": "needs root"}
    start = time.monotonic()
    running = []
    for number, command in enumerate(proof.commands):
        log = folder / (f"{proof.name}.log" if len(proof.commands) == 1 else f"{proof.name}-{number}.log")
        with log.open("wb") as out:
            running.append((log, subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out,
                                                  stderr=subprocess.STDOUT, cwd=ROOT)))
    statuses = [process.wait() for _, process in running]
    text = "".join(log.read_text(errors="replace") for log, _ in running)
    counts = [counted(log.read_text(errors="replace")) for log, _ in running]
    passed = sum(c[0] for c in counts if c)
    failed = sum(c[1] for c in counts if c)
    good = not any(statuses) and not failed
    return {"name": proof.name, "claim": proof.claim, "result": "ok" if good else "FAILED", "passed": passed,
            "failed": failed, "seconds": round(time.monotonic() - start), "figures": figures_of(text)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build", type=lambda p: Path(p).resolve())
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true", help="make docs/proof.md")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--faults", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--worlds", type=int, default=100_000, help="seeds of the simulation")
    parser.add_argument("--fuzz", type=int, default=60, metavar="SECONDS")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    wanted = proofs(options)
    if options.list:
        print("\n".join(f"{p.name:<14} {p.claim}" for p in wanted))
        return 0
    unknown = set(options.names) - {p.name for p in wanted}
    if unknown:
        parser.error(f"no such proof: {', '.join(sorted(unknown))}; --list names all")
    folder = options.build / "proof"
    folder.mkdir(parents=True, exist_ok=True)
    results = report.Results(folder / "report.json", ROOT)
    bad = False
    for proof in wanted:
        if options.names and proof.name not in options.names:
            continue
        print(f"...   {proof.name:<14} {proof.claim}", flush=True)
        result = run(proof, folder)
        results.add(result)
        bad = bad or result["result"] == "FAILED"
        print(f"{result['result']:<5} {proof.name:<14} {result.get('seconds', 0):>5} s  "
              f"{report.listed(result.get('figures', {})) or result.get('note', '')}", flush=True)
        if result["result"] == "FAILED":
            print(f"      all of it in {folder.relative_to(ROOT) if ROOT in folder.parents else folder}/{proof.name}*.log")
    text = results.markdown([p.name for p in wanted])
    (folder / "report.md").write_text(text)
    if options.write:
        (ROOT / "docs/proof.md").write_text(text)
    print(f"report: {folder / 'report.md'}, {folder / 'report.json'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
