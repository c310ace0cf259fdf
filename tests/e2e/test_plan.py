"""`mailctl config plan FILE`: what another configuration would have decided about the mail that was seen."""

import json
import subprocess

from harness.daemon import document, merged
from harness.smtp import Client, message, submit


def _plan(daemon, file, *words):
    done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "--json", "config", "plan", file,
                           *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr, json.loads(done.stdout) if done.stdout else None


def a_plan_lists_what_would_change_and_changes_nothing(t):
    peer = t.peer()
    daemon = t.relay(peer)
    submit(daemon.smtp, "x@example.net", message("one", b"x" * 900 + b"\r\n"))
    submit(daemon.smtp, ["x@example.net", "y@example.net"], message("two", (b"x" * 900 + b"\r\n") * 5))
    peer.wait(2)
    same = t.dir / "same.toml"
    same.write_text(document(daemon.config))
    assert _plan(daemon, same) == (0, "", [])
    assert "none" in daemon.mailctl("config", "plan", same).stdout

    other = t.dir / "other.toml"
    other.write_text(document(merged(daemon.config, {
        "smtp": {"max_message_size": "2KiB"},
        "delivery": {"domains": {"example.net": {"mx_override": "192.0.2.7:26", "max_connections": 1}}}})))
    code, said, rows = _plan(daemon, other)
    assert code == 0 and not said, said
    assert {(r["decision"], r["domain"], r["count"]) for r in rows} == {
        ("accept", "example.net", 2), ("route", "example.net", 1), ("limit", "example.net", 1)}, rows
    accept = next(r for r in rows if r["decision"] == "accept")
    assert accept["now"] == "accepted" and accept["then"].startswith("refused: 552") and len(accept["examples"]) == 2
    assert "<x@example.net>" in accept["examples"][0], accept
    route = next(r for r in rows if r["decision"] == "route")
    assert route["now"].startswith(peer.address) and route["then"].startswith("192.0.2.7:26"), route
    text = daemon.mailctl("config", "plan", other).stdout
    assert "DECISION" in text and "(4 changes for 3 recipients)" in text, text
    assert _plan(daemon, other, "--since", "1ms")[2] == []

    submit(daemon.smtp, "z@example.net", message("three", (b"x" * 900 + b"\r\n") * 5))
    assert peer.wait(3), "nothing of it holds"
    daemon.restart()
    assert len(_plan(daemon, other)[2]) == 3, "the history is still there"


def what_was_refused_may_be_taken_then(t):
    daemon = t.daemon({"smtp": {"relay_networks": []}})
    with Client(daemon.smtp) as client:
        client.ehlo()
        client.cmd("MAIL FROM:<a@example.com>")
        assert client.cmd("RCPT TO:<x@example.org>").code == 550
    other = t.dir / "other.toml"
    other.write_text(document(merged(daemon.config, {"smtp": {"relay_domains": ["example.org"]}})))
    code, _, rows = _plan(daemon, other)
    assert code == 0 and [(r["now"], r["then"]) for r in rows] == [("refused: 550 5.7.1 no relaying", "accepted")], rows


def a_file_that_is_no_configuration_is_refused(t):
    daemon = t.daemon()
    wrong = t.dir / "wrong.toml"
    wrong.write_text('[server]\nhostnme = "x"\n[smtp]\nmax_recipients = "many"\n')
    code, said, _ = _plan(daemon, wrong)
    assert code == 1 and f"{wrong}:2:1: " in said and f"{wrong}:4:" in said, said
    code, said, _ = _plan(daemon, t.dir / "nowhere.toml")
    assert code == 1 and "No such file" in said, said
    wrong.write_bytes(b"# " + b"x" * (5 << 20))
    code, said, _ = _plan(daemon, wrong)
    assert code == 2 and "too large" in said, said
    assert _plan(daemon, wrong, "--since", "yesterday")[0] == 2
    line = daemon.wait_event("control.command", command="config.plan")
    assert line["level"] == "notice" and str(wrong) in line["args"], line

    made = daemon.mailctl("token", "new", json_output=True)
    daemon.configure({"control": {"auth": {"enabled": True, "tokens": [{"sha256": made["sha256"], "role": "read"}]}}})
    daemon.restart()
    done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "config", "plan", wrong], timeout=60,
                          capture_output=True, text=True, env={"MAILCTL_TOKEN": made["token"]})
    assert done.returncode == 1 and "not allowed with this token" in done.stderr, done
    daemon.stop()
    assert _plan(daemon, wrong)[0] == 3
