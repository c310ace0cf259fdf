"""Dovecot and Posthorn as mailbox stores: mail comes in by LMTP, is read by POP3; one account, the same durability."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness.context import free_port, listens
from harness.daemon import Daemon
from harness.wait import until

USER, PASSWORD = "bench@example.net", "secret-of-the-bench"
OWNER = "uucp"  # Dovecot wants an account that is not root; Debian always has this one
CONF = """\
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = posthorn-bench
log_path = {dir}/log
protocols = lmtp pop3
default_internal_user = {owner}
default_internal_group = {owner}
default_login_user = nobody
default_process_limit = 200
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
hostname = dovecot.example.net
mail_location = {location}
first_valid_uid = 1
mail_fsync = always
mail_max_userip_connections = 100
stats_writer_socket_path =
passdb {{
  driver = static
  args = password={password}
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
    """Debian's, with mail_fsync = always: what LMTP says is stored is durable, as with Posthorn."""

    def __init__(self, build, folder, kind):
        self.root, self.name, self.kind = find(build), f"dovecot {kind}", kind
        self.dir = folder / f"dovecot{time.monotonic_ns()}"
        self.lmtp_port, self.pop3_port = free_port(), free_port()

    def start(self):
        self.dir.mkdir()
        for path in (self.dir, *self.dir.parents):  # Dovecot's users walk through here
            if path.stat().st_mode & 0o011 != 0o011:
                path.chmod(path.stat().st_mode | 0o011)
        (self.dir / "mail").mkdir()
        os.chown(self.dir / "mail", 65534, 65534)
        (self.dir / "conf").write_text(CONF.format(
            dir=self.dir, owner=OWNER, location=FORMATS[self.kind].format(dir=self.dir), password=PASSWORD,
            lmtp=self.lmtp_port, pop3=self.pop3_port))
        command = [str(self.root / "usr/sbin/dovecot"), "-F", "-c", str(self.dir / "conf")]
        if self.root != Path("/"):  # it looks for its parts where a package would have put them
            mounts = "".join(f"mount -t overlay overlay -o lowerdir={self.root}{at}:{at} {at} && "
                             for at in ("/usr/lib", "/usr/bin"))
            command = ["unshare", "--mount", "sh", "-c", mounts + 'exec "$@"', "sh", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                        env=dict(os.environ, LC_ALL="C"), stdout=(self.dir / "out").open("ab"),
                                        stderr=subprocess.STDOUT)
        until(lambda: self._alive() and listens(self.lmtp_port) and listens(self.pop3_port), 20, "Dovecot")
        self.pid, self.disk = self.process.pid, self.dir
        self.lmtp, self.pop3 = f"127.0.0.1:{self.lmtp_port}", ("127.0.0.1", self.pop3_port)
        return self

    def _alive(self):
        log = self.dir / "log"
        assert self.process.poll() is None, \
            (self.dir / "out").read_text() + (log.read_text() if log.exists() else "")
        return True

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class PosthornServer:
    name = "posthorn"

    def __init__(self, build, folder, _kind=""):
        self.build, self.folder = build, folder

    def start(self):
        self.server = Daemon(self.build, self.folder / f"posthorn{time.monotonic_ns()}", {
            "server": {"threads": 0},
            "listener": [{"protocol": "lmtp", "address": "127.0.0.1:0", "tls": "none"},
                         {"protocol": "pop3", "address": "127.0.0.1:0", "tls": "none"}],
            "pop3": {"plaintext_auth_networks": ["127.0.0.0/8"]},
            "spool": {"segment_size": "64MiB", "reserve": "512MiB"},
            "log": {"level": "info"},
        })
        self.server.start()
        self.server.mailctl("domain", "add", USER.partition("@")[2])
        self.server.mailctl("account", "add", USER, input=PASSWORD + "\n")
        self.pid, self.disk = self.server.pid, self.server.data
        self.lmtp = self.server.endpoint("lmtp")
        host, _, port = self.server.endpoint("pop3").rpartition(":")
        self.pop3 = (host, int(port))
        return self

    def stop(self):
        self.server.end()
        shutil.rmtree(self.server.dir, ignore_errors=True)


def server(name, build, folder):
    kind = name.partition("-")[2]
    return PosthornServer(build, folder) if name == "posthorn" else DovecotServer(build, folder, kind)
