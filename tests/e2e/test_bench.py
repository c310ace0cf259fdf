"""The scripts in bench/ measure what they say they do: run small, against both servers."""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness import dovecot
from harness.marks import long, within

ROOT = Path(__file__).resolve().parents[2]


def _report(t, name, tool, *args):
    """The script's report. Its load generator is no part of an ordinary build."""
    t.need_root()
    if dovecot.find(t.build) is None:
        t.skip("no Dovecot")
    build = t.dir / "build"
    (build / "bench").mkdir(parents=True)
    for part in ("server", "ctl"):
        (build / part).symlink_to(t.build / part)
    (build / "peers").symlink_to(t.build / "peers")
    source = ROOT / "bench" / f"{tool.replace('-', '_')}.cpp"
    compiler = os.environ.get("CXX", "g++").split()[-1]
    subprocess.run([compiler, "-std=c++23", "-O1", "-pthread", f"-I{ROOT}", str(source), "-o",
                    str(build / "bench" / tool)], check=True)
    report = t.dir / "report.json"
    done = subprocess.run([sys.executable, str(ROOT / "bench" / name), "--build", str(build), "--json", str(report),
                           *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text()), done.stdout


@long
@within(600)
def the_imap_bench_has_a_figure_for_each_row_and_server(t):
    servers = ("dovecot-mdbox", "posthorn")
    report, text = _report(t, "imap", "imap-load", "--messages", "120", "--idle", "3", "--scale", "0.01",
                           "--servers", ",".join(servers))
    assert len(report["rows"]) >= 20, list(report["rows"])
    for row, by_server in report["rows"].items():
        assert set(by_server) == set(servers), (row, by_server)
        assert "memory" in row or all(f["value"] > 0 for f in by_server.values()), (row, by_server)
        assert row in text


@long
@within(600)
def the_store_bench_delivers_and_reads_the_same_mail(t):
    servers = {"dovecot-mdbox", "posthorn"}
    report, _ = _report(t, "store", "smtp-load", "--disk", "own", "--scale", "0.005", "--servers",
                        ",".join(sorted(servers)))
    results = report["disks"]["own"]["results"]
    assert [*results] == ["LMTP, 1 session", "LMTP, 20 sessions", "POP3 RETR, 1 session",
                          "POP3 login, 10,000 messages"]
    for measure, by_server in results.items():
        assert set(by_server) == servers and all(f["per_second"] > 0 for f in by_server.values()), (measure, by_server)
