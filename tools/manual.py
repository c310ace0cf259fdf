"""The manual pages: tools/man/*.in with @PLACEHOLDERS@ that are filled with what the programs themselves say."""
import re
import subprocess
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent / "man"


def roff(text):
    """Plain text as roff: nothing in it is a command, and a hyphen stays one that can be copied."""
    for character, escape in (("\\", "\\e"), ("-", "\\-"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti"), ('"', "\\(dq")):
        text = text.replace(character, escape)
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.M)


def item(term, text):
    return f".TP\n.B {roff(term)}\n{roff(text)}\n"


def said(*command):
    return subprocess.run([str(word) for word in command], check=True, text=True, capture_output=True).stdout


def options(text):
    """The lines "  -o, --option   What it does." of a help text, and the lines that go on below them, as items."""
    items = []
    for line in text.splitlines():
        starts = re.match(r"  (\S.*?)(?:\s{2,}(\S.*))?$", line)
        if starts:
            items.append([starts[1], [starts[2] or ""]])
        elif items and re.match(r"\s{8,}\S", line):
            items[-1][1].append(line.strip())
    return [(term, " ".join(" ".join(words).split())) for term, words in items]


def daemon_options(daemon):
    made = ""
    for term, text in options(said(daemon, "--help")):
        term = re.sub(r"(-\w) \[ (--[\w-]+) \]", r"\1, \2", term).replace(" arg", " FILE")
        made += item(term, sentence(text))
    return made


def sentence(text):
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def commands(mailctl):
    made = ""
    for name, _ in options(said(mailctl, "--help")):
        if name == "completion":
            continue  # of the program itself: the template tells of it
        synopsis, _, rest = said(mailctl, *name.split(), "--help").partition("\n\n")
        about, _, arguments = rest.partition("\n\n")
        made += f".SS {roff(name)}\n.nh\n.ad l\n{roff(' '.join(synopsis.split()))}\n.ad\n.hy\n.PP\n{roff(about.strip())}\n"
        made += "".join(item(term, text) for term, text in options(arguments))
    return made


def keys(daemon):
    """Sections and keys of the commented configuration."""
    made, comment = "", []
    for line in said(daemon, "--print-config").splitlines()[3:]:  # the three lines of introduction are the template's
        section = re.fullmatch(r"#?(\[.*\])", line)
        key = re.fullmatch(r"#?(\w+ =.*)", line)
        if section:
            made += f".SS {roff(section[1])}\n{roff(' '.join(comment))}\n"
        elif key:
            made += item(key[1].removesuffix(" ="), " ".join(comment))
        elif line.startswith("# "):
            comment.append(line[2:])
            continue
        elif not line and comment:
            made += f".PP\n{roff(' '.join(comment))}\n"
        comment = []
    return made


def pages(build):
    """{name below docs/man: text}"""
    daemon, mailctl, sendmail = build / "server/posthornd", build / "ctl/mailctl", build / "ctl/posthorn-sendmail"
    filled = {
        "VERSION": said(daemon, "--version").split()[1],
        "DAEMON_OPTIONS": daemon_options(daemon),
        "COMMANDS": commands(mailctl),
        "SENDMAIL_OPTIONS": "".join(item(*option) for option in options(said(sendmail, "--help"))),
        "KEYS": keys(daemon),
    }
    return {template.stem: re.sub(r"@([A-Z_]+)@\n?", lambda found: filled[found[1]], template.read_text())
            for template in sorted(TEMPLATES.glob("*.in"))}
