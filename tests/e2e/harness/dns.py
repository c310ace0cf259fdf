"""Real DNS: knotd with one root zone, so that what is not in it is NXDOMAIN. And servers that do not answer."""

import shutil
import socket
import subprocess
import threading
from pathlib import Path

from .wait import until

KNOT = """\
server:
    rundir: "{dir}"
    listen: [ {listen} ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: "{dir}/knot.log"
    any: info
database:
    storage: "{dir}/db"
zone:
  - domain: "."
    file: "{dir}/root.zone"
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
"""


def find(build: Path):
    for path in (build / "peers/knot/usr/sbin/knotd", Path("/usr/sbin/knotd")):
        if path.exists():
            return path
    found = shutil.which("knotd")
    return Path(found) if found else None


class Knot:
    """zone: lines 'name [ttl] TYPE data'; names and targets are absolute, with or without the last dot."""

    def __init__(self, folder: Path, build: Path, zone: str, host="127.0.0.1"):
        self.dir = folder
        self.binary = find(build)
        self.host = host
        self.port = _free_port(host)
        (folder / "db").mkdir(parents=True)
        self.serial = 0
        self.write(zone)
        (folder / "knot.conf").write_text(KNOT.format(dir=folder, listen=f"{host}@{self.port}"))
        self.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def write(self, zone):
        self.serial += 1
        lines = ["$ORIGIN .", "$TTL 60",
                 f". 60 SOA ns.test. hostmaster.test. {self.serial} 3600 600 86400 2", ". 60 NS ns.test.",
                 "ns.test. 60 A 127.0.0.1"]
        for line in zone.splitlines():
            if line.strip() and not line.strip().startswith("#"):
                lines.append(line.strip())
        (self.dir / "root.zone").write_text("\n".join(lines) + "\n")

    def start(self):
        env = None
        libs = self.binary.parents[1] / "lib/x86_64-linux-gnu"
        if str(self.binary).find("peers") >= 0:
            libs = sorted({str(p.parent) for p in self.binary.parents[2].rglob("lib*.so*")})
            import os
            env = dict(os.environ, LD_LIBRARY_PATH=":".join(libs))
        self.process = subprocess.Popen([str(self.binary), "-c", str(self.dir / "knot.conf")], env=env,
                                        stdout=subprocess.DEVNULL, stderr=(self.dir / "stderr").open("wb"))
        until(self._answers, 15, "knotd to answer", step=0.05)

    def reload(self, zone):
        """Another zone from now on (what is cached elsewhere stays cached)."""
        self.stop()
        self.write(zone)
        self.start()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _answers(self):
        assert self.process.poll() is None, (self.dir / "stderr").read_text() + self.log()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.3)
            # id 1, RD, one question: SOA of the root
            sock.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\0" + b"\0\6\0\1", (self.host, self.port))
            try:
                answer = sock.recv(4096)
            except OSError:
                return False
            return answer[3] & 15 == 0 and answer[7] > 0

    def log(self):
        path = self.dir / "knot.log"
        return path.read_text() if path.exists() else ""


class BlackHole:
    """Takes queries and never answers; counts them."""

    def __init__(self, host="127.0.0.1", answer=None):
        """answer: callable(query bytes) -> bytes or None."""
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.host, self.port = self.sock.getsockname()
        self.queries = 0
        self.answer = answer
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def _run(self):
        while True:
            try:
                query, source = self.sock.recvfrom(4096)
            except OSError:
                return
            self.queries += 1
            answer = self.answer(query) if self.answer else None
            if answer is not None:
                self.sock.sendto(answer, source)

    def stop(self):
        self.sock.close()


def servfail(query: bytes) -> bytes:
    """The answer of a server that cannot."""
    return query[:2] + bytes([0x80 | query[2], 0x82]) + query[4:]


def _free_port(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((host, 0))
        port = udp.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind((host, port))
        return port
