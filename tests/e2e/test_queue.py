"""What operators do to the queue: one grammar of which messages are meant, and what becomes of them."""

import json
import os
import pty
import select
import signal
import subprocess

from harness.control import Control, pack
from harness.smtp import message, submit
from harness.wait import until


def _held(t, *mails):
    """A daemon whose next hop is down, with these (sender, recipient) in its queue; the ids in the order given."""
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer, more_domains={"example.org": {"mx_override": peer.address}})
    ids = []
    for sender, recipient in mails:
        submit(daemon.smtp, recipient, message("held"), sender=sender)
        until(lambda: len(daemon.queue()) == len(ids) + 1, 10, "the queue")
        ids += [m["id"] for m in daemon.queue() if m["id"] not in ids]
    if ids:
        daemon.wait_attempted()
    return daemon, peer, ids


def _ids(daemon, *words):
    return [m["id"] for m in daemon.mailctl("queue", "list", *words, json_output=True)]


def one_grammar_says_which_messages_are_meant(t):
    daemon, _, (one, two, three) = _held(
        t, ("ann@example.com", "x@example.net"), ("bob@example.com", "y@example.net"),
        ("ann@example.com", "z@example.org"))
    assert _ids(daemon) == [one, two, three]
    assert _ids(daemon, "--descending", "--limit", 2) == [three, two]
    assert _ids(daemon, "--sender", "ANN@") == [one, three]
    assert _ids(daemon, "--recipient", "y@") == [two]
    assert _ids(daemon, "--domain", "example.org") == [three]
    assert _ids(daemon, "--sender", "ann", "--domain", "example.net") == [one]
    assert _ids(daemon, "--status", "deferred") == [one, two, three]
    assert _ids(daemon, "--status", "frozen") == []
    assert _ids(daemon, "--older-than", "1h") == [] and len(_ids(daemon, "--newer-than", "1h")) == 3
    assert len(_ids(daemon, "--reason", "no such reason")) == 0
    reply = daemon.mailctl("queue", "view", one, json_output=True)["recipients"][0]["last_reply"]
    assert one in _ids(daemon, "--reason", reply[:10]), reply
    assert _ids(daemon, two, one) == [two, one]

    counted = daemon.mailctl("queue", "freeze", "--sender", "ann", "--dry-run", json_output=True)
    assert counted["messages"] == 2 and not any(m["frozen"] for m in daemon.queue()), counted
    told = daemon.mailctl("queue", "freeze", "--sender", "ann", json_output=True)
    # Each loop tells of its own messages when it has them: their order is nobody's promise.
    assert {m["id"]: m["result"] for m in told} == {one: "frozen", three: "frozen"} and len(told) == 2, told
    assert _ids(daemon, "--status", "frozen") == [one, three]
    told = daemon.mailctl("queue", "unfreeze", one, "01ARZ3NDEKTSV4RRFFQ69G5FAV", json_output=True)
    assert told[0] == {"id": one, "result": "unfrozen"} and told[1]["result"] == "not in the queue", told

    assert daemon.mailctl("queue", "retry", "01ARZ3NDEKTSV4RRFFQ69G5FAV", check=False).returncode == 1

    for unclear in (("retry",), ("freeze",), ("retry", one, "--domain", "example.net"), ("delete", "--all"),
                    ("delete", one), ("list", "--status", "bored")):
        done = daemon.mailctl("queue", *unclear, check=False)
        assert done.returncode == 2 and done.stderr, (unclear, done)
    assert len(daemon.queue()) == 3
    assert "deleted" in daemon.mailctl("queue", "delete", "--domain", "example.org", "--yes").stdout
    assert _ids(daemon) == [one, two]
    assert daemon.mailctl("queue", "delete", "--all", "--yes", json_output=True)
    daemon.wait_queue(0)


def a_frozen_domain_stays_so_for_what_comes_and_over_a_restart(t):
    daemon, peer, _ = _held(t, ("a@example.com", "x@example.net"), ("a@example.com", "y@example.org"))
    daemon.mailctl("queue", "freeze", "--domain", "example.net")
    peer.start()
    daemon.restart()
    assert daemon.mailctl("queue", "stats", json_output=True)["frozen_domains"] == ["example.net"]
    submit(daemon.smtp, "later@example.net", message("later"))
    daemon.mailctl("queue", "process-now")
    until(lambda: _ids(daemon, "--domain", "example.org") == [], 20, "what is not frozen")
    held = daemon.queue()
    assert len(held) == 2 and all(m["why"] == "frozen" for m in held), held
    daemon.mailctl("queue", "unfreeze", "--domain", "example.net")
    daemon.wait_queue(0)
    assert len(peer.messages) == 3


def an_order_about_many_tells_as_it_goes_on(t):
    daemon = t.relay(t.peer())
    daemon.mailctl("queue", "freeze", "--all")
    for number in range(120):
        submit(daemon.smtp, f"r{number}@example.net", message(f"number {number}"))
    with Control(daemon.socket) as control:
        control.send(pack({"v": 1, "id": 7, "cmd": "queue.delete", "args": {"recipient": "r", "yes": True}}))
        frames = [control.read()]
        while frames[-1].get("more"):
            frames.append(control.read())
    assert len(frames[0]["result"]) <= 10, "the first frame does not wait for many"
    assert len(frames) > 2 and all(frame["ok"] for frame in frames)
    assert {m["result"] for frame in frames for m in frame["result"]} == {"deleted"}
    assert frames[-1]["info"] == {"changed": 120, "unknown": 0}, frames[-1]
    assert not daemon.queue()


def a_long_list_begins_at_once(t):
    daemon = t.relay(t.peer())
    daemon.mailctl("queue", "freeze", "--all")
    for number in range(120):
        submit(daemon.smtp, f"r{number}@example.net", message(f"number {number}"))
    with Control(daemon.socket) as control:
        control.send(pack({"v": 1, "id": 7, "cmd": "queue.list", "args": {"limit": 1000}}))
        frames = [control.read()]
        while frames[-1].get("more"):
            frames.append(control.read())
    assert len(frames[0]["result"]) <= 10, "the first frame does not wait for many"
    assert len(frames) > 2 and all(frame["ok"] for frame in frames)
    listed = [m["id"] for frame in frames for m in frame["result"]]
    assert len(listed) == len(set(listed)) == 120
    assert frames[-1]["info"]["matched"] == 120 and not frames[-1]["info"]["truncated"]
    text = daemon.mailctl("queue", "list", "--limit", 1000).stdout.splitlines()
    assert len(text) == 121 and sum(line.startswith("ID") for line in text) == 1, "one heading, a line a message"
    assert "(100 of 120)" in daemon.mailctl("queue", "list").stdout


def a_message_is_exported_as_it_goes_out(t):
    big = b"Subject: big\r\nX-Odd: \xff\x1b[31m\r\n\r\n" + b"".join(b"%07d \x80 line\r\n" % n for n in range(200_000))
    daemon, peer, ids = _held(t, ("ann@example.com", "x@example.net"))
    submit(daemon.smtp, "y@example.net", big)
    until(lambda: len(daemon.queue()) == 2, 20, "the queue")
    ids += [m["id"] for m in daemon.queue() if m["id"] not in ids]
    exported = [subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "queue", "export", "--as-sent",
                                identity], capture_output=True, check=True).stdout for identity in ids]
    assert len(exported[1]) > len(big) and exported[1].endswith(big)
    assert exported[1].startswith(b"Received: ")
    with Control(daemon.socket) as control:
        control.send(pack({"v": 1, "id": 1, "cmd": "queue.export", "args": {"id": ids[1], "as_sent": True}}))
        frames = [control.read()]
        while frames[-1].get("more"):
            frames.append(control.read())
    assert max(len(piece) for frame in frames for piece in frame["result"]) <= 65536, "in pieces"
    assert b"".join(piece for frame in frames for piece in frame["result"]) == exported[1]
    assert frames[-1]["info"]["size"] == len(exported[1])

    text = daemon.mailctl("queue", "view", ids[1], "--headers").stdout
    assert "Subject: big" in text and "0000000" not in text and "y@example.net" in text
    assert "\x1b" not in text, "what a stranger wrote does not steer the terminal"
    view = daemon.mailctl("queue", "view", ids[1], "--headers", json_output=True)
    assert view["id"] == ids[1] and view["headers"].endswith("\r\n\r\n") and "Received:" in view["headers"], view["headers"]
    text = daemon.mailctl("queue", "view", ids[1], "--body").stdout
    assert "0199999 ? line" in text and text.count(" line\n") == 200_000
    assert "Subject: held" in daemon.mailctl("queue", "view", ids[0], "--body", json_output=True)["body"]

    for wrong, status in ((("export", ids[0], "--json"), 2), (("export",), 2),
                          (("export", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1)):
        done = daemon.mailctl("queue", *wrong, check=False)
        assert done.returncode == status and done.stderr and not done.stdout, done
    with open("/dev/full", "wb") as full:
        done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "queue", "export", ids[1]],
                              stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"No space left" in done.stderr, done

    peer.start()
    daemon.retry_all()
    sent = {message.data for message in peer.wait(2)}
    assert sent == set(exported), "octet for octet"


def a_client_that_reads_slowly_costs_no_memory(t):
    daemon, _, _ = _held(t)
    body = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n"
    body += (b"y" * 998 + b"\r\n") * 20_000
    submit(daemon.smtp, "x@example.net", body)
    until(lambda: len(daemon.queue()) == 1, 30, "the queue")
    identity = daemon.queue()[0]["id"]
    before = daemon.rss(peak=True)
    clients = [Control(daemon.socket) for _ in range(8)]
    for client in clients:
        client.send(pack({"v": 1, "id": 1, "cmd": "queue.export", "args": {"id": identity}}))
    first = [client.read() for client in clients]
    assert all(frame["ok"] and frame["more"] for frame in first)
    daemon.mailctl("system", "ping")
    assert daemon.rss(peak=True) - before < 16 << 20, "eight times twenty megabytes are not held"
    for client in clients:
        client.close()
    daemon.mailctl("system", "ping")


def _watch(t, daemon, *more, **options):
    return t.process([daemon.mailctl_binary, "--control-socket", daemon.socket, "queue", "stats", "--watch", "--interval",
                      "1", *more], stdout=subprocess.PIPE, **options)


def stats_are_watched_without_a_terminal(t):
    daemon = t.daemon()
    watch = _watch(t, daemon)
    seen = []
    while sum(line.startswith(b"messages:") for line in seen) < 2:
        seen.append(watch.stdout.readline())
        assert seen[-1], f"it ended: {watch.wait()} {seen}"
    assert seen[0].startswith(b"20") and b"\x1b" not in b"".join(seen), seen
    watch.send_signal(signal.SIGINT)
    assert watch.wait(20) == 0
    watch = _watch(t, daemon, "--json")
    assert [json.loads(watch.stdout.readline())["messages"] for _ in range(2)] == [0, 0]
    daemon.stop()
    assert watch.wait(20) == 3


def stats_are_watched_on_a_terminal_until_ctrl_c(t):
    daemon, _, _ = _held(t, ("ann@example.com", "x@example.net"))
    child, terminal = pty.fork()
    if child == 0:
        os.execv(daemon.mailctl_binary, ["mailctl", "--control-socket", str(daemon.socket), "queue", "stats", "--watch",
                                         "--interval", "1"])
    t.closing.append(lambda: os.close(terminal))
    seen = b""
    while seen.count(b"\x1b[H") < 3:
        ready, _, _ = select.select([terminal], [], [], 20)
        assert ready, seen
        seen += os.read(terminal, 65536)
    assert seen.startswith(b"\x1b[2J") and seen.count(b"\x1b[2J") == 1, "the screen is cleared once: it does not flicker"
    assert b"deferred:" in seen, seen
    os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status


def a_redirected_message_goes_elsewhere_once_over_a_crash(t):
    other = t.peer()
    daemon, peer, (identity, second) = _held(t, ("ann@example.com", "x@example.net"), ("ann@example.com", "y@example.net"))
    daemon.configure({"delivery": {"domains": {"example.com": {"mx_override": other.address}}}})
    daemon.mailctl("system", "reload")
    text = daemon.mailctl("queue", "view", identity, "--body", json_output=True)["body"]
    other.stop()
    told = daemon.mailctl("queue", "redirect", identity, "--to", "Zoe@example.com", json_output=True)
    daemon.kill()
    assert told["recipients"] == 1 and told["to"] == "Zoe@example.com" and told["as"] != identity, told
    other.start()
    daemon.start()
    daemon.retry_all()
    sent = other.one()
    assert sent.data.decode() == text, "octet for octet"
    assert sent.to == ["Zoe@example.com"] and sent.sender == "ann@example.com", sent
    daemon.wait_queue(1)
    told = daemon.mailctl("queue", "redirect", second, "--to", "zack@example.com", json_output=True)
    until(lambda: told["as"] in daemon.mailctl("trace", second, check=False).stdout, 10, "the history of it")
    assert other.wait(2)[1].to == ["zack@example.com"]
    daemon.wait_queue(0)
    peer.start()
    daemon.restart()
    assert daemon.queue() == [] and not peer.messages and len(other.messages) == 2, "nothing goes twice"
    gone = daemon.mailctl("queue", "redirect", identity, "--to", "z@example.com", check=False)
    assert gone.returncode == 1 and "not in the queue" in gone.stderr, gone
    assert daemon.mailctl("queue", "redirect", identity, "--to", "nobody", check=False).returncode == 2
