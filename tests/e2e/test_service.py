"""A service manager's view: what the daemon tells it through NOTIFY_SOCKET (sd_notify), and the systemd unit."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from harness.peer import Hold
from harness.smtp import submit
from harness.wait import until

UNIT = Path(__file__).resolve().parents[2] / "packaging/systemd/posthorn.service"


class Manager:
    """The end of the datagram socket that is systemd's."""

    def __init__(self, t):
        self.path = str(t.dir / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        t.closing.append(self.socket.close)

    def environment(self, **more):
        return dict(NOTIFY_SOCKET=self.path, **more)

    def next(self, timeout=30) -> list[str]:
        self.socket.settimeout(timeout)
        return self.socket.recv(4096).decode().split("\n")

    def until(self, wanted, timeout=30):
        """All that was told up to and with `wanted`."""
        heard = []
        while wanted not in heard:
            heard += self.next(timeout)
        return heard


def the_manager_hears_of_start_reload_and_stop(t):
    manager = Manager(t)
    daemon = t.make_daemon(env=manager.environment()).spawn()
    heard = manager.until("READY=1")
    assert heard == ["STATUS=0 messages queued, 0 sessions", "READY=1"], heard
    daemon.wait_log("server.listening")  # the log is written by a thread of its own: where it listens may come later
    t.client(daemon).ehlo()  # ready means: it listens

    daemon.configure({"smtp": {"max_message_size": "1MiB"}})
    daemon.signal(signal.SIGHUP)
    heard = manager.until("READY=1")
    assert "RELOADING=1" in heard and any(line.startswith("MONOTONIC_USEC=") for line in heard), heard
    daemon.wait_log("server.reloaded")

    daemon.write("[nonsense]\n")
    daemon.signal(signal.SIGHUP)
    assert "RELOADING=1" in manager.until("READY=1")  # a refused reload ends, too

    daemon.signal(signal.SIGTERM)
    patience = int(_value(manager.until("STOPPING=1"), "EXTEND_TIMEOUT_USEC"))
    assert patience >= 30_000_000, patience  # shutdown_grace and more
    assert daemon.wait_exit() == 0


def _value(heard, name):
    return next(line.partition("=")[2] for line in heard if line.startswith(name + "="))


def what_is_queued_is_recovered_before_the_manager_hears_ready(t):
    manager = Manager(t)
    daemon = t.make_daemon({"delivery": {"domains": {"example.net": {"mx_override": "127.0.0.1:9"}}}},
                           env=manager.environment()).start()
    manager.until("READY=1")
    for _ in range(3):
        submit(daemon.smtp, "b@example.net")
    daemon.kill()
    daemon.spawn()
    assert manager.until("READY=1")[-2] == "STATUS=3 messages queued, 0 sessions"


def the_watchdog_is_fed_while_it_works_and_while_it_drains(t):
    manager = Manager(t)
    peer = t.peer()
    hold = Hold()
    peer.on("BODY", hold)
    daemon = t.relay(peer, env=manager.environment(WATCHDOG_USEC="400000"))
    manager.until("READY=1")
    manager.until("WATCHDOG=1")
    submit(daemon.smtp, "b@example.net")
    assert hold.reached.wait(10)
    daemon.signal(signal.SIGTERM)
    manager.until("STOPPING=1")
    manager.until("WATCHDOG=1")
    hold.release()
    assert daemon.wait_exit() == 0


def a_refused_start_tells_the_manager_why(t):
    manager = Manager(t)
    daemon = t.make_daemon({"server": {"user": "nobody-of-this-name"}}, env=manager.environment()).spawn()
    assert daemon.wait_exit() == 1
    heard = manager.next()
    assert heard[0].startswith("STATUS=refused to start: ") and "nobody-of-this-name" in heard[0], heard


def a_manager_for_another_process_is_not_fed(t):
    manager = Manager(t)
    daemon = t.make_daemon(env=manager.environment(WATCHDOG_USEC="400000", WATCHDOG_PID="1")).spawn()
    manager.until("READY=1")
    daemon.stop()
    assert "WATCHDOG=1" not in manager.until("STOPPING=1")


def as_the_first_process_of_a_container_it_buries_orphans_and_stops(t):
    t.need_root()
    daemon = t.make_daemon()
    outside = t.process(["unshare", "--pid", "--fork", "--kill-child", daemon.binary, "-c", daemon.file, "--ephemeral"],
                        stderr=daemon.log_path.open("wb"))
    until(lambda: "server.ready" in daemon.raw_log(), 30, "the start")
    first = _children(outside.pid)[0]
    # A child of the namespace whose parent ends before it does.
    subprocess.run(["nsenter", "-t", str(first), "--pid", "sh", "-c", "sleep 0.2 & exit 0"], check=True, timeout=20)
    until(lambda: not _children(first), 20, "the orphan to be gone, not a zombie")
    os.kill(first, signal.SIGTERM)
    assert outside.wait(40) == 0
    assert '"server.stopped"' in daemon.raw_log()


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def the_unit_file_is_one_that_systemd_understands(t):
    if shutil.which("systemd-analyze") is None:
        t.skip("no systemd-analyze")
    # Of a package that is not installed: its binary and user are put in as ours.
    unit = t.dir / "posthorn.service"
    text = UNIT.read_text().replace("/usr/sbin/posthornd", str((t.build / "server/posthornd").resolve()))
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True,
                          timeout=60, env=dict(os.environ, SYSTEMD_LOG_TARGET="console"))
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "posthorn" in line]
    assert not ours, "\n".join(ours)
