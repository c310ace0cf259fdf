"""Start, stop, reload: signals, configuration errors, PID file."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

from harness.daemon import VOLATILE, filesystem
from harness.peer import Hold
from harness.smtp import Client, Closed, message, submit
from harness.wait import stays, until


def sigterm_stops_cleanly(t):
    daemon = t.daemon()
    pid_file = daemon.runtime / "posthornd.pid"
    assert int(pid_file.read_text()) == daemon.pid
    assert daemon.stop() == 0
    assert not pid_file.exists()
    assert not daemon.socket.exists()


def sigint_stops_cleanly(t):
    daemon = t.daemon()
    daemon.signal(signal.SIGINT)
    assert daemon.wait_exit() == 0


def a_graceful_stop_finishes_what_is_in_flight(t):
    peer = t.peer()
    hold = Hold()
    peer.on("BODY", hold)
    daemon = t.relay(peer)
    idle = t.client(daemon)
    idle.ehlo()
    submit(daemon.smtp, "b@example.net")
    assert hold.reached.wait(10)
    daemon.signal(signal.SIGTERM)
    assert idle.closed(10) and idle.pending.startswith(b"421"), idle.pending
    until(lambda: not _listens(daemon), 10, "no more listening")
    assert daemon.running(), "left in the middle of a transaction"
    hold.release()
    assert daemon.wait_exit() == 0
    assert len(peer.messages) == 1
    daemon.start()
    stays(lambda: not daemon.queue() and len(peer.messages) == 1, 0.5, "what was delivered is not queued again")


def a_message_being_received_at_the_stop_is_not_lost(t):
    peer = t.peer()
    daemon = t.relay(peer)
    client = t.client(daemon)
    client.ehlo()
    client.mail("a@example.com", "b@example.net")
    client.expect(354, "DATA")
    daemon.signal(signal.SIGTERM)
    client.send(message("at the stop") + b".\r\n")
    try:
        reply = client.reply()
    except Closed:
        reply = None
    assert daemon.wait_exit() == 0
    daemon.start()
    if reply is not None and reply.code == 250:
        peer.wait(1)
    else:
        stays(lambda: not peer.messages, 0.5)


def a_second_sigterm_stops_at_once(t):
    peer = t.peer()
    hold = Hold()
    peer.on("BODY", hold)
    daemon = t.relay(peer)
    submit(daemon.smtp, "b@example.net")
    assert hold.reached.wait(10)
    daemon.signal(signal.SIGTERM)
    daemon.wait_log("server.stopping" if "server.stopping" in daemon.raw_log() else "stop", 10)
    stays(daemon.running, 0.3)
    start = time.monotonic()
    daemon.signal(signal.SIGTERM)
    daemon.wait_exit(10)
    assert time.monotonic() - start < 5
    hold.release()
    peer.clear()
    daemon.start()
    until(lambda: (daemon.retry_all(), peer.messages)[1], 20, "the message", step=0.3)


def what_is_deleted_while_a_connection_is_opened_is_gone_after_a_stop(t):
    """The next hop's queue of connections is full: it never answers. No stop waits for that, whatever its patience."""
    with contextlib.ExitStack() as sockets:
        silent = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            caller = sockets.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(silent.getsockname())
        daemon = t.relay(f"127.0.0.1:{silent.getsockname()[1]}",
                         {"delivery": {"timeouts": {"connect": "1h"}}, "server": {"shutdown_grace": "10m"}})
        submit(daemon.smtp, "b@example.net")
        until(lambda: [m["why"] for m in daemon.queue()] == ["connecting"], 20, "the attempt")
        identity = daemon.queue()[0]["id"]
        told = daemon.mailctl("queue", "delete", identity, "--yes", json_output=True)
        assert len(told) == 1 and told[0]["result"].startswith("in an attempt"), told
        assert daemon.stop() == 0
        daemon.start()
        assert not daemon.queue()


def sighup_takes_a_good_configuration(t):
    daemon = t.daemon()
    client = t.client(daemon)
    client.ehlo()
    client.expect(250, "MAIL FROM:<a@example.com>")
    daemon.configure({"smtp": {"max_message_size": "1MiB"}})
    daemon.signal(signal.SIGHUP)
    until(lambda: _size(daemon) == str(1 << 20), 10, "the new limit")
    client.expect(250, "RCPT TO:<b@example.net>")  # sessions in flight keep going
    assert client.data(message()).code == 250


def sighup_refuses_a_bad_configuration_as_a_whole(t):
    daemon = t.daemon()
    good = daemon.file.read_text()
    daemon.write(good + '\n[smtp]\nmax_message_size = "1MiB"\nmax_recipientz = 5\n')
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("max_recipientz", 10)
    assert _size(daemon) == str(50 << 20)
    daemon.write(good)
    daemon.signal(signal.SIGHUP)
    submit(daemon.smtp, "b@example.net")
    assert daemon.running()


def _size(daemon):
    with Client(daemon.smtp) as client:
        client.ehlo()
        return client.extensions["SIZE"]


def _listens(daemon):
    try:
        Client(daemon.smtp).close()
        return True
    except (OSError, Closed):
        return False


def _check(t, text, *args):
    daemon = t.make_daemon()
    daemon.write(text)
    return subprocess.run([str(daemon.binary), "-c", str(daemon.file), *args], capture_output=True, text=True,
                          timeout=20)


def configuration_errors_are_shown_all_at_once_with_their_place(t):
    done = _check(t, '[server]\nhostnme = "x"\n\n[smtp]\nmax_recipients = "many"\nmax_message_size = "5 parsecs"\n\n'
                     '[delivery]\nretry_min = "never"\n', "--check-config")
    assert done.returncode == 2, done
    text = done.stderr + done.stdout
    for line, what in ((2, "hostname"), (5, "max_recipients"), (6, "max_message_size"), (9, "retry_min")):
        assert re.search(rf"posthorn\.toml:{line}:\d+: .*{what}", text), f"nothing of line {line}: {text}"


def the_daemon_does_not_start_on_a_bad_configuration(t):
    done = _check(t, "[smtp]\nmax_recipients = -1\n")
    assert done.returncode == 2 and re.search(r"posthorn\.toml:2:\d+: ", done.stderr), done


def broken_toml_is_shown_with_its_place(t):
    done = _check(t, "[server]\nhostname = \n", "--check-config")
    assert done.returncode == 2 and re.search(r"posthorn\.toml:2:\d+: ", done.stderr), done


def a_good_configuration_passes_the_check(t):
    daemon = t.make_daemon()
    done = subprocess.run([str(daemon.binary), "-c", str(daemon.file), "--check-config"], capture_output=True, text=True)
    assert done.returncode == 0, done


def a_missing_configuration_file_is_an_error(t):
    daemon = t.make_daemon()
    done = subprocess.run([str(daemon.binary), "-c", str(daemon.dir / "nowhere.toml")], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 2 and "nowhere.toml" in done.stderr, done


def the_printed_configuration_is_complete_and_passes_the_check(t):
    daemon = t.make_daemon()
    printed = subprocess.run([str(daemon.binary), "--print-config"], capture_output=True, text=True, timeout=20)
    assert printed.returncode == 0
    for key in ("max_recipients", "retry_min", "messages_per_second", "segment_size", "delay_warning",
                "listen_address", "relay_domains", "data_block"):
        assert key in printed.stdout, key
    daemon.write(printed.stdout)
    done = subprocess.run([str(daemon.binary), "-c", str(daemon.file), "--check-config"], capture_output=True, text=True)
    assert done.returncode == 0, done


def version_is_told(t):
    daemon = t.make_daemon()
    done = subprocess.run([str(daemon.binary), "--version"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and re.search(r"\d+\.\d+", done.stdout), done


def secrets_come_from_environment_or_file(t):
    daemon = t.make_daemon()
    secret = daemon.dir / "secret"
    secret.write_text("from a file\n")
    for source in (f'{{ file = "{secret}" }}', '{ env = "POSTHORN_TEST_SECRET" }'):
        daemon.write(f'[delivery.domains."*"]\nsmarthost = "127.0.0.1:9"\nsmarthost_user = "u"\n'
                     f'smarthost_password = {source}\n')
        done = subprocess.run([str(daemon.binary), "-c", str(daemon.file), "--check-config"], capture_output=True,
                              text=True, env=dict(os.environ, POSTHORN_TEST_SECRET="x"))
        assert done.returncode == 0, done


def a_stale_pid_file_is_overwritten(t):
    daemon = t.make_daemon()
    daemon.runtime.mkdir()
    (daemon.runtime / "posthornd.pid").write_text("4194303\n")
    daemon.start()
    assert int((daemon.runtime / "posthornd.pid").read_text()) == daemon.pid


def a_second_daemon_on_the_same_spool_refuses_to_start(t):
    daemon = t.daemon()
    second = subprocess.run([str(daemon.binary), "-c", str(daemon.file)], capture_output=True, text=True, timeout=30)
    assert second.returncode != 0, second
    submit(daemon.smtp, "b@example.net")
    assert daemon.running() and (daemon.runtime / "posthornd.pid").exists()


def an_address_in_use_is_an_error_that_names_it(t):
    daemon = t.daemon()
    other = t.make_daemon({"listener": [{"protocol": "smtp", "address": daemon.smtp, "tls": "none"}]})
    done = subprocess.run([str(other.binary), "-c", str(other.file)], capture_output=True, text=True, timeout=30)
    assert done.returncode not in (0, 2) and daemon.smtp in done.stderr, done


def a_standard_error_that_is_closed_at_the_start_is_no_file_of_ours(t):
    daemon = t.make_daemon()
    args = ["--ephemeral"] if filesystem(daemon.dir) in VOLATILE else []
    process = t.process([daemon.binary, "-c", daemon.file, *args], stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, preexec_fn=lambda: os.close(2))
    until((daemon.runtime / "listeners.json").exists, 30, "ready")
    assert os.readlink(f"/proc/{process.pid}/fd/2") == "/dev/null"
    assert (daemon.runtime / "posthornd.pid").read_text() == f"{process.pid}\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0


def as_many_descriptors_as_allowed_are_taken(t):
    daemon = t.make_daemon()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
    try:
        daemon.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    assert soft == hard == before[1], (soft, hard)


def the_listeners_are_told_in_a_file(t):
    daemon = t.daemon()
    listed = json.loads((daemon.runtime / "listeners.json").read_text())
    assert daemon.smtp in json.dumps(listed)


def without_any_configuration_it_starts_on_unprivileged_ports(t):
    t.need_net()
    home = t.dir / "home"
    home.mkdir()
    build = t.build
    log = (t.dir / "out").open("wb")
    env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")} | {"HOME": str(home)}
    process = t.process([build / "server/posthornd"], env=env, cwd=home, stdout=log, stderr=log)
    until(lambda: "server.ready" in (t.dir / "out").read_text() or "ready" in (t.dir / "out").read_text()
          or process.poll() is not None, 20, "ready")
    assert process.poll() is None, (t.dir / "out").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0


def a_strict_umask_changes_nothing(t):
    peer = t.peer()
    daemon = t.relay(peer, umask=0o077)
    submit(daemon.smtp, "b@example.net")
    peer.one()
    mode = (daemon.spool / "incoming").stat().st_mode & 0o7777
    assert mode == 0o1730, oct(mode)


def a_volatile_file_system_is_refused_unless_ephemeral(t):
    t.need_root()
    place = t.dir / "ram"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], check=True)
    try:
        daemon = t.make_daemon({"server": {"spool_dir": place / "spool"}})
        done = subprocess.run([str(daemon.binary), "-c", str(daemon.file)], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and "--ephemeral" in done.stderr, done
        daemon.args.append("--ephemeral")
        daemon.start()
        submit(daemon.smtp, "b@example.net")
        daemon.end()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def the_queue_of_a_server_that_does_not_run_can_be_counted(t):
    peer = t.peer()
    peer.on("RCPT", "451 4.3.0 not yet")
    daemon = t.make_daemon({"delivery": {"domains": {"example.net": {"mx_override": peer.address}}}})
    daemon.write()

    def count():
        return subprocess.run([daemon.binary, "--count-queue", "-c", daemon.file], capture_output=True, text=True,
                              timeout=60)

    assert (count().returncode, count().stdout) == (0, "0\n")
    assert not (daemon.spool / "log").exists(), "nothing is made where no server ran"
    daemon.start()
    for number in range(3):
        submit(daemon.smtp, "b@example.net", message(f"number {number}"))
    refused = count()
    assert refused.returncode == 1 and not refused.stdout and refused.stderr, refused
    daemon.stop()
    for _ in range(2):
        assert (count().returncode, count().stdout) == (0, "3\n")
    peer.clear()
    daemon.start()
    daemon.retry_all()
    peer.wait(3)
    daemon.wait_queue(0)
    daemon.stop()
    assert (count().returncode, count().stdout) == (0, "0\n")
