"""What a test gets: makes daemons, peers and servers, ends them all, and shows what a failure needs."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from . import dns, dovecot, jaeger, postfix, tls
from .daemon import Daemon, merged
from .disk import Disk
from .peer import Peer
from .smtp import Client
from .wait import until


def free_port(host="127.0.0.1"):
    with socket.socket() as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def listens(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


class Skip(Exception):
    pass


class Context:
    def __init__(self, build: Path, name: str, *, private_net: bool, short: bool):
        self.build, self.name, self.private_net, self.short = build, name, private_net, short
        # /var/tmp is a disk also where /tmp is memory; the path stays short because a socket's may have 108 bytes.
        self.dir = Path(tempfile.mkdtemp(prefix="ph-", dir="/var/tmp"))
        self.closing = []
        self.daemons = []
        self.count = 0

    def _folder(self, kind):
        self.count += 1
        return self.dir / f"{kind}{self.count}"

    def skip(self, why):
        raise Skip(why)

    def need_root(self):
        if os.geteuid() != 0 or not Path("/proc/self/uid_map").read_text().split()[2] == "4294967295":
            self.skip("needs root")

    def need_net(self):
        """A network of its own, where port 25 and 192.0.2.0/24 are this test's."""
        if not self.private_net:
            self.skip("needs a network namespace (root, or user namespaces)")

    # ---- the daemon
    def make_daemon(self, config=None, **options) -> Daemon:
        daemon = Daemon(self.build, self._folder("d"), config, **options)
        self.daemons.append(daemon)
        self.closing.append(daemon.end)
        return daemon

    def daemon(self, config=None, **options) -> Daemon:
        return self.make_daemon(config, **options).start()

    def relay(self, peer, config=None, domain="example.net", more_domains=None, **options) -> Daemon:
        """A daemon that sends mail for `domain` to the peer."""
        target = peer if isinstance(peer, str) else peer.address
        delivery = {"retry_min": "1m", "domains": {domain: {"mx_override": target}}}
        delivery["domains"].update(more_domains or {})
        return self.daemon(merged({"delivery": delivery}, config or {}), **options)

    # ---- the others
    def peer(self, *args, **options) -> Peer:
        peer = Peer(*args, **options)
        self.closing.append(peer.stop)
        return peer

    def tls_peer(self, *args, **options) -> Peer:
        return self.peer(*args, tls=tls.server_context(*self.certificate()), **options)

    def certificate(self, name="peer", **options):
        return tls.certificate(self.dir / "tls", name, **options)

    def knot(self, zone) -> dns.Knot:
        if dns.find(self.build) is None:
            self.skip("no knotd")
        server = dns.Knot(self._folder("k"), self.build, zone)
        self.closing.append(server.stop)
        return server

    def black_hole(self, answer=None) -> dns.BlackHole:
        hole = dns.BlackHole(answer=answer)
        self.closing.append(hole.stop)
        return hole

    def postfix(self, **options) -> postfix.Postfix:
        self.need_root()
        if postfix.find(self.build) is None:
            self.skip("no Postfix")
        server = postfix.Postfix(self._folder("p"), self.build, **options).start()
        self.closing.append(server.stop)
        return server

    def dovecot(self, *users) -> dovecot.Dovecot:
        """Takes mail for these addresses by LMTP."""
        self.need_root()
        if dovecot.find(self.build) is None:
            self.skip("no Dovecot")
        server = dovecot.Dovecot(self._folder("o"), self.build, users).start()
        self.closing.append(server.stop)
        return server

    def doveadm(self, maildir: Path):
        """Dovecot's hand on a Maildir."""
        self.need_root()
        if dovecot.find(self.build) is None:
            self.skip("no Dovecot")
        return dovecot.Doveadm(self._folder("a"), self.build, maildir)

    def jaeger(self) -> jaeger.Jaeger:
        """It takes its usual ports."""
        self.need_net()
        program = jaeger.find()
        if program is None:
            self.skip("no Jaeger")
        server = jaeger.Jaeger(program, self._folder("j"))
        self.closing.append(server.stop)
        return server.start()

    def disk(self, size="96M") -> Disk:
        self.need_root()
        try:
            disk = Disk(self.dir / "image", self.dir / "disk", size)
        except subprocess.CalledProcessError as error:
            self.skip(f"no loop mounts here: {error}")
        self.closing.insert(0, disk.unmount)  # after the daemons have ended
        return disk

    def client(self, server, **options) -> Client:
        client = Client(server.smtp if isinstance(server, Daemon) else server, **options)
        self.closing.append(client.close)
        return client

    def tool(self, name):
        path, env = postfix.tool(self.build, name)
        if path is None:
            self.skip(f"no {name}")
        return path, env

    def smtp_sink(self, *options) -> str:
        """Postfix's sink; its address."""
        self.need_root()  # it wants to become nobody
        path, env = self.tool("smtp-sink")
        port = free_port()
        self.process([path, "-u", "nobody", *options, f"127.0.0.1:{port}", 1000], env=env)
        until(lambda: listens(port), 10, "smtp-sink to listen")
        return f"127.0.0.1:{port}"

    def smtp_source(self, target, *options, timeout=50):
        """Postfix's generator, until it is done."""
        path, env = self.tool("smtp-source")
        subprocess.run([path, *map(str, options), target], env=env, check=True, timeout=timeout)

    def process(self, command, **options) -> subprocess.Popen:
        process = subprocess.Popen(list(map(str, command)), **options)

        def end():
            if process.poll() is None:
                process.kill()
                process.wait()

        self.closing.append(end)
        return process

    # ---- the end
    def close(self, failed: bool):
        problems = []
        died = [(d, d.process.returncode) for d in self.daemons if d.process and d.process.poll() is not None]
        for closing in reversed(self.closing):
            try:
                closing()
            except Exception as error:  # the other ends must come, too
                problems.append(f"while ending: {error!r}")
        for daemon, status in died:
            if status not in (0, -9, 1, 2):
                problems.append(f"posthornd ended with {status} during the test")
        for daemon in self.daemons:
            log = daemon.log_path.read_text(errors="replace") if daemon.log_path.exists() else ""
            for word in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "UndefinedBehavior"):
                if word in log:
                    problems.append(f"{word} in {daemon.log_path}")
                    break
        if failed or problems:
            self.show()
        elif os.environ.get("KEEP") is None:
            shutil.rmtree(self.dir, ignore_errors=True)
        return problems

    def show(self):
        print(f"--- left in {self.dir}", file=sys.stderr)
        for daemon in self.daemons:
            print(f"--- {daemon.file}\n{daemon.file.read_text()}", file=sys.stderr)
            if daemon.log_path.exists():
                lines = [line for line in daemon.log_path.read_text(errors="replace").splitlines()
                         if '"control.command"' not in line or '"level":"info"' not in line]  # our own polling
                print(f"--- the last of {len(lines)} lines of {daemon.log_path}", file=sys.stderr)
                print("\n".join(line[:600] for line in lines[-60:]), file=sys.stderr)
