"""Generators, the sink, and one measurement of one server."""

import json
import os
import re
import subprocess
import tempfile
import time

from harness.context import free_port, listens
from harness.postfix import tool
from harness.smtp import message, submit
from harness.wait import until

from lib.cost import Watch, pss

SENDER, RECIPIENT = "load@example.com", "sink@example.net"
GENERATORS = ("smtp-source", "smtp-load", "smtp-load lockstep")  # the last says its commands as smtp-source does
PATIENCE = 600  # seconds that one measurement may take


def generate(build, target, sessions, count, size, generator, reconnect=False):
    """Sends `count` messages; raises unless every one was taken. Returns figures of the generator's own."""
    if generator == "smtp-source":
        path, env = tool(build, "smtp-source")
        command = [path, "-s", str(sessions), "-m", str(count), "-l", str(size), "-f", SENDER, "-t", RECIPIENT]
        command += [] if reconnect else ["-d"]
        command += [target]
    else:
        command = [str(build / "bench/smtp-load"), "--to", target, "--sessions", str(sessions), "--json",
                   "--messages", str(count), "--size", str(size), "--sender", SENDER, "--recipient", RECIPIENT]
        env = None
        command += ["--reconnect"] if reconnect else []
        command += ["--lockstep"] if generator.endswith("lockstep") else []
    before = os.times()
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)
    after = os.times()
    # smtp-source -d leaves without QUIT at the end and may warn; its exit status says whether all was sent.
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    own = json.loads(done.stdout) if "--json" in command else {}
    assert own.get("accepted", count) == count, f"{command}: {done.stdout}"
    return {"generator_cpu_s_per_1000": spent / count * 1000,
            **{k: own[k] for k in ("p50_ms", "p99_ms") if k in own}}


class Sink:
    """smtp-sink, and how many messages it has had. (With -M it would end in the middle of its last reply.)"""

    def __init__(self, build):
        path, env = tool(build, "smtp-sink")
        self.port = free_port()
        self.counters = tempfile.TemporaryFile()
        self.process = subprocess.Popen([path, "-c", "-u", "nobody", f"127.0.0.1:{self.port}", "1000"], env=env,
                                        stdout=self.counters)
        until(lambda: listens(self.port), 10, "smtp-sink")

    def count(self):
        size = os.fstat(self.counters.fileno()).st_size
        found = re.findall(rb"mesg=(\d+)", os.pread(self.counters.fileno(), 300, max(0, size - 300)))
        return int(found[-1]) if found else 0

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.counters.close()


def measure(server, sink, held, count, work):
    """`work()` is what is timed, on a fresh server."""
    server.start(sink.port, held)
    try:
        if held:
            submit(server.address, RECIPIENT, message("warm"), sender=SENDER)
        os.sync()
        time.sleep(0.5)
        with Watch(server.pid, server.disk) as watch:
            spent = work()
        return {**watch.figures(count), **(spent() if callable(spent) else spent)}
    finally:
        server.stop()
        sink.end()
        os.sync()


def accept(server, generator, sessions, count, size=4096, reconnect=False):
    return measure(server, Sink(server.build), True, count,
                   lambda: generate(server.build, server.address, sessions, count, size, generator, reconnect))


def queued(server, count):
    """Memory when so many wait and nothing else happens."""
    def work():
        spent = generate(server.build, server.address, 50, count, 4096, "smtp-load")
        time.sleep(1)
        return {**spent, "pss_queued_mb": pss(server.pid) / 1e6}
    return measure(server, Sink(server.build), True, count, work)


def relay(server, generator, sessions, count, size=4096, reconnect=False):
    """From the first message's start until the sink has all. Its count is held against the server's own: they
    differ where a message went out twice, or where the sink counted what was none."""
    sink = Sink(server.build)

    def counted(spent):  # when the clock has stopped
        until(lambda: server.delivered() >= count, 30, f"{count} deliveries by the server's count", step=0.1)
        assert (server.delivered(), sink.count()) == (count, count), \
            f"{server.name}: {count} messages, {server.delivered()} deliveries, {sink.count()} at the sink"
        return {**spent, "delivered": count}

    def work():
        spent = generate(server.build, server.address, sessions, count, size, generator, reconnect)
        until(lambda: sink.count() >= count, PATIENCE, f"{count} messages at the sink", step=0.01)
        return lambda: counted(spent)
    return measure(server, sink, False, count, work)
