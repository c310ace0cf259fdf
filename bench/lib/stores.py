"""Dovecot and Posthorn as mailbox stores: mail comes in by LMTP or IMAP, is read by POP3 and IMAP; one account, whose
password both find in a file, as {SSHA}: cheap to check."""

import base64
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness.context import free_port, listens
from harness.daemon import Daemon
from harness.wait import until

USER, PASSWORD = "bench@example.net", "secret-of-the-bench"
SALT = b"bench-salt"
HASHED = "{SSHA}" + base64.b64encode(hashlib.sha1(PASSWORD.encode() + SALT).digest() + SALT).decode()
MANY = 20000  # sessions and processes: no limit of either server is to be what is measured
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (HARD, HARD))
OWNER = "uucp"  # Dovecot wants an account that is not root; Debian always has this one
CONF = """\
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = posthorn-bench
log_path = {dir}/log
protocols = lmtp pop3 imap
default_internal_user = {owner}
default_internal_group = {owner}
default_login_user = nobody
default_process_limit = {many}
default_client_limit = 65000
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
hostname = dovecot.example.net
mail_location = {location}
first_valid_uid = 1
mail_fsync = {fsync}
mail_max_userip_connections = {many}
stats_writer_socket_path =
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={dir}/mail
}}
service lmtp {{
  chroot =
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service pop3-login {{
  chroot =
  service_count = 0
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service auth {{
  user = root
}}
protocol lmtp {{
  lmtp_save_to_detail_mailbox = no
}}
"""
FORMATS = {"mdbox": "mdbox:{dir}/mail/mdbox", "maildir": "maildir:{dir}/mail/Maildir"}


def find(build):
    for root in (build / "peers/dovecot", build.parent / "peers/dovecot", Path("/")):
        if (root / "usr/sbin/dovecot").exists():
            return root.resolve()
    raise SystemExit("no Dovecot below build/peers")


class DovecotServer:
    """Debian's."""

    def __init__(self, build, folder, kind, fsync):
        self.fsync = fsync
        self.root, self.name, self.kind = find(build), f"dovecot {kind}", kind
        self.dir = folder / f"dovecot{time.monotonic_ns()}"
        self.lmtp_port, self.pop3_port, self.imap_port = free_port(), free_port(), free_port()

    def start(self):
        if not self.dir.exists():
            self._lay_out()
        command = [str(self.root / "usr/sbin/dovecot"), "-F", "-c", str(self.dir / "conf")]
        if self.root != Path("/"):  # it looks for its parts where a package would have put them
            mounts = "".join(f"mount -t overlay overlay -o lowerdir={self.root}{at}:{at} {at} && "
                             for at in ("/usr/lib", "/usr/bin"))
            command = ["unshare", "--mount", "sh", "-c", mounts + 'exec "$@"', "sh", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                        env=dict(os.environ, LC_ALL="C"), stdout=(self.dir / "out").open("ab"),
                                        stderr=subprocess.STDOUT)
        until(lambda: self._alive() and all(listens(p) for p in (self.lmtp_port, self.pop3_port, self.imap_port)),
              20, "Dovecot")
        self.pid, self.disk = self.process.pid, self.dir
        self.lmtp, self.pop3 = f"127.0.0.1:{self.lmtp_port}", ("127.0.0.1", self.pop3_port)
        self.imap = f"127.0.0.1:{self.imap_port}"
        return self

    def _lay_out(self):
        self.dir.mkdir()
        for path in (self.dir, *self.dir.parents):  # Dovecot's users walk through here
            if path.stat().st_mode & 0o011 != 0o011:
                path.chmod(path.stat().st_mode | 0o011)
        (self.dir / "mail").mkdir()
        os.chown(self.dir / "mail", 65534, 65534)
        (self.dir / "users").write_text(f"{USER}:{HASHED}::::::\n")
        (self.dir / "conf").write_text(CONF.format(
            dir=self.dir, owner=OWNER, location=FORMATS[self.kind].format(dir=self.dir), many=MANY, fsync=self.fsync,
            lmtp=self.lmtp_port, pop3=self.pop3_port, imap=self.imap_port))

    def _alive(self):
        log = self.dir / "log"
        assert self.process.poll() is None, \
            (self.dir / "out").read_text() + (log.read_text() if log.exists() else "")
        return True

    def halt(self):
        """Its mail stays; start() goes on with it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.halt()
        shutil.rmtree(self.dir, ignore_errors=True)


class PosthornServer:
    name = "posthorn"

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.server = None

    def start(self):
        if self.server is None:
            self._lay_out()
        self.server.start()
        self.pid, self.disk = self.server.pid, self.server.data
        self.lmtp, self.imap = self.server.endpoint("lmtp"), self.server.endpoint("imap")
        host, _, port = self.server.endpoint("pop3").rpartition(":")
        self.pop3 = (host, int(port))
        return self

    def _lay_out(self):
        home = self.folder / f"posthorn{time.monotonic_ns()}"
        many = {"plaintext_auth_networks": ["127.0.0.0/8"], "max_connections": MANY,
                "max_connections_per_client": MANY}
        self.server = Daemon(self.build, home, {
            "server": {"threads": 0},
            "listener": [{"protocol": name, "address": "127.0.0.1:0", "tls": "none"}
                         for name in ("lmtp", "pop3", "imap")],
            "auth": {"backends": ["file"], "file": {"path": home / "users"}},
            "pop3": many,
            "imap": many,
            "spool": {"segment_size": "64MiB", "reserve": "512MiB"},
            "log": {"level": "info"},
        })
        (home / "users").write_text(f"{USER}:{HASHED}\n")

    def halt(self):
        self.server.stop()

    def stop(self):
        self.server.end()
        shutil.rmtree(self.server.dir, ignore_errors=True)


def server(name, build, folder, fsync="optimized"):
    """fsync: Dovecot's mail_fsync. Its default, optimized, syncs what is saved before it says so, as Posthorn does, and
    leaves changes of flags to the page cache, which Posthorn syncs, too."""
    kind = name.partition("-")[2]
    return PosthornServer(build, folder) if name == "posthorn" else DovecotServer(build, folder, kind, fsync)
