"""mailctl and the control socket."""

import json
import os
import stat
import struct

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
