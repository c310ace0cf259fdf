"""A real Postfix, unpacked and not installed: its own configuration, queue and data below one folder.

The binaries look for their libraries in /usr/lib/postfix; LD_LIBRARY_PATH leads them here instead, and master
hands it to its children (import_environment). Needs root: master insists on it.
"""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from .wait import until

OWNER, GROUP = "uucp", "proxy"  # accounts every Debian has; nothing else runs as them


def find(build: Path):
    """The folder that holds usr/sbin/postfix, or None."""
    for root in (build / "peers/postfix", build.parent / "peers/postfix", Path("/")):
        if (root / "usr/lib/postfix/sbin/master").exists():
            return root
    return None


def environment(root: Path):
    env = dict(os.environ)
    env["LD_LIBRARY_PATH"] = ":".join([str(root / "usr/lib/postfix"), str(root / "usr/lib/x86_64-linux-gnu")])
    env["LC_ALL"] = "C"
    return env


MASTER = """\
{host}:{port} inet n - n - {smtpd_limit} smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       {smtp_limit}       smtp
lmtp      unix  -       -       n       -       {smtp_limit}       lmtp
relay     unix  -       -       n       -       {smtp_limit}       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Postfix:
    def __init__(self, folder: Path, build: Path, *, port=0, host="127.0.0.1", settings=None, smtpd_limit=100,
                 smtp_limit=100, hostname="postfix.example.net"):
        """settings: more of main.cf. Takes every message into a maildir unless they say otherwise."""
        self.root = find(build)
        assert self.root, "no Postfix; ./dev test fetches it"
        self.host = host
        self.port = port or _free_port(host)
        self.dir = folder
        self.maildir = folder / "mail" / "all"
        self.env = environment(self.root)
        self.process = None
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for parent in folder.parents:  # Postfix's own users walk through here
            if parent.stat().st_mode & 0o001 == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        self.conf, self.queue = folder / "conf", folder / "queue"
        for path in (self.conf, self.queue, folder / "data", folder / "mail"):
            path.mkdir(exist_ok=True)
        self._queue_folders()
        main = {
            "compatibility_level": "3.6",
            "myhostname": hostname, "mydomain": "example.net", "mydestination": "", "inet_protocols": "ipv4",
            "mail_owner": OWNER, "setgid_group": GROUP, "default_privs": "nobody",
            "queue_directory": self.queue, "data_directory": folder / "data",
            "command_directory": self.root / "usr/sbin", "daemon_directory": self.root / "usr/lib/postfix/sbin",
            "shlib_directory": self.root / "usr/lib/postfix", "meta_directory": self.conf,
            "import_environment": "MAIL_CONFIG LD_LIBRARY_PATH LC_ALL TZ",
            "maillog_file": folder / "maillog", "maillog_file_prefixes": "/",
            "mynetworks": "127.0.0.0/8 [::1]/128 192.0.2.0/24", "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "", "biff": "no", "append_dot_mydomain": "no",
            "smtpd_peername_lookup": "no", "smtp_host_lookup": "native", "disable_dns_lookups": "yes",
            "smtpd_client_connection_count_limit": "0", "smtpd_client_connection_rate_limit": "0",
            "smtpd_client_event_limit_exceptions": "static:all", "message_size_limit": "110000000",
            "virtual_mailbox_limit": "0", "mailbox_size_limit": "0",
            "virtual_mailbox_domains": "static:all", "virtual_mailbox_base": folder / "mail",
            "virtual_mailbox_maps": "static:all/", "virtual_minimum_uid": "1",
            "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534",
            "smtputf8_enable": "yes",
        }
        main.update(settings or {})
        (self.conf / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()))
        (self.conf / "master.cf").write_text(MASTER.format(host=host, port=self.port, smtpd_limit=smtpd_limit,
                                                           smtp_limit=smtp_limit))
        shutil.copy(self.root / "etc/postfix/postfix-files", self.conf)
        (self.conf / "dynamicmaps.cf").write_text("")
        os.chown(folder / "mail", 65534, 65534)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def _queue_folders(self):
        shutil.chown(self.dir / "data", OWNER)
        (self.dir / "data").chmod(0o700)
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                     "saved", "trace"):
            (self.queue / name).mkdir(exist_ok=True)
            shutil.chown(self.queue / name, OWNER)
            (self.queue / name).chmod(0o700)
        (self.queue / "pid").mkdir(exist_ok=True)
        for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
            (self.queue / name).mkdir(exist_ok=True)
            shutil.chown(self.queue / name, OWNER, GROUP)
            (self.queue / name).chmod(mode)

    def start(self):
        self.process = subprocess.Popen(
            [str(self.root / "usr/lib/postfix/sbin/master"), "-c", str(self.conf), "-d"],
            env=self.env, stdin=subprocess.DEVNULL, stdout=(self.dir / "out").open("ab"),
            stderr=subprocess.STDOUT, start_new_session=True)
        until(self._listens, 20, "Postfix to listen", step=0.05)
        return self

    def _listens(self):
        assert self.process.poll() is None, f"Postfix ended: {(self.dir / 'out').read_text()}\n{self.log()[-3000:]}"
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as sock:
                return sock.recv(100).startswith(b"220")
        except OSError:
            return False

    def stop(self):
        if not self.process or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self):
        path = self.dir / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def received(self):
        """The messages in the maildir, as bytes with the line ends Postfix stores."""
        return [path.read_bytes() for path in sorted((self.maildir / "new").glob("*"))]

    def wait(self, count=1, timeout=30.0):
        until(lambda: len(list((self.maildir / "new").glob("*"))) >= count, timeout,
              f"{count} message(s) in Postfix's maildir")
        return self.received()


def tool(build: Path, name: str):
    """The command line of one of Postfix's programs (smtp-source, smtp-sink): (path, environment)."""
    root = find(build)
    return (str(root / "usr/sbin" / name), environment(root)) if root else (None, None)


def _free_port(host):
    with socket.socket() as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]
