"""Who may do what on the control socket: users, tokens, and the log of what they did."""

import hashlib
import json
import shutil
import subprocess

from harness.control import Control, pack
from harness.wait import until

NOBODY = 65534


def _new(daemon):
    made = daemon.mailctl("token", "new", json_output=True)
    assert hashlib.sha256(made["token"].encode()).hexdigest() == made["sha256"] and len(made["token"]) == 64
    return made["token"], made["sha256"]


def _with_tokens(t, **control):
    daemon = t.make_daemon()
    look, look_sum = _new(daemon)
    act, act_sum = _new(daemon)
    assert look != act
    daemon.configure({"control": dict(control, auth={"enabled": True, "tokens": [
        {"sha256": look_sum, "role": "read"}, {"sha256": act_sum.upper(), "role": "admin"}]})})
    return daemon.start(), look, act


def _mailctl(daemon, *words, token=None):
    done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, *words], capture_output=True,
                          text=True, timeout=30, env={"MAILCTL_TOKEN": token} if token else {})
    return done.returncode, done.stderr


def a_token_is_asked_for_and_its_role_holds(t):
    daemon, look, act = _with_tokens(t)
    code, said = _mailctl(daemon, "queue", "list")
    assert code == 1 and "wants a token" in said, said
    code, said = _mailctl(daemon, "queue", "list", token=look[:-1] + "x")
    assert code == 1 and "nobody knows that token" in said, said
    assert _mailctl(daemon, "queue", "list", token=look)[0] == 0
    code, said = _mailctl(daemon, "queue", "freeze", "--all", token=look)
    assert code == 1 and "not allowed with this token" in said, said
    assert _mailctl(daemon, "queue", "freeze", "--all", token=act)[0] == 0

    file = t.dir / "token"
    file.write_text(act + "\nnot this line\n")
    assert _mailctl(daemon, "--token-file", file, "queue", "unfreeze", "--all", token=look)[0] == 0
    assert _mailctl(daemon, "--token", act, "--token-file", "/nowhere", "queue", "unfreeze", "--all")[0] == 0
    code, said = _mailctl(daemon, "--token-file=/nowhere", "queue", "list", token=act)
    assert code == 2 and "/nowhere" in said, said
    log = daemon.raw_log()
    assert look not in log and act not in log and look[:-1] not in log


def what_a_reload_takes_away_is_gone_at_once(t):
    daemon, look, act = _with_tokens(t)
    with Control(daemon.socket) as control:
        ping = {"v": 1, "id": 1, "cmd": "system.ping", "args": {}, "token": look}
        control.send(pack(ping))
        assert control.read()["ok"]
        daemon.config["control"]["auth"]["tokens"].pop(0)
        daemon.write()
        assert _mailctl(daemon, "system", "reload", token=act) == (0, "")
        control.send(pack(ping))
        assert control.read()["error"]["code"] == "forbidden", "also on a connection that is open"
    daemon.config["control"]["auth"]["tokens"] = []
    daemon.write()
    code, said = _mailctl(daemon, "system", "reload", token=act)
    assert code == 1 and "nobody could do anything" in said, said
    daemon.config["control"]["auth"]["tokens"] = [{"sha256": "abc", "role": "read"}]
    daemon.write()
    code, said = _mailctl(daemon, "system", "reload", token=act)
    assert code == 1 and "64 hexadecimal digits" in said, said
    assert _mailctl(daemon, "system", "ping", token=act)[0] == 0


def user_and_token_must_both_allow_it(t):
    t.need_root()
    daemon, look, act = _with_tokens(t, mode="0666", read_users=[str(NOBODY)])
    mailctl = shutil.copy(daemon.mailctl_binary, t.dir / "mailctl")
    for folder in (t.dir, daemon.dir, daemon.runtime):
        folder.chmod(0o755)

    def as_nobody(*words, token):
        done = subprocess.run([mailctl, "--control-socket", daemon.socket, *words], capture_output=True, text=True,
                              timeout=30, env={"MAILCTL_TOKEN": token}, user=NOBODY, group=NOBODY, extra_groups=[])
        return done.returncode, done.stderr

    assert as_nobody("queue", "list", token=look) == (0, "")
    code, said = as_nobody("queue", "freeze", "--all", token=act)
    assert code == 1 and "not allowed for you" in said, said
    daemon.config["control"]["read_users"] = []
    daemon.write()
    assert _mailctl(daemon, "system", "reload", token=act)[0] == 0
    code, said = as_nobody("queue", "list", token=act)
    assert code == 1 and "not allowed for you" in said, said


def members_of_groups_may_do_what_their_groups_may(t):
    t.need_root()
    reading, writing, others = 61001, 61002, 61003
    daemon = t.daemon({"control": {"mode": "0666", "read_groups": [str(reading)], "write_groups": [str(writing)]}})
    mailctl = shutil.copy(daemon.mailctl_binary, t.dir / "mailctl")
    for folder in (t.dir, daemon.dir, daemon.runtime):
        folder.chmod(0o755)

    def may(*words, group=NOBODY, groups=()):
        done = subprocess.run([mailctl, "--control-socket", daemon.socket, *words], capture_output=True, text=True,
                              timeout=30, user=NOBODY, group=group, extra_groups=list(groups))
        assert done.returncode == 0 or "not allowed for you" in done.stderr, done
        return done.returncode == 0

    look, act = ("queue", "list"), ("queue", "freeze", "--all")
    assert not may(*look) and not may(*look, groups=[others])
    assert may(*look, groups=[others, reading]) and not may(*act, groups=[others, reading])
    assert may(*look, group=reading) and not may(*act, group=reading), "the primary group counts, too"
    assert may(*act, groups=[reading, writing]) and may(*act, group=writing)
    assert may(*act, groups=[*range(62000, 62200), writing]), "however many they are"

    daemon.config["control"].update(read_groups=[], write_groups=["no such group"])
    daemon.write()
    done = daemon.mailctl("system", "reload", check=False)
    assert done.returncode == 1 and "there is no group no such group" in done.stderr, done
    assert may(*look, groups=[reading]), "all stays as it was"
    daemon.config["control"]["write_groups"] = []
    daemon.write()
    changed = daemon.mailctl("system", "reload", json_output=True)["changed"]
    assert changed == ["control.read_groups", "control.write_groups"], changed
    assert not may(*look, groups=[reading, writing])


def every_command_stands_in_the_log(t):
    daemon = t.daemon({"log": {"level": "info"}})
    daemon.mailctl("queue", "freeze", "--domain", "example.net")
    daemon.mailctl("queue", "list")
    daemon.mailctl("queue", "view", "01ARZ3NDEKTSV4RRFFQ69G5FAV", check=False)
    with Control(daemon.socket) as control:
        control.send(pack({"v": 1, "id": 1, "cmd": "no.such", "args": {}}))
        control.read()
    until(lambda: len(daemon.events("control.command")) == 4, 20, "four lines")
    freeze, listed, viewed, unknown = daemon.events("control.command")
    assert freeze["command"] == "queue.freeze" and json.loads(freeze["args"]) == {"domain": "example.net"}, freeze
    assert freeze["level"] == "notice" and freeze["result"] == "ok" and freeze["uid"] == 0 or not _root(), freeze
    assert freeze["pid"] > 1 and freeze["user"] and freeze["elapsed_ms"] > 0, freeze
    assert (listed["level"], listed["command"], listed["result"]) == ("info", "queue.list", "ok"), listed
    assert viewed["result"] == "not_found" and unknown["result"] == "unknown_command", (viewed, unknown)


def _root():
    import os
    return os.geteuid() == 0
