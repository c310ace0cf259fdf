"""The .deb's life in a bare Debian: installed, started, mail in and out, upgraded with mail in the queue, removed, purged.

deb [--build DIR] [--work DIR]     needs root, debootstrap, dpkg-dev and, the first time, Debian's archive

The bare system (debootstrap, with the libraries that the package depends on) is kept as --work/base.tar and unpacked
for each run. There is no systemd in it: `systemctl` beside this file stands for it, so that the package's own scripts
start and stop the server. All of it runs in a network of its own.
"""

import argparse
import os
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness.peer import Peer  # noqa: E402
from harness.wait import until  # noqa: E402

OLD, NEW = "0.1.0", "0.1.1"
SUITE = "bookworm"
# What installing, running and purging a package leaves in any Debian.
OTHERS = re.compile(r"^(var/(cache|log|lib/(dpkg|systemd)|backups)|tmp|dev|proc|run)(/|$)|^etc/(passwd|shadow|group|gshadow"
                    r"|sub[ug]id)-?$|^etc/(\.pwd\.lock|systemd)|^var/tmp|^usr/bin/systemctl$|^etc/ld\.so\.cache$")


PATIENCE = 600  # seconds for one command; making the bare system is the longest


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, text=True, timeout=PATIENCE,
                          stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options).stdout


def build_packages(build, folder):
    for version in (OLD, NEW):
        run(sys.executable, ROOT / "packaging/debian/build", "--build", build, "--output", folder, "--version", version)
    return [next(folder.glob(f"posthorn_{version}_*.deb")) for version in (OLD, NEW)]


def bare_system(work, package):
    """The bare Debian's archive, made once for what the package depends on."""
    depends = run("dpkg-deb", "-f", package, "Depends").strip()
    names = ",".join(sorted(re.sub(r"\(.*?\)", "", part).strip() for part in depends.split(",")))
    archive, noted = work / "base.tar", work / "base.names"
    if archive.exists() and noted.exists() and noted.read_text() == names:
        return archive
    with tempfile.TemporaryDirectory(dir=work) as folder:
        print(f"debootstrap {SUITE} with {names}", flush=True)
        run("debootstrap", "--variant=minbase", f"--include={names}", SUITE, folder + "/root")
        run("tar", "-C", folder + "/root", "-cf", archive, ".")
    noted.write_text(names)
    return archive


class Machine:
    """The bare system, as root of a chroot."""

    def __init__(self, root):
        self.root = root

    def run(self, *command, env=None, **options):
        return run("chroot", self.root, *command,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C",
                        **(env or {})}, **options)

    def prepare(self):
        """What a running machine has and a chroot has not."""
        for kind, name in (("proc", "proc"), ("tmpfs", "run")):
            run("mount", "-t", kind, kind, self.root / name)
        (self.root / "run/systemd/system").mkdir(parents=True)
        shutil.copy(HERE / "systemctl", self.root / "usr/bin/systemctl")
        (self.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)

    def install(self, package):
        shutil.copy(package, self.root / "var/tmp" / package.name)
        return self.run("dpkg", "-i", f"/var/tmp/{package.name}")

    def status(self):
        done = subprocess.run(["chroot", self.root, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "posthorn"],
                              capture_output=True, text=True)
        return done.stdout

    def mode(self, path):
        return self.run("stat", "-c", "%U:%G %a", path).strip()

    def calls(self):
        file = self.root / "var/log/systemctl-calls"
        text = file.read_text() if file.exists() else ""
        file.unlink(missing_ok=True)
        return [line for line in text.splitlines() if line.split()[0] in ("start", "stop", "restart")]

    def queue(self):
        return self.run("mailctl", "queue", "list")

    def files(self):
        found = set()
        for folder, folders, names in os.walk(self.root):
            inside = Path(folder).relative_to(self.root)
            folders[:] = [f for f in folders if not OTHERS.match(str(inside / f))]
            found.update(str(inside / n) for n in names + folders if not OTHERS.match(str(inside / n)))
        return found

    def accounts(self):
        return [line for name in ("passwd", "group") for line in (self.root / "etc" / name).read_text().splitlines()
                if "posthorn" in line]


class Life:
    """Its steps, in order; each stands on those before it."""

    def __init__(self, machine, old, new):
        self.machine, self.old, self.new = machine, old, new
        self.before = machine.files()
        self.peer = Peer()

    def submit(self, text, to="you@example.net"):
        with smtplib.SMTP("127.0.0.1", 25, timeout=30) as client:
            client.sendmail("me@example.com", [to], f"Subject: {text}\r\n\r\n{text}\r\n")

    def as_a_user(self, text):
        """A local program's mail, by a user who is nobody."""
        self.machine.run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c",
                         f"printf 'To: you@example.net\\nSubject: {text}\\n\\n{text}\\n' | posthorn-sendmail -t")

    def arrived(self, text):
        until(lambda: any(text.encode() in message.data for message in self.peer.messages), 60, f"{text!r} at the peer")

    def it_installs_and_starts(self):
        self.machine.install(self.old)
        assert self.machine.status() == f"installed {OLD}", self.machine.status()
        assert self.machine.calls() == ["start posthorn.service"]
        self.machine.run("mailctl", "system", "ping")

    def what_it_made_has_the_right_owners_and_modes(self):
        mode = self.machine.mode
        assert mode("/usr/bin/posthorn-sendmail") == "root:posthorn-sendmail 2755"
        assert mode("/var/spool/posthorn") == "posthorn:posthorn-sendmail 710"
        assert mode("/var/spool/posthorn/incoming") == "posthorn:posthorn-sendmail 1730"
        assert mode("/var/lib/posthorn") == "posthorn:posthorn 750"
        assert mode("/etc/posthorn/posthorn.toml") == "root:root 644"
        assert mode("/run/posthorn/control.sock") == "posthorn:posthorn 600"
        pid = self.machine.run("cat", "/run/posthorn/posthornd.pid").strip()
        assert self.machine.run("stat", "-c", "%U", f"/proc/{pid}").strip() == "posthorn"

    def it_is_enabled_with_manuals_and_completions(self):
        root = self.machine.root
        assert os.path.islink(root / "etc/systemd/system/multi-user.target.wants/posthorn.service")
        assert (root / "usr/share/man/man8/posthornd.8.gz").exists()
        assert "mailctl" in (root / "usr/share/bash-completion/completions/mailctl").read_text()

    def send_by_the_peer(self):
        file = self.machine.root / "etc/posthorn/posthorn.toml"
        file.write_text(file.read_text().replace("#hostname = \"mail.example.org\"", "hostname = \"mail.example.org\"")
                        + f'\n[delivery.domains."*"]\nmx_override = "{self.peer.address}"\n')
        self.machine.run("posthornd", "--check-config")
        self.machine.run("systemctl", "restart", "posthorn.service")

    def a_changed_configuration_is_taken(self):
        self.send_by_the_peer()
        assert "mail.example.org" in self.machine.run("mailctl", "system", "status")

    def mail_goes_in_and_out(self):
        self.submit("by-smtp")
        self.as_a_user("by-sendmail")
        self.arrived("by-smtp")
        self.arrived("by-sendmail")

    def a_stopped_server_leaves_the_drop_folder_to_users(self):
        self.machine.run("systemctl", "stop", "posthorn.service")
        self.as_a_user("while-down")
        self.machine.run("systemctl", "start", "posthorn.service")
        self.arrived("while-down")

    def an_upgrade_restarts_it_and_keeps_queue_and_configuration(self):
        self.peer.on("MAIL", "451 4.3.0 later")
        self.submit("over-the-upgrade")
        self.peer.wait_attempts("MAIL", 1, 60)
        self.machine.calls()
        self.machine.install(self.new)
        assert self.machine.status() == f"installed {NEW}", self.machine.status()
        assert self.machine.calls() == ["restart posthorn.service"]
        assert "mx_override" in (self.machine.root / "etc/posthorn/posthorn.toml").read_text()
        assert "you@example.net" in self.machine.queue()
        self.peer.clear()
        self.machine.run("mailctl", "queue", "retry", "--all")
        self.arrived("over-the-upgrade")

    def an_administrators_mode_survives_an_upgrade(self):
        self.machine.run("dpkg-statoverride", "--update", "--add", "root", "root", "0755", "/usr/bin/posthorn-sendmail")
        self.machine.install(self.new)
        assert self.machine.mode("/usr/bin/posthorn-sendmail") == "root:root 755"
        self.machine.run("dpkg-statoverride", "--remove", "/usr/bin/posthorn-sendmail")

    def removing_stops_it_and_keeps_queue_and_configuration(self):
        self.machine.calls()
        self.machine.run("dpkg", "-r", "posthorn")
        assert self.machine.status() == f"config-files {NEW}", self.machine.status()
        assert self.machine.calls() == ["stop posthorn.service"]
        assert not (self.machine.root / "usr/sbin/posthornd").exists()
        assert not (self.machine.root / "run/posthorn/posthornd.pid").exists()
        assert (self.machine.root / "var/spool/posthorn/log").is_dir()
        assert (self.machine.root / "etc/posthorn/posthorn.toml").exists()

    def installed_again_it_goes_on(self):
        self.machine.install(self.new)
        self.submit("after-the-return")
        self.arrived("after-the-return")

    def purging_keeps_mailboxes_and_waiting_mail(self):
        self.machine.run("mailctl", "domain", "add", "example.org")
        self.machine.run("mailctl", "account", "add", "ann@example.org", "--no-password")
        self.submit("into-the-mailbox", "ann@example.org")
        until(lambda: "INBOX" in self.machine.run("mailctl", "trace", "ann@example.org"), 60, "the local delivery")
        self.peer.on("MAIL", "451 4.3.0 later")
        self.submit("waits")
        self.peer.wait_attempts("MAIL", 1, 60)
        said = self.machine.run("dpkg", "-P", "posthorn")
        assert self.machine.status() == "", self.machine.status()
        assert "/var/lib/posthorn are kept" in said and "/var/spool/posthorn is kept" in said, said
        left = sorted(name for name in self.machine.files() - self.before
                      if not name.startswith(("var/lib/posthorn/data", "var/lib/posthorn/directory.sqlite",
                                              "var/spool/posthorn")))
        assert left == ["var/lib/posthorn"], left
        assert self.machine.accounts(), "what is left belongs to somebody"

    def installed_again_it_goes_on_with_them(self):
        self.machine.install(self.new)
        assert "ann@example.org" in self.machine.run("mailctl", "account", "list")
        assert "you@example.net" in self.machine.queue()
        self.submit("a-second-one", "ann@example.org")
        self.peer.clear()
        self.send_by_the_peer()
        self.machine.run("mailctl", "queue", "retry", "--all")
        self.arrived("waits")

    def purging_removes_mail_where_it_is_told_to(self):
        self.machine.run("dpkg", "-P", "posthorn", env={"POSTHORN_PURGE_MAIL": "yes"})
        self.nothing_is_left()

    def purging_leaves_nothing_where_there_is_no_mail(self):
        self.machine.install(self.new)
        self.machine.run("mailctl", "system", "ping")
        self.machine.run("dpkg", "-P", "posthorn")
        self.nothing_is_left()

    def nothing_is_left(self):
        assert self.machine.status() == "", self.machine.status()
        left = sorted(self.machine.files() - self.before)
        assert not left, left
        assert not self.machine.accounts(), self.machine.accounts()
        assert not list((self.machine.root / "etc/systemd").rglob("posthorn*"))

    def steps(self):
        return [self.it_installs_and_starts, self.what_it_made_has_the_right_owners_and_modes,
                self.it_is_enabled_with_manuals_and_completions, self.a_changed_configuration_is_taken,
                self.mail_goes_in_and_out, self.a_stopped_server_leaves_the_drop_folder_to_users,
                self.an_upgrade_restarts_it_and_keeps_queue_and_configuration,
                self.an_administrators_mode_survives_an_upgrade,
                self.removing_stops_it_and_keeps_queue_and_configuration, self.installed_again_it_goes_on,
                self.purging_keeps_mailboxes_and_waiting_mail, self.installed_again_it_goes_on_with_them,
                self.purging_removes_mail_where_it_is_told_to, self.purging_leaves_nothing_where_there_is_no_mail]


def live(root, old, new):
    """In its own network, mounts and processes."""
    run("ip", "link", "set", "lo", "up")
    machine = Machine(root)
    machine.prepare()
    life = Life(machine, old, new)
    steps = life.steps()
    for passed, step in enumerate(steps):
        try:
            step()
        except Exception as error:
            traceback.print_exc(file=sys.stdout)
            print(getattr(error, "stdout", None) or "")
            log = root / "var/log/posthornd.log"
            print(log.read_text()[-4000:] if log.exists() else "no log of the server")
            print(f"FAIL  {step.__name__}; the steps after it were not taken\ntests: {passed} passed, "
                  f"{len(steps) - passed} failed")
            return 1
        print(f"ok    {step.__name__}", flush=True)
    print(f"tests: {len(steps)} passed, 0 failed")
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--work", type=Path, default=ROOT / "build/proof/deb")
    parser.add_argument("--inside", nargs=3, type=Path)
    options = parser.parse_args()
    if options.inside:
        return live(*options.inside)
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    old, new = build_packages(options.build, work)
    archive = bare_system(work, old)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        run("tar", "-C", folder, "-xf", archive)
        os.chmod(folder, 0o755)
        return subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                               sys.executable, __file__, "--inside", folder, old, new]).returncode


if __name__ == "__main__":
    sys.exit(main())
