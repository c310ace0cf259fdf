"""The mailbox store under what happens to a process."""

import subprocess

from harness import accounts
from harness.marks import long, within
from harness.smtp import message
from harness.wait import until

ANN = "ann@example.org"


def _storm(t, kills, backend="packs"):
    done = subprocess.run([t.build / "tests/crash/store_storm", "--kills", str(kills), "--backend", backend], text=True,
                          capture_output=True)
    print(done.stdout[-4000:], done.stderr[-2000:])
    assert done.returncode == 0


@within(120)
def kill_9_in_a_storm_on_an_account_loses_nothing(t):
    """50 deliverers, readers and deleters: what was told is there, once, whole; no UID is given twice."""
    _storm(t, 3)


@within(400)
@long
def kill_9_thirty_times_in_a_storm_on_an_account_loses_nothing(t):
    _storm(t, 30)


@within(120)
def kill_9_in_a_storm_on_a_maildir_loses_nothing(t):
    _storm(t, 3, "maildir")


@within(400)
@long
def kill_9_thirty_times_in_a_storm_on_a_maildir_loses_nothing(t):
    _storm(t, 30, "maildir")


def _home(t):
    daemon = t.daemon({"listener": [{"protocol": "lmtp", "address": "127.0.0.1:0"}]})
    accounts.add(daemon, ANN)
    return daemon


def _hand_over(t, daemon, messages):
    """... and wait until that many are in her mailboxes."""
    client = t.client(daemon.endpoint("lmtp"))
    client.expect(250, "LHLO c")
    client.expect(250, "MAIL FROM:<x@example.net>")
    client.expect(250, f"RCPT TO:<{ANN}>")
    assert client.data(message()).code == 250
    client.expect(221, "QUIT")
    until(lambda: _messages(daemon) == messages, 60, f"{messages} messages in the store")


def _messages(daemon):
    rows = daemon.mailctl("store", "list", json_output=True)
    return next((row["messages"] for row in rows if row["account"] == ANN), 0)


def _clean(daemon):
    return daemon.mailctl("store", "check", ANN, "--bodies", json_output=True)["clean"]


def an_account_is_backed_up_while_the_server_runs_and_restored(t):
    daemon = _home(t)
    _hand_over(t, daemon, 1)
    assert _clean(daemon)
    folder = str(t.dir / "backup")
    made = daemon.mailctl("store", "backup", ANN, "--to", folder, json_output=True)
    assert made["messages"] == 1 and made["files"] == 1, made
    _hand_over(t, daemon, 2)
    assert daemon.mailctl("store", "restore", ANN, "--from", folder, json_output=True)["messages"] == 1
    assert _messages(daemon) == 1 and _clean(daemon)
    _hand_over(t, daemon, 2)
    daemon.kill()
    daemon.start()
    assert _messages(daemon) == 2 and _clean(daemon)


def a_lost_index_is_made_again_by_an_operator(t):
    daemon = _home(t)
    _hand_over(t, daemon, 1)
    daemon.stop()
    for file in daemon.dir.rglob("index.sqlite*"):
        file.unlink()
    daemon.start()
    assert daemon.mailctl("store", "list", json_output=True)[0]["error"]
    done = daemon.mailctl("store", "repair", ANN, json_output=True)
    assert done["index_was_lost"] and done["recovered"] == 1, done
    assert _messages(daemon) == 1 and _clean(daemon)
