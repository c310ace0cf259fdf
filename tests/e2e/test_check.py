"""`mailctl check`: what is wrong, with the remedy, whether the server runs or not."""

import json
import os
import socket
import subprocess

from harness.context import free_port


def _check(daemon, *words):
    """Exit status and the findings."""
    done = subprocess.run([daemon.mailctl_binary, "--control-socket", daemon.socket, "--json", "check", "--server",
                           daemon.binary, *words], capture_output=True, text=True, timeout=100)
    assert done.returncode in (0, 1) and not done.stderr, done
    found = json.loads(done.stdout)
    assert done.returncode == (1 if any(f["status"] == "wrong" for f in found) else 0), done
    assert all(f["remedy"] for f in found if f["status"] != "ok"), "each finding with its remedy"
    return done.returncode, found


def _of(found, check, status=None):
    return [f for f in found if f["check"] == check and status in (None, f["status"])]


def a_server_that_runs_and_one_that_does_not_are_checked(t):
    daemon = t.make_daemon({"listener": [{"protocol": "smtp", "address": f"127.0.0.1:{free_port()}"}]})
    daemon.write()
    status, found = _check(daemon, "--config", daemon.file)
    assert status == 0, found
    assert _of(found, "server", "ok")[0]["what"] == "does not run" and not _of(found, "ports", "wrong"), found
    assert {f["check"] for f in found} == {"config", "server", "ports", "certificate", "disk", "clock", "dns",
                                           "permissions"}, found
    assert any("made" in f["what"] or "makes" in f["what"] for f in _of(found, "certificate")), found

    daemon.start()
    status, found = _check(daemon)  # the running server says which file
    assert status == 0 and str(daemon.file) in _of(found, "config")[0]["what"], found
    assert "runs" in _of(found, "server")[0]["what"], found
    assert ["our server listens" in f["what"] for f in _of(found, "ports")] == [True, False], found
    assert any("durable write" in f["what"] for f in _of(found, "disk")), found
    assert any("self-signed" in f["what"] for f in _of(found, "certificate", "warning")), found
    plain = daemon.mailctl("check", "--server", daemon.binary)
    assert "\x1b" not in plain.stdout and "-> " in plain.stdout and "certificate" in plain.stdout, plain
    assert not (daemon.spool / ".check").exists()


def what_is_wrong_is_found_with_its_remedy(t):
    pem, key = t.certificate("short", days=1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        daemon = t.make_daemon({"listener": [{"protocol": "smtp", "address": f"127.0.0.1:{taken}"},
                                             {"protocol": "smtp", "address": "198.51.100.9:25"}],
                                "tls": {"certificate": str(pem), "key": str(key)},
                                "spool": {"reserve": "900GiB"}, "smtp": {"relay_domains": ["ours.test"]}})
        daemon.write()
        daemon.spool.mkdir(parents=True, exist_ok=True)
        daemon.spool.chmod(0o777)
        os.chmod(key, 0o644)
        status, found = _check(daemon, "--config", daemon.file)
    assert status == 1
    ports = _of(found, "ports", "wrong")
    assert f"127.0.0.1:{taken}" in ports[0]["what"] and f":{taken}" in ports[0]["remedy"], found
    assert "198.51.100.9:25" in ports[1]["what"] and "no such address" in ports[1]["remedy"], found
    certificates = _of(found, "certificate")
    assert any("expires in" in f["what"] and "reload" in f["remedy"] for f in certificates), found
    assert any("not for mx.posthorn.test" in f["what"] for f in certificates), found
    assert any("452" in f["remedy"] for f in _of(found, "disk", "wrong")), found
    assert any(f["remedy"].startswith("chmod o-w") for f in _of(found, "permissions", "wrong")), found
    assert any("everybody" in f["what"] and str(key) in f["remedy"] for f in _of(found, "permissions", "wrong")), found
    assert any("ours.test" in f["what"] and "resolvers" in f["remedy"] for f in _of(found, "dns", "wrong")), found

    daemon.file.write_text('[server]\nhostnme = "x"\n')
    status, found = _check(daemon, "--config", daemon.file)
    assert status == 1 and len(found) == 1 and ":2:1: " in found[0]["what"], found


def dns_says_whether_mail_for_our_domains_comes_here(t):
    server = t.knot("ours.test MX 10 mx.ours.test\nmx.ours.test A 192.0.2.1\nother.test MX 10 mx.ours.test\n"
                    "away.test MX 20 mx.elsewhere.test\nnone.test MX 0 .\nbare.test A 192.0.2.1")
    daemon = t.make_daemon({"server": {"hostname": "mx.ours.test"}, "dns": {"servers": [server.address]},
                            "smtp": {"relay_domains": ["ours.test", "other.test", "away.test", "none.test", "bare.test",
                                                       "*.x.test", "gone.test"]}})
    daemon.write()
    _, found = _check(daemon, "--config", daemon.file)
    by = {f["what"].split()[0]: f["status"] for f in _of(found, "dns")}
    assert by == {"server.hostname": "ok", "ours.test": "ok", "other.test": "ok", "away.test": "warning",
                  "none.test": "wrong", "bare.test": "warning", "gone.test": "wrong"}, found


def the_domains_of_accounts_are_ours_too(t):
    server = t.knot("ours.test MX 10 mx.ours.test\nmx.ours.test A 192.0.2.1\nfile.test MX 10 mx.elsewhere.test")
    accounts = t.dir / "accounts"
    accounts.write_text("ann@file.test:\n")
    daemon = t.make_daemon({"server": {"hostname": "mx.ours.test"}, "dns": {"servers": [server.address]},
                            "auth": {"backends": ["embedded", "file"], "file": {"path": str(accounts)}}})
    daemon.write()

    def looked_at():
        found = _check(daemon, "--config", daemon.file)[1]
        return {f["what"].split()[0]: f["status"] for f in _of(found, "dns")}, found

    assert looked_at()[0] == {"server.hostname": "ok", "file.test": "warning"}, "nothing is made where no server ran"
    assert not list(daemon.data.glob("directory.sqlite*")), list(daemon.data.iterdir())
    daemon.start()
    daemon.mailctl("domain", "add", "ours.test")
    for running in (True, False):
        assert looked_at()[0] == {"server.hostname": "ok", "ours.test": "ok", "file.test": "warning"}, running
        daemon.stop()
    accounts.write_text("ann@file.test\n")
    wrong = _of(looked_at()[1], "accounts", "wrong")
    assert len(wrong) == 1 and "line 1" in wrong[0]["what"], wrong


def a_server_program_that_is_not_there_is_told(t):
    daemon = t.make_daemon()
    done = daemon.mailctl("check", "--server", "/nowhere/posthornd", check=False)
    assert done.returncode == 3 and "/nowhere/posthornd" in done.stderr, done
    done = daemon.mailctl("check", "--server", "/bin/true", check=False)
    assert done.returncode == 3 and done.stderr, done
