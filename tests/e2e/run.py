#!/usr/bin/env python3
"""Runs the end-to-end tests: every public function of tests/e2e/test_*.py, each in a process and, where the
system allows it, in network, mount and process namespaces of its own.

    run.py [--build DIR] [--short] [--proof] [--jobs N] [--list] [NAME...]

NAME is a part of `file.function`. The last line is `tests: N passed, N failed`.
"""

import argparse
import importlib
import inspect
import os
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

SKIPPED = 77
TIMEOUT = 60

SETUP = """
ip link set lo up || exit 1
ip route add local 192.0.2.0/24 dev lo 2>/dev/null
ip -6 route add local 2001:db8::/64 dev lo 2>/dev/null
exec "$@"
"""


def test_files():
    return sorted(p.stem for p in HERE.glob("test_*.py"))


def tests_of(module_name):
    module = importlib.import_module(module_name)
    return [f for _, f in inspect.getmembers(module, inspect.isfunction)
            if f.__module__ == module_name and not f.__name__.startswith("_")]


def discover(names, short, proof):
    found = []
    for module in test_files():
        for function in tests_of(module):
            name = f"{module.removeprefix('test_')}.{function.__name__}"
            if names and not any(n in name or n in f"test_{name}" for n in names):
                continue
            if short and getattr(function, "long", False) or proof != getattr(function, "proof", False):
                continue
            found.append((name, module, function.__name__, getattr(function, "timeout", TIMEOUT)))
    found.sort(key=lambda t: -t[3])  # the long ones first, so that none is alone at the end
    return found


def namespaces():
    """The command that gives a test a world of its own, or an empty one."""
    options = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    for user in ([], ["--user", "--map-root-user"]):
        command = ["unshare", *user, *options, "sh", "-c", SETUP, "sh"]
        try:
            if subprocess.run([*command, "true"], capture_output=True, timeout=20).returncode == 0:
                return command
        except (OSError, subprocess.TimeoutExpired):
            pass
    return []


def run_one(build, module, name, short):
    """In the child: one test; exit status 0, 1 or 77."""
    from harness.context import Context, Skip
    function = getattr(importlib.import_module(module), name)
    context = Context(Path(build), f"{module}.{name}", private_net=bool(os.environ.get("E2E_PRIVATE_NET")),
                      short=short)
    failed, status = False, 0
    try:
        function(context)
    except Skip as why:
        print(f"skipped: {why}")
        status = SKIPPED
    except BaseException:
        traceback.print_exc()
        failed, status = True, 1
    for problem in context.close(failed):
        print(problem, file=sys.stderr)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # peers' threads do not hold the end up


class Runner:
    def __init__(self, options):
        self.options = options
        self.prefix = namespaces()
        self.lock = threading.Lock()
        self.passed = self.failed = self.skipped = 0
        self.queue = []

    def run(self, tests):
        self.queue = list(tests)
        threads = [threading.Thread(target=self._work) for _ in range(self.options.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self):
        while True:
            with self.lock:
                if not self.queue:
                    return
                test = self.queue.pop(0)
            self._one(*test)

    def _one(self, name, module, function, timeout):
        if self.options.short:
            timeout *= 3  # sanitizers are slow
        command = [*self.prefix, sys.executable, str(HERE / "run.py"), "--build", str(self.options.build),
                   "--one", f"{module}:{function}"] + (["--short"] if self.options.short else [])
        env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        if self.prefix:
            env["E2E_PRIVATE_NET"] = "1"
        start = time.monotonic()
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            output, _ = process.communicate(timeout=timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            output, status = self._too_long(process, timeout)
        seconds = time.monotonic() - start
        with self.lock:
            if status == 0:
                self.passed += 1
                print(f"ok    {name:<66} {seconds:6.1f} s", flush=True)
            elif status == SKIPPED:
                self.skipped += 1
                print(f"skip  {name:<66} {output.strip().splitlines()[-1] if output.strip() else ''}", flush=True)
            else:
                self.failed += 1
                print(f"FAIL  {name:<66} {seconds:6.1f} s\n{output}\n--- again: ./dev test e2e {name}", flush=True)

    def _too_long(self, process, timeout):
        # The test's Python is asked first: it can still show the daemon's log.
        for child in children(process.pid):
            try:
                os.kill(child, 2)
            except ProcessLookupError:
                pass
        try:
            output, _ = process.communicate(timeout=8)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        return (output or "") + f"\nstopped after {timeout} s\n", 1


def children(pid):
    """The process below unshare that runs this file (or the process itself, without namespaces)."""
    found = []
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        direct = []
    for child in map(int, direct):
        if b"--one" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.append(child)
    return found or [pid]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(HERE.parent.parent / "build"), type=lambda p: Path(p).resolve())
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--proof", action="store_true", help="the tests that are only for ./dev proof")
    parser.add_argument("--jobs", type=int, default=min(4, (os.cpu_count() or 2) + 1))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if options.one:
        run_one(options.build, *options.one.split(":"), options.short)
    tests = discover(options.names, options.short, options.proof)
    if options.list:
        print("\n".join(name for name, *_ in tests))
        return 0
    runner = Runner(options)
    if not runner.prefix:
        print("no namespaces here: tests that need port 25 or a disk of their own are skipped")
    runner.run(tests)
    print(f"skipped: {runner.skipped}")
    print(f"tests: {runner.passed} passed, {runner.failed} failed")
    return 1 if runner.failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
