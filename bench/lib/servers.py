"""Postfix and Posthorn as the benches start them: rates and connection limits out of the way on both sides."""

import re
import shutil
import subprocess
import time

from harness.daemon import Daemon
from harness.postfix import Postfix, tool


class PostfixServer:
    """Debian's, tuned as a good administrator would: enough smtpd and smtp processes, no in_flow_delay, no anvil
    limits, its normal fsync."""
    name = "postfix"

    def __init__(self, build, folder):
        self.build, self.folder = build, folder

    def start(self, sink, held):
        settings = {
            "in_flow_delay": "0", "smtpd_error_sleep_time": "0", "smtpd_client_message_rate_limit": "0",
            "default_process_limit": "200", "qmgr_message_active_limit": "20000",
            "default_destination_concurrency_limit": "50", "initial_destination_concurrency": "20",
            "smtp_connection_cache_on_demand": "yes", "relayhost": f"[127.0.0.1]:{sink}",
            "virtual_mailbox_domains": "", "max_use": "1000", "smtp_tls_security_level": "none",
            "smtpd_tls_security_level": "none",
        }
        if held:  # into the hold queue: the least that Postfix can do with an accepted message
            settings["smtpd_client_restrictions"] = "check_client_access static:HOLD"
        self.server = Postfix(self.folder / f"postfix{time.monotonic_ns()}", self.build, settings=settings,
                              smtpd_limit=200, smtp_limit=50).start()
        self.pid, self.address, self.disk = self.server.process.pid, self.server.address, self.server.queue

    def delivered(self):
        """How many messages the next hop took, as the server counts them."""
        return self.server.log().count("status=sent")

    def stop(self):
        self.server.stop()
        shutil.rmtree(self.server.dir, ignore_errors=True)

    def version(self):
        path, env = tool(self.build, "postconf")
        self.start(9, True)
        try:
            return "Postfix " + subprocess.run([path, "-c", str(self.server.conf), "-h", "mail_version"], env=env,
                                               capture_output=True, text=True).stdout.strip()
        finally:
            self.stop()


class PosthornServer:
    name = "posthorn"

    def __init__(self, build, folder):
        self.build, self.folder = build, folder

    def start(self, sink, held):
        # Held: one message goes, the bucket never fills again; every message is routed and queued as usual.
        rate = {"messages_per_second": 1e-6, "burst_size": 1} if held else {"messages_per_second": 1e6,
                                                                             "burst_size": 1000000}
        self.server = Daemon(self.build, self.folder / f"posthorn{time.monotonic_ns()}", {
            "server": {"threads": 0},
            "listener": [{"protocol": "smtp", "address": "127.0.0.1:0", "tls": "none"}],
            "smtp": {"max_connections_per_client": 10000, "max_message_size": "100MiB"},
            "spool": {"segment_size": "64MiB", "reserve": "512MiB"},
            "delivery": {"rate_limit": rate, "domains": {"example.net": {
                "mx_override": f"127.0.0.1:{sink}", "max_connections": 50}}},
            "health": {"max_queue_size": 10000000},
            "log": {"level": "info"},
        })
        self.server.start()
        self.pid, self.address, self.disk = self.server.pid, self.server.smtp, self.server.spool

    def delivered(self):
        found = re.search(rb'^posthorn_delivery_outcomes_total\{result="delivered"\} (\d+)', self.server.health("/metrics")[1],
                          re.M)
        return int(found[1]) if found else 0

    def stop(self):
        self.server.end()
        shutil.rmtree(self.server.dir, ignore_errors=True)

    def version(self):
        done = subprocess.run([str(self.build / "server/posthornd"), "--version"], capture_output=True, text=True)
        return done.stdout.strip().splitlines()[0]


SERVERS = {s.name: s for s in (PostfixServer, PosthornServer)}
