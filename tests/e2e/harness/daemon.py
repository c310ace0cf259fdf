"""The daemon under test: a folder with its configuration, spool and data; start, signals, log, control."""

import http.client
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from .control import Control
from .wait import until

VOLATILE = {"tmpfs", "ramfs"}


def toml(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _key(name) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else toml(name)


def document(config) -> str:
    """{"smtp.timeouts": {"command": "1s"}, "listener": [{…}]} as TOML. Dots in a section's name nest; a domain that
    holds dots goes in as a nested dict: {"delivery": {"domains": {"a.example": {…}}}}."""
    out = []

    def section(path, values):
        plain = {k: v for k, v in values.items() if not isinstance(v, dict)}
        if plain or not values:
            out.append(f"[{path}]")
            out.extend(f"{_key(k)} = {toml(v)}" for k, v in plain.items())
            out.append("")
        for name, inner in values.items():
            if isinstance(inner, dict):
                section(f"{path}.{_key(name)}", inner)

    for name, values in config.items():
        if isinstance(values, list):
            for item in values:
                out.append(f"[[{name}]]")
                out.extend(f"{_key(k)} = {toml(v)}" for k, v in item.items())
                out.append("")
        else:
            section(name, values)
    return "\n".join(out)


def merged(base, more):
    out = dict(base)
    for key, value in more.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def filesystem(path) -> str:
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, what = line.split()[:3]
        if (str(path) + "/").startswith(where.rstrip("/") + "/") and len(where) >= len(best):
            best, kind = where, what
    return kind


class Daemon:
    """build: where posthornd is; folder: all that it writes. config is laid over the defaults below."""

    def __init__(self, build: Path, folder: Path, config=None, *, args=(), env=None, umask=-1):
        self.build, self.dir = build, folder
        self.binary = build / "server/posthornd"
        self.mailctl_binary = build / "ctl/mailctl"
        self.args, self.env, self.umask = list(args), env, umask
        self.spool, self.data, self.runtime = folder / "spool", folder / "data", folder / "run"
        self.socket = self.runtime / "control.sock"
        self.log_path = folder / "posthornd.log"
        self.file = folder / "posthorn.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.config = merged(self.defaults(), config or {})
        self.write()
        self.process = None
        self.starts = 0
        self._log_start = 0

    def defaults(self):
        return {
            "server": {"hostname": "mx.posthorn.test", "data_dir": self.data, "spool_dir": self.spool,
                       "runtime_dir": self.runtime, "threads": 2},
            "listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "starttls"}],
            "spool": {"segment_size": "4MiB", "reserve": "16MiB"},
            # Wide open: tests that are about rates set their own.
            "delivery": {"rate_limit": {"messages_per_second": 100000.0, "burst_size": 100000}},
            "dns": {"servers": ["127.0.0.1:9"]},
            "control": {"socket": self.socket},
            "health": {"listen_address": "127.0.0.1:0"},
            "log": {"format": "json", "level": "debug"},
        }

    # ---- configuration
    def write(self, text=None):
        self.file.write_text(text if text is not None else document(self.config))

    def configure(self, more):
        self.config = merged(self.config, more)
        self.write()

    # ---- life
    def spawn(self):
        """Starts it without waiting for anything."""
        self.starts += 1
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        args = [str(self.binary), "-c", str(self.file), *self.args]
        if filesystem(self.dir) in VOLATILE and "--ephemeral" not in args:
            args.append("--ephemeral")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.dir,
                                            env=dict(os.environ, **(self.env or {})), umask=self.umask)
        return self

    def start(self, timeout=30.0):
        self.spawn()
        self.wait_event("server.ready", timeout)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout=40.0) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"posthornd still runs after {timeout} s") from None

    def stop(self, timeout=40.0) -> int:
        """A clean stop; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()

    def restart(self):
        assert self.stop() == 0, "no clean exit"
        return self.start()

    def end(self):
        """At the end of a test, whatever the state."""
        if not self.running():
            return
        for patience in (1.5, 5):  # the second SIGTERM hurries what a stalled peer holds up
            self.process.terminate()
            try:
                self.process.wait(patience)
                return
            except subprocess.TimeoutExpired:
                pass
        self.process.kill()
        self.process.wait()

    # ---- log
    def raw_log(self) -> str:
        """What this start has written."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def events(self, name=None, **fields):
        found = []
        for line in self.raw_log().splitlines():
            if not line.startswith("{") or (name and name not in line):
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if (name is None or record.get("event") == name) and all(
                    record.get(k) == v for k, v in fields.items()):
                found.append(record)
        return found

    def wait_event(self, name, timeout=20.0, **fields):
        def look():
            found = self.events(name, **fields)
            if not found and not self.running():
                raise AssertionError(f"posthornd ended with {self.process.returncode} before {name}")
            return found

        return until(look, timeout, f"log event {name} {fields or ''}")[0]

    def wait_log(self, text, timeout=20.0):
        until(lambda: text in self.raw_log(), timeout, f"{text!r} in the log")

    # ---- where it listens
    def endpoint(self, protocol="smtp", number=0) -> str:
        found = [e["endpoint"] for e in self.events("server.listening") if e.get("protocol") == protocol]
        assert len(found) > number, f"no listener {protocol} #{number}: {self.events('server.listening')}"
        return found[number]

    @property
    def smtp(self) -> str:
        return self.endpoint("smtp")

    # ---- control and health
    def control(self) -> Control:
        return Control(self.socket)

    def mailctl(self, *args, check=True, timeout=30, input=None, json_output=False):
        """Runs mailctl; with json_output its parsed output."""
        command = [str(self.mailctl_binary), "--control-socket", str(self.socket), *map(str, args)]
        if json_output:
            command.append("--json")
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=input)
        if check:
            assert done.returncode == 0, f"mailctl {args}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout) if json_output and check else done

    def queue(self):
        """The queue as a list of messages."""
        result = self.mailctl("queue", "list", "--limit", 10000, json_output=True)
        return result if isinstance(result, list) else result.get("messages", result.get("items", []))

    def retry_all(self):
        self.mailctl("queue", "retry", "--all", check=False)

    def wait_attempted(self, count=1, timeout=20.0):
        """Every queued recipient has had that many attempts; the queue."""
        def look():
            queue = self.queue()
            return queue and all(r["attempts"] >= count for m in queue for r in m["recipients"]) and queue
        return until(look, timeout, f"{count} attempt(s)", step=0.05)

    def wait_queue(self, count=0, timeout=20.0):
        until(lambda: len(self.queue()) == count, timeout, f"{count} message(s) in the queue", step=0.05)

    def health(self, path="/health/ready"):
        """(status, parsed body)"""
        host, _, port = self.endpoint("health").rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body[:1] in b"{[" and body else body
        finally:
            connection.close()

    # ---- the process
    def memory(self):
        """Proportional set size in bytes (resident size where the kernel does not tell)."""
        if not self.rss():
            return 0
        try:
            for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        except OSError:
            pass
        return self.rss()

    def rss(self, peak=False):
        if b"libasan" in Path(f"/proc/{self.pid}/maps").read_bytes():
            return 0  # a sanitizer's memory is not ours: nothing to hold against a bound
        want = "VmHWM:" if peak else "VmRSS:"
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(want):
                return int(line.split()[1]) * 1024
        return 0

    def threads_cpu(self):
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hold(seconds):
    """For the few tests whose subject is time itself."""
    time.sleep(seconds)
