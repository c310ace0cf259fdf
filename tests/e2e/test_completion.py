"""Completion of mailctl in the shells themselves: keys go into a terminal, what the shell makes of them comes out."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

from harness.smtp import message, submit
from harness.wait import until

PROMPT = "ready> "
SECONDS = 20


def _text(seen):
    """What stands on the terminal: no colours and padding; what the cursor goes back over is written again."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\0", "", seen.decode("utf-8", "replace"))
    return re.sub("[^\b]\b", "", plain)


class Shell:
    """An interactive shell in a terminal of its own."""

    def __init__(self, t, command, environment):
        ours, theirs = pty.openpty()
        self.terminal = ours
        t.process(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
        os.close(theirs)
        t.closing.append(lambda: os.close(ours))

    def read_until(self, wanted):
        seen, end = b"", time.monotonic() + SECONDS
        while not re.search(wanted, _text(seen)):
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {wanted!r} in {_text(seen)!r}"
            seen += os.read(self.terminal, 65536)

    def type(self, keys, wanted):
        os.write(self.terminal, keys.encode())
        self.read_until(wanted)


def _server_with_a_message(t):
    peer = t.peer()
    peer.stop()
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net", message("one"))
    until(lambda: len(daemon.queue()) == 1, 20, "the queue")
    environment = {"PATH": f"{daemon.mailctl_binary.parent}:{os.environ['PATH']}", "TERM": "vt100", "HOME": str(t.dir),
                   "POSTHORN_CONTROL_SOCKET": str(daemon.socket), "LC_ALL": "C.UTF-8"}
    return daemon.queue()[0]["id"], environment


def _completes(shell, identity):
    shell.type("mailctl queue vie\t\t", f"view {identity}")  # the one message there is
    shell.type("\r", rf"b@example\.net(.|\n)*{PROMPT}")
    shell.type("mailctl queue list --status fro\t", "--status frozen")
    shell.type("\x15mailctl queue list --status=fro\t", "--status=frozen")
    shell.type("\x15mailctl route exam\t", r"route example\.net")
    shell.type("\x15mailctl --control-socket=/nowhere queue view \t", "view ")
    shell.type("\x15echo all is w''ell\r", "all is well")  # nothing but the line was touched


def bash_completes_commands_options_ids_and_domains(t):
    identity, environment = _server_with_a_message(t)
    shell = Shell(t, ["bash", "--norc", "--noprofile", "-i"], environment)
    shell.type(f"PS1='rea'dy'> '; source <(mailctl completion bash)\r", PROMPT)
    _completes(shell, identity)


def zsh_completes_commands_options_ids_and_domains(t):
    if shutil.which("zsh") is None:
        t.skip("no zsh")
    identity, environment = _server_with_a_message(t)
    shell = Shell(t, ["zsh", "-f", "-i"], environment)
    shell.type("autoload -U compinit; compinit -u -D; source <(mailctl completion zsh); PROMPT='rea''dy> '\r", PROMPT)
    _completes(shell, identity)


def fish_completes_commands_options_ids_and_domains(t):
    if shutil.which("fish") is None:
        t.skip("no fish")
    identity, environment = _server_with_a_message(t)

    def offered(line):
        script = f'mailctl completion fish | source; complete -C "{line}"'
        done = subprocess.run(["fish", "--no-config", "-c", script], env=environment, capture_output=True, text=True,
                              timeout=SECONDS, check=True)
        return [candidate.split("\t")[0] for candidate in done.stdout.splitlines()]

    assert offered("mailctl queue vie") == ["view"]
    assert offered("mailctl queue view ") == [identity]
    assert offered("mailctl queue list --status fro") == ["frozen"]
    assert offered("mailctl queue list --status=fro") == ["--status=frozen"]
    assert offered("mailctl route exam") == ["example.net"]
    assert "bash" in offered("mailctl completion ")
