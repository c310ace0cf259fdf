"""Messages that come from a file: `mailctl queue import`, and the long request it is made of."""

import json
import subprocess

from harness.control import Control, pack
from harness.smtp import message, submit
from harness.wait import until


def _import(daemon, data: bytes, *words, env=None):
    """Exit status, what was said on standard error, and the result."""
    done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "--json", "queue", "import", *words],
                          input=data, capture_output=True, timeout=60, env=env)
    return done.returncode, done.stderr.decode(), json.loads(done.stdout) if done.stdout else None


def _export(daemon, identity) -> bytes:
    return subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "queue", "export", identity],
                          capture_output=True, check=True, timeout=60).stdout


def _held(t):
    peer = t.peer()
    daemon = t.relay(peer, more_domains={"example.org": {"mx_override": peer.address}})
    daemon.mailctl("queue", "freeze", "--all")
    return daemon, peer


def what_was_exported_is_imported_with_its_envelope(t):
    daemon, peer = _held(t)
    body = b"".join(b"%06d \x80 line\r\n.\r\n" % n for n in range(60_000))
    for data in (message("small"), message("large", body, extra=b"Return-Path: <inside@example.com>\r\n")):
        submit(daemon.smtp, ["x@example.net", "y@example.org"], data, sender="ann@example.com")
        until(lambda: len(daemon.queue()) == 1, 20, "the queue")
        identity = daemon.queue()[0]["id"]
        file = _export(daemon, identity)
        head = file[:file.index(b"Received: ")].split(b"\r\n")
        assert head == [b"Return-Path: <ann@example.com>", b"X-Posthorn-Recipient: <x@example.net>",
                        b"X-Posthorn-Recipient: <y@example.org>", b""], head
        sent = file[file.index(b"Received: "):]
        assert sent.endswith(data)
        daemon.mailctl("queue", "delete", identity, "--yes")

        code, said, result = _import(daemon, file)
        assert code == 0 and not said and result["id"] != identity, (code, said)
        assert result["sender"] == "<ann@example.com>" and result["size"] == len(sent), result
        assert result["recipients"] == ["x@example.net", "y@example.org"], result
        assert [m["id"] for m in daemon.queue()] == [result["id"]]
        again = _export(daemon, result["id"])
        assert again.endswith(sent), "octet for octet"
        daemon.mailctl("queue", "unfreeze", "--all")
        got = peer.wait(2)
        assert sorted(a for m in got for a, _ in m.recipients) == ["x@example.net", "y@example.org"]
        assert all(m.sender == "ann@example.com" and m.data.endswith(sent) for m in got)
        assert got[0].data.startswith(b"Received: by ") and b"from userid " in got[0].data.split(b"\r\n")[0]
        daemon.wait_queue(0)
        daemon.mailctl("queue", "freeze", "--all")
        peer.messages.clear()
    story = daemon.mailctl("trace", result["id"], json_output=True)
    assert [e["event"] for e in story][0] == "accepted" and story[0]["listener"] == "import", story[0]


def a_recipient_who_has_it_is_not_in_the_export(t):
    daemon, peer = _held(t)
    daemon.mailctl("queue", "unfreeze", "--all")
    daemon.mailctl("queue", "freeze", "--domain", "example.org")
    submit(daemon.smtp, ["x@example.net", "y@example.org"], message("half"))
    peer.one()
    identity = daemon.queue()[0]["id"]
    until(lambda: b"example.net>" not in _export(daemon, identity).split(b"Received: ")[0], 20, "the outcome")
    assert b"X-Posthorn-Recipient: <y@example.org>" in _export(daemon, identity)


def without_an_envelope_options_or_the_header_say_whose_it_is(t):
    daemon, peer = _held(t)
    # As a Unix editor saves it.
    text = (b"From: Ann <ann@example.com>\nTo: x@example.net\nCc: Y <y@example.net>\nBcc: z@example.org\n"
            b"Subject: by hand\n\nhello\n.\nend\n")
    code, said, told = _import(daemon, text, "--dry-run")
    assert code == 0 and told["dry_run"] and "id" not in told, (said, told)
    assert told["recipients"] == ["x@example.net", "y@example.net", "z@example.org"], told
    assert not daemon.queue(), "a dry run leaves it"

    code, said, result = _import(daemon, text)
    assert code == 0 and result["sender"] == "<ann@example.com>", (said, result)
    file = _export(daemon, result["id"])
    assert b"Bcc" not in file and b"\r\nDate: " in file and b"\r\nMessage-ID: <" in file, file
    assert file.endswith(b"Subject: by hand\r\n\r\nhello\r\n.\r\nend\r\n"), file

    code, said, result = _import(daemon, text, "--sender", "<>", "--recipient", "q@example.net", "--recipient",
                                 "r@example.org")
    assert code == 0 and result["sender"] == "<>" and result["recipients"] == ["q@example.net", "r@example.org"], result
    assert b"Bcc: z@example.org" in _export(daemon, result["id"])
    assert len(daemon.queue()) == 2
    plain = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "queue", "import"], input=text,
                           capture_output=True, timeout=60)
    assert plain.returncode == 0 and b"id:" in plain.stdout, plain


def what_is_no_message_or_too_large_is_refused(t):
    peer = t.peer()
    daemon = t.relay(peer, {"smtp": {"max_message_size": "1MiB"}})
    good = message("good")
    for data, words, status, why in (
            (b"", (), 2, "name a sender"), (b"no header\r\n\r\n", (), 2, "not a message"),
            (b"Subject: x\r\n\r\nx\r\n", (), 2, "name a sender"),
            (b"From: a@example.com\r\n\r\nx\r\n", (), 2, "name a recipient"),
            (good, ("--recipient", "nobody at all"), 2, "recipient"),
            (good, ("--sender", "two@example.com, of@example.com"), 2, "sender"),
            (good + b"a\0b\r\n", (), 2, "NUL"),
            (b"X: " + b"y" * (2 << 20) + b"\r\n" + good, (), 2, "header is too long"),
            (good + b"z" * (2 << 20) + b"\r\n", (), 1, "1048576 octets"),
            (good + (b"z" * 70 + b"\r\n") * 1_000_000, (), 1, "1048576 octets")):
        code, said, result = _import(daemon, data, *words)
        assert code == status and why in said and result is None, (data[:60], words, code, said)
    assert not daemon.queue()
    daemon.config["smtp"]["max_message_size"] = "4MiB"
    daemon.write()
    daemon.mailctl("system", "reload")
    code, said, _ = _import(daemon, good + b"z" * (2 << 20) + b"\r\n")
    assert code == 0, said
    peer.one()


def an_import_is_in_the_log_and_wants_the_role(t):
    daemon, peer = _held(t)
    code, _, result = _import(daemon, message("audited"), "--sender", "ann@example.com")
    assert code == 0
    line = daemon.wait_event("control.command", command="queue.import")
    assert line["level"] == "notice" and line["result"] == "ok" and "ann@example.com" in line["args"], line
    accepted = daemon.wait_event("message.accepted", message_id=result["id"])
    assert accepted["sender"] == "ann@example.com", accepted

    made = daemon.mailctl("token", "new", json_output=True)
    daemon.configure({"control": {"auth": {"enabled": True, "tokens": [{"sha256": made["sha256"], "role": "read"}]}}})
    daemon.restart()
    large = message("refused") + b"x" * (4 << 20) + b"\r\n"
    for env, why in (({}, "wants a token"), ({"MAILCTL_TOKEN": "x"}, "nobody knows"),
                     ({"MAILCTL_TOKEN": made["token"]}, "not allowed with this token")):
        code, said, _ = _import(daemon, large, env=env)
        assert code == 1 and why in said, (code, said)
    daemon.stop()
    code, said, _ = _import(daemon, large)
    assert code == 3 and "cannot be reached" in said, (code, said)


def a_long_request_is_spoken_by_hand_and_its_end_is_waited_for(t):
    daemon, _ = _held(t)
    data = message("by hand", (b"x" * 62 + b"\r\n") * 200_000)
    before = daemon.rss(peak=True)
    with Control(daemon.socket) as control:
        control.send(pack({"v": 1, "id": 5, "cmd": "queue.import", "args": {"sender": ""}, "more": True}))
        for at in range(0, len(data), 300_000):
            control.send(pack({"v": 1, "id": 5, "part": [data[at:at + 300_000]], "more": True}))
        control.send(pack({"v": 1, "id": 5, "part": [], "more": True}))
        assert not daemon.queue(), "it is not at its end"
        control.send(pack({"v": 1, "id": 5, "part": []}))
        answer = control.read()
        assert answer["ok"] and answer["result"]["size"] == len(data), answer
        assert control.call("system.ping")["pong"], "the conversation goes on"
    assert daemon.rss(peak=True) - before < 10 << 20, "thirteen megabytes are not held"
    kept = [m["id"] for m in daemon.queue()]
    assert kept == [answer["result"]["id"]]
    # One that is left in the middle leaves nothing.
    with Control(daemon.socket) as control:
        control.send(pack({"v": 1, "id": 6, "cmd": "queue.import", "args": {}, "more": True}))
        for at in range(0, len(data), 300_000):
            control.send(pack({"v": 1, "id": 6, "part": [data[at:at + 300_000]], "more": True}))
    until(lambda: [e["result"] for e in daemon.events("control.command", command="queue.import")] == ["ok", "bad_request"],
          30, "the end of the conversation")
    assert [m["id"] for m in daemon.queue()] == kept
    until(lambda: len(list((daemon.spool / "big").iterdir())) == 1, 20, "its file to go")
