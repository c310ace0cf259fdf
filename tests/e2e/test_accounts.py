"""mailctl domain, account and alias: the embedded directory in an operator's hand."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios

from harness.wait import until

PASSWORD = "correct horse battery staple"


def _run(daemon, *words, say=None):
    """Exit status, output, complaint; `say` stands on standard input."""
    done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, *words], capture_output=True,
                          text=True, timeout=60, input=say if say is not None else "")
    return done.returncode, done.stdout, done.stderr


def _example(t):
    daemon = t.daemon()
    for words in (("domain", "add", "Example.org"), ("domain", "add", "bücher.example")):
        assert _run(daemon, *words)[0] == 0
    assert _run(daemon, "account", "add", "Ann@example.org", "--name", "Ann", "--quota", "2GiB", say=PASSWORD + "\n")[0] == 0
    return daemon


def an_account_stands_in_the_directory_and_outlives_a_kill(t):
    daemon = _example(t)
    assert _run(daemon, "alias", "add", "team@example.org", "ann@example.org,carl@example.net")[0] == 0
    assert _run(daemon, "domain", "set", "example.org", "--catch-all", "ann@example.org")[0] == 0
    daemon.kill()
    daemon.start()
    shown = daemon.mailctl("account", "show", "ann@example.org", json_output=True)
    assert shown["account"] == "ann@example.org" and shown["quota"] == "2GiB" and shown["name"] == "Ann", shown
    assert shown["password"] == "argon2id" and shown["scram"] and shown["aliases"] == ["team@example.org"], shown
    domains = daemon.mailctl("domain", "list", json_output=True)
    assert [d["domain"] for d in domains] == ["example.org", "xn--bcher-kva.example"], domains
    assert domains[0]["catch_all"] == ["ann@example.org"] and domains[0]["accounts"] == 1, domains
    aliases = daemon.mailctl("alias", "list", "example.org", json_output=True)
    assert aliases == [{"alias": "team@example.org", "targets": ["ann@example.org", "carl@example.net"]}], aliases


def a_password_is_in_no_log_and_on_no_command_line(t):
    daemon = _example(t)
    status, _, said = _run(daemon, "account", "passwd", "ann@example.org", "--password", PASSWORD)
    assert status == 2 and "does not go on a command line" in said, said
    file = t.dir / "password"
    file.write_text(PASSWORD + " two\nnot this line\n")
    assert _run(daemon, "account", "passwd", "ann@example.org", "--password-file", str(file))[0] == 0
    assert "--password " not in _run(daemon, "account", "passwd", "--help")[1]
    daemon.stop()
    log = daemon.raw_log()
    assert "account.passwd" in log and "(secret)" in log and "battery" not in log
    everything = b"".join(p.read_bytes() for p in daemon.dir.rglob("*") if p.is_file())
    assert b"battery staple" not in everything


def a_password_can_be_made_here_and_is_shown_once(t):
    daemon = _example(t)
    status, out, _ = _run(daemon, "account", "add", "bob@example.org", "--generate")
    made = re.search(r"password: +((?:[a-z0-9]{6}-){3}[a-z0-9]{6})", out)
    assert status == 0 and made, out
    app = daemon.mailctl("account", "passwd", "bob@example.org", "--app", "phone", "--service", "imap", json_output=True)
    assert re.fullmatch(r"(?:[a-z0-9]{6}-){3}[a-z0-9]{6}", app["password"]) and app["password"] != made[1], app
    shown = daemon.mailctl("account", "show", "bob@example.org", json_output=True)
    assert [(a["number"], a["app"], a["service"]) for a in shown["app_passwords"]] == [(1, "phone", "imap")], shown
    assert _run(daemon, "account", "passwd", "bob@example.org", "--remove-app", "1")[0] == 0
    assert daemon.mailctl("account", "show", "bob@example.org", json_output=True)["app_passwords"] == []
    assert app["password"] not in daemon.raw_log() and made[1] not in daemon.raw_log()


def a_terminal_is_asked_twice_and_shows_nothing(t):
    daemon = _example(t)

    def talk(first, second):
        child, terminal = pty.fork()
        if child == 0:
            os.execv(str(daemon.mailctl_binary), ["mailctl", "--control-socket", str(daemon.socket), "account", "passwd",
                                                  "ann@example.org"])
        seen = b""

        def read_until(words):
            nonlocal seen
            while words not in seen:
                assert select.select([terminal], [], [], 30)[0], seen
                try:
                    more = os.read(terminal, 4096)
                except OSError:
                    return
                if not more:
                    return
                seen += more
        read_until(b"Password: ")
        os.write(terminal, first.encode() + b"\n")
        read_until(b"Once more: ")
        os.write(terminal, second.encode() + b"\n")
        read_until(b"\0never\0")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(terminal)
        return status, seen.decode()

    status, seen = talk("a new secret", "a new secret")
    assert status == 0 and "changed: ann@example.org" in seen and "new secret" not in seen, seen
    status, seen = talk("a new secret", "another one")
    assert status == 2 and "two different" in seen and "another one" not in seen, seen


def a_terminal_shows_again_what_is_typed_after_an_interrupt(t):
    daemon = _example(t)
    for key in (b"\x03", b"abc\x03", b"\x1c", b"\x1a\n"):
        ours, theirs = pty.openpty()
        before = termios.tcgetattr(theirs)
        words = [daemon.mailctl_binary, "--control-socket", daemon.socket, "account", "passwd", "ann@example.org"]

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        child = subprocess.Popen(words, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 preexec_fn=own_terminal)
        assert child.stderr.read(10) == b"Password: "
        os.write(ours, key)
        said = child.communicate(timeout=60)[1]
        assert child.returncode == 2 and b"interrupted" in said, (key, child.returncode, said)
        assert termios.tcgetattr(theirs) == before, key
        os.close(ours)
        os.close(theirs)


def hashes_of_other_systems_are_taken_as_they_are(t):
    daemon = _example(t)
    hashed = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.WrAwgFxicHZ3kL7zMvXYXHKosDn8ot2"
    assert _run(daemon, "account", "add", "old@example.org", "--hashed", say=hashed + "\n")[0] == 0
    shown = daemon.mailctl("account", "show", "old@example.org", json_output=True)
    assert shown["password"] == "bcrypt" and not shown["scram"], shown
    status, _, said = _run(daemon, "account", "add", "odd@example.org", "--hashed", say="{MD5}abc\n")
    assert status == 2 and "no hash" in said, said
    assert _run(daemon, "account", "show", "odd@example.org")[0] == 1


def what_cannot_be_is_refused_with_its_reason_and_status(t):
    daemon = _example(t)
    assert _run(daemon, "alias", "add", "team@example.org", "ann@example.org")[0] == 0
    for words, status, reason in (
            (("domain", "add", "example.org"), 1, "is there already"),
            (("domain", "add", "not a domain"), 2, "is not a domain"),
            (("domain", "show", "example.net"), 1, "there is no domain"),
            (("domain", "set", "example.org"), 2, "is needed"),
            (("domain", "remove", "example.org"), 2, "say yes"),
            (("domain", "remove", "example.org", "--yes"), 1, "still has"),
            (("account", "add", "x@example.net", "--generate"), 1, "there is no domain"),
            (("account", "add", "ann@EXAMPLE.org", "--generate"), 1, "is there already"),
            (("account", "add", "team@example.org", "--generate"), 1, "is an alias"),
            (("account", "add", "x", "--generate"), 2, "is not an address"),
            (("account", "add", "x@example.org"), 2, "empty password"),
            (("account", "add", "x@example.org", "--generate", "--quota", "much"), 2, "wants a size"),
            (("account", "set", "ann@example.org"), 2, "what is to change"),
            (("account", "set", "x@example.org", "--disable"), 1, "there is no account"),
            (("account", "remove", "ann@example.org"), 2, "say yes"),
            (("alias", "add", "ann@example.org", "x@example.net"), 1, "is an account"),
            (("alias", "add", "y@example.org", "x@example.net,,"), 2, "is not an address"),
            (("alias", "remove", "y@example.org"), 1, "there is no alias"),
            (("alias", "remove", "team@example.org", "x@example.net"), 1, "does not lead to")):
        got, out, said = _run(daemon, *words)
        assert (got, reason in said) == (status, True), (words, got, out, said)
    assert [a["account"] for a in daemon.mailctl("account", "list", json_output=True)] == ["ann@example.org"]


def accounts_change_and_go(t):
    daemon = _example(t)
    daemon.mailctl("account", "set", "ann@example.org", "--disable", "--quota", "0", "--max-messages", "5")
    [ann] = daemon.mailctl("account", "list", "example.org", json_output=True)
    assert ann["disabled"] and ann["quota"] is None and ann["max_messages"] == "5" and ann["name"] == "Ann", ann
    daemon.mailctl("account", "set", "ann@example.org", "--enable")
    assert not daemon.mailctl("account", "show", "ann@example.org", json_output=True)["disabled"]
    daemon.mailctl("alias", "set", "team@example.org", "a@example.net,b@example.net")
    daemon.mailctl("alias", "remove", "team@example.org", "a@example.net")
    assert daemon.mailctl("alias", "show", "team@example.org", json_output=True)["targets"] == ["b@example.net"]
    daemon.mailctl("account", "remove", "ann@example.org", "--yes")
    assert daemon.mailctl("account", "list", json_output=True) == []
    daemon.mailctl("domain", "remove", "example.org", "--everything", "--yes")
    assert [d["domain"] for d in daemon.mailctl("domain", "list", json_output=True)] == ["xn--bcher-kva.example"]
    until(lambda: "domain.remove" in daemon.raw_log(), 10, "the audit line")
