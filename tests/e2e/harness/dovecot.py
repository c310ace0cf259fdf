"""A real Dovecot, unpacked and not installed: takes mail by LMTP over a Unix socket, into one Maildir an account."""

import os
import signal
import socket
import subprocess
from pathlib import Path

from .wait import until

OWNER = "uucp"  # an account every Debian has; Dovecot wants one that is not root
CONF = """\
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = posthorn-test
log_path = {dir}/log
protocols = lmtp
default_internal_user = {owner}
default_internal_group = {owner}
default_login_user = nobody
ssl = no
hostname = dovecot.example.net
mail_location = maildir:{dir}/mail/%d/%n
first_valid_uid = 1
mail_fsync = never
stats_writer_socket_path =
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {dir}/users
}}
service lmtp {{
  chroot =
  unix_listener {dir}/lmtp {{
    mode = 0666
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


def find(build: Path):
    """The folder that holds usr/sbin/dovecot, or None."""
    for root in (build / "peers/dovecot", build.parent / "peers/dovecot", Path("/")):
        if (root / "usr/sbin/dovecot").exists():
            return root.resolve()
    return None


DOVEADM = """\
log_path = /dev/stderr
mail_location = maildir:{maildir}
mail_uid = 1000
mail_gid = 1000
default_internal_user = {owner}
default_internal_group = {owner}
default_login_user = nobody
ssl = no
stats_writer_socket_path =
"""


def _in_its_place(root: Path, command, user=False):
    """The command as it runs where a package would have put its parts. user: under a user namespace, in which the files
    of root are those of user 1000: Dovecot never touches mail as root."""
    own = "unshare --user --map-user=1000 --map-group=1000 " if user else ""
    if root == Path("/"):
        return ["sh", "-c", f'exec {own}"$@"', "sh", *command]
    mounts = "".join(f"mount -t overlay overlay -o lowerdir={root}{at}:{at} {at} && " for at in ("/usr/lib", "/usr/bin"))
    return ["unshare", "--mount", "sh", "-c", f'{mounts}exec {own}"$@"', "sh", *command]


class Doveadm:
    """Dovecot's hand on a Maildir, without a server of its own."""

    def __init__(self, folder: Path, build: Path, maildir: Path):
        self.root = find(build)
        assert self.root, "no Dovecot; ./dev test fetches it"
        folder.mkdir(parents=True)
        self.conf = folder / "conf"
        self.conf.write_text(DOVEADM.format(maildir=maildir, owner=OWNER))
        self.env = dict(os.environ, LC_ALL="C", USER="ann", HOME=str(folder))

    def __call__(self, *args, input=b"") -> str:
        command = [str(self.root / "usr/bin/doveadm"), "-c", str(self.conf), *map(str, args)]
        done = subprocess.run(_in_its_place(self.root, command, user=True), env=self.env, input=input, capture_output=True,
                              timeout=60)
        assert done.returncode == 0, f"doveadm {args}: status {done.returncode}\n{done.stderr.decode()}"
        return done.stdout.decode()


class Dovecot:
    def __init__(self, folder: Path, build: Path, users):
        """users: addresses; others are refused."""
        self.root = find(build)
        assert self.root, "no Dovecot; ./dev test fetches it"
        self.dir = folder
        self.process = None
        self.path = folder / "lmtp"
        self.env = dict(os.environ, LC_ALL="C")
        folder.mkdir(parents=True)
        for path in (folder, *folder.parents):  # Dovecot's own user walks through here
            if path.stat().st_mode & 0o001 == 0 and path != Path("/"):
                path.chmod(path.stat().st_mode | 0o011)
        (folder / "mail").mkdir()
        os.chown(folder / "mail", 65534, 65534)
        (folder / "users").write_text("".join(f"{user}::65534:65534::{folder}/mail::\n" for user in users))
        (folder / "conf").write_text(CONF.format(dir=folder, owner=OWNER))

    def start(self):
        command = _in_its_place(self.root, [str(self.root / "usr/sbin/dovecot"), "-F", "-c", str(self.dir / "conf")])
        self.process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=(self.dir / "out").open("ab"), stderr=subprocess.STDOUT,
                                        start_new_session=True)
        until(self._listens, 20, "Dovecot to listen", step=0.05)
        return self

    def _listens(self):
        assert self.process.poll() is None, f"Dovecot ended: {(self.dir / 'out').read_text()}\n{self.log()[-3000:]}"
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(2)
                sock.connect(str(self.path))
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
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def received(self, user):
        """The messages of an account, as bytes with the line ends Dovecot stores."""
        name, _, domain = user.partition("@")
        return [path.read_bytes() for path in sorted((self.dir / "mail" / domain / name / "new").glob("*"))]

    def wait(self, user, count=1, timeout=30.0):
        until(lambda: len(self.received(user)) >= count, timeout, f"{count} message(s) for {user} in Dovecot")
        return self.received(user)
