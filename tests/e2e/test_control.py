"""mailctl and the control socket."""

import json
import os
import stat
import struct
from pathlib import Path

from harness.control import Control, ControlError, pack
from harness.smtp import message, submit
from harness.wait import until


def _queued(t, count=1):
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer)
    for number in range(count):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    until(lambda: len(daemon.queue()) == count, 10, "the queue")
    return daemon, peer


def ping_and_status(t):
    daemon = t.daemon()
    assert daemon.mailctl("system", "ping").returncode == 0
    status = daemon.mailctl("system", "status", json_output=True)
    assert isinstance(status, dict) and status
    assert daemon.mailctl("system", "status").stdout.strip()


def the_queue_is_listed_and_viewed(t):
    daemon, _ = _queued(t, 3)
    entries = daemon.queue()
    for entry in entries:
        assert len(entry["id"]) == 26 and entry["sender"] == "<a@example.com>", entry
        r = entry["recipients"][0]
        assert r["address"] == "b@example.net" and "attempts" in r, r
    text = daemon.mailctl("queue", "list").stdout
    assert all(entry["id"] in text for entry in entries)
    view = daemon.mailctl("queue", "view", entries[0]["id"], json_output=True)
    assert entries[0]["id"] in json.dumps(view)
    assert "b@example.net" in daemon.mailctl("queue", "view", entries[0]["id"]).stdout


def retry_delivers(t):
    daemon, peer = _queued(t, 2)
    peer.start()
    daemon.mailctl("queue", "retry", daemon.queue()[0]["id"])  # the destination's other mail may go along
    peer.wait(1)
    daemon.mailctl("queue", "retry", "--all")
    peer.wait(2)
    daemon.wait_queue(0)


def freeze_survives_a_restart(t):
    daemon, peer = _queued(t, 1)
    identity = daemon.queue()[0]["id"]
    daemon.mailctl("queue", "freeze", identity)
    assert daemon.queue()[0]["frozen"]
    daemon.restart()
    assert daemon.queue()[0]["frozen"]
    peer.start()
    daemon.mailctl("queue", "unfreeze", identity)
    until(lambda: (daemon.retry_all(), peer.messages)[1], 15, "delivery", step=0.3)


def exit_codes_tell_what_went_wrong(t):
    daemon = t.daemon()
    assert daemon.mailctl("system", "ping", check=False).returncode == 0
    unknown = daemon.mailctl("queue", "view", "01ARZ3NDEKTSV4RRFFQ69G5FAV", check=False)
    assert unknown.returncode == 1 and unknown.stderr, unknown
    for wrong in (("queue", "nonsense"), ("queue", "view"), ("--nonsense",), ("queue", "view", "not-an-id")):
        assert daemon.mailctl(*wrong, check=False).returncode in (1, 2), wrong
    assert daemon.mailctl("queue", "nonsense", check=False).returncode == 2
    daemon.stop()
    assert daemon.mailctl("system", "ping", check=False).returncode == 3


def a_few_lines_of_another_language_speak_the_protocol(t):
    daemon, _ = _queued(t, 2)
    with Control(daemon.socket) as control:
        assert control.call("system.ping") is not None
        result = control.call("queue.list")
        entries = result if isinstance(result, list) else result["messages"]
        assert len(entries) == 2
        try:
            control.call("no.such.command")
            raise AssertionError("no error")
        except ControlError as error:
            assert error.code
        assert control.call("system.ping") is not None, "the connection goes on"


def nonsense_on_the_control_socket_harms_nobody(t):
    daemon = t.daemon()
    for junk in (b"\xff\xff\xff\xff", struct.pack(">I", 5) + b"hello", struct.pack(">I", 0),
                 struct.pack(">I", 1) + b"\xc1", struct.pack(">I", 5) + b"\xdf\xff\xff\xff\xff",
                 struct.pack(">I", 100) + b"\x91" * 100,
                 struct.pack(">I", len(pack({"v": 9, "id": 1, "cmd": 5}))) + pack({"v": 9, "id": 1, "cmd": 5}), b"GET /"):
        control = Control(daemon.socket, timeout=2)
        control.sock.sendall(junk)
        try:
            control.sock.recv(1000)
        except (TimeoutError, ConnectionError):
            pass
        control.close()
    daemon.mailctl("system", "ping")
    assert daemon.running()


def the_socket_is_for_its_owner_only(t):
    daemon = t.daemon()
    mode = stat.S_IMODE(os.stat(daemon.socket).st_mode)
    assert mode == 0o600, oct(mode)


def log_levels_change_while_it_runs(t):
    daemon = t.daemon({"log": {"level": "warning", "components": {"spool": "error"}}},
                      env={"POSTHORN_LOG": "notice,server=info"})
    shown = daemon.mailctl("system", "log-level", json_output=True)
    assert shown == {"level": "notice", "components": {"server": "info", "spool": "error"}}, shown
    submit(daemon.smtp, "b@example.net")
    assert not daemon.events("message.accepted")
    daemon.mailctl("system", "log-level", "message", "info")
    submit(daemon.smtp, "b@example.net")
    accepted = daemon.wait_event("message.accepted")
    assert accepted["component"] == "message" and accepted["file"].endswith(".cpp") and accepted["line"] > 0, accepted
    assert len(accepted["timestamp"]) == len("2026-11-21T10:00:00.123456Z"), accepted
    assert not daemon.events("smtp.connected")
    daemon.mailctl("system", "log-level", "debug")
    submit(daemon.smtp, "b@example.net")
    daemon.wait_event("smtp.connected")
    daemon.mailctl("system", "log-level", "message", "default")
    assert daemon.mailctl("system", "log-level", "loud", check=False).returncode == 2
    shown = daemon.mailctl("system", "log-level", json_output=True)
    assert shown == {"level": "debug", "components": {"server": "info", "spool": "error"}}, shown


def a_log_nobody_reads_holds_up_no_mail(t):
    """A pipe that is full: lines are dropped and counted, mail goes on, and the daemon still ends."""
    read, write = os.pipe()
    peer = t.peer()
    daemon = t.relay(peer)
    daemon.stop()
    log = daemon.log_path
    daemon.log_path = Path(f"/proc/self/fd/{write}")  # what is started gets the pipe as its standard error
    where = daemon.runtime / "listeners.json"
    try:
        daemon.spawn()
        until(where.exists, 30, "listeners")
    finally:
        daemon.log_path = log
    smtp = [e["endpoint"] for e in json.loads(where.read_text())["listeners"] if e["protocol"] == "smtp"][0]
    for _ in range(80):  # more lines than a pipe holds
        submit(smtp, "b@example.net")
    peer.wait(80)
    os.close(read)  # a dead pipe
    until(lambda: daemon.mailctl("system", "status", json_output=True)["log_lines_dropped"], 20,
          "dropped lines to be counted")
    submit(smtp, "b@example.net")
    peer.wait(81)
    assert daemon.stop() == 0
    os.close(write)


def a_log_that_is_never_read_does_not_keep_the_daemon_from_ending(t):
    read, write = os.pipe()
    daemon = t.daemon()
    daemon.stop()
    log = daemon.log_path
    daemon.log_path = Path(f"/proc/self/fd/{write}")
    where = daemon.runtime / "listeners.json"
    try:
        daemon.spawn()
        until(where.exists, 30, "listeners")
    finally:
        daemon.log_path = log
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        pass
    assert daemon.stop() == 0
    os.close(read)
    os.close(write)
