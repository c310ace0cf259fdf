"""What in docs/ is made from the code is what the code says, and manual pages are sound."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "man").glob("*.[1-8]"))


def what_is_committed_is_what_the_code_says(t):
    done = subprocess.run([sys.executable, ROOT / "tools" / "make_docs", "--build", t.build, "--check"],
                          capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def manual_pages_are_formatted_without_a_warning(t):
    assert len(PAGES) == 4, PAGES
    if shutil.which("groff") is None:
        t.skip("no groff")
    for page in PAGES:
        done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", page], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and not done.stderr, f"{page}: {done.stderr}"


def every_command_option_and_key_stands_in_its_manual_page(t):
    def plain(name):
        text = (ROOT / "docs" / "man" / name).read_text()
        return text.replace("\\-", "-").replace("\\(dq", '"')

    daemon, mailctl = t.build / "server" / "posthornd", t.build / "ctl" / "mailctl"

    def said(*command):
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    page = plain("mailctl.1")
    commands = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  ", said(mailctl, "--help"), re.M)
    assert len(commands) > 10, commands
    for command in commands:
        assert f".SS {command}\n" in page, command
        if command != "completion":
            for option in re.findall(r"--[a-z-]+", said(mailctl, *command.split(), "--help")):
                assert f".B {option}\n" in page, (command, option)
    page = plain("posthornd.8")
    for option in re.findall(r"--[a-z-]+", said(daemon, "--help")):
        assert option in page, option
    page = plain("posthorn.toml.5")
    keys = re.findall(r"^#?(\w+) =", said(daemon, "--print-config"), re.M)
    assert len(keys) > 80, keys
    for key in keys:
        assert f".B {key}\n" in page or f".B {key} = " in page, key


def every_command_that_the_guides_name_exists(t):
    help_text = subprocess.run([t.build / "ctl" / "mailctl", "--help"], capture_output=True, text=True, timeout=30,
                               check=True).stdout
    commands = set(re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  ?", help_text, re.M))
    groups = {command.split()[0] for command in commands if " " in command}
    named = []
    for name in ("operations.md", "deploy.md"):
        text = (ROOT / "docs" / name).read_text()
        named += [(name, *found) for found in re.findall(r"mailctl ([a-z]+)(?: ([a-z-]+))?", text)]
    assert len(named) > 20, named
    for name, first, second in named:
        command = f"{first} {second}" if first in groups else first
        assert command in commands, f"{name}: mailctl {command}"
        if first in groups and second:
            done = subprocess.run([t.build / "ctl" / "mailctl", first, second, "--help"], capture_output=True, timeout=30)
            assert done.returncode == 0, command
