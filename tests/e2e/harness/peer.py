"""A scriptable SMTP server: the next hop that rejects, stalls, drops, lies and answers oddly, on order.

    peer = Peer()                                      # a well-behaved one on a free port
    peer.on("RCPT", "550 5.1.1 no such user", match="nobody@")
    peer.on("BODY", ["451 4.3.0 later", None])         # the first time so, then as usual
    peer.on("EHLO", Drop())

Steps: CONNECT, EHLO, HELO, LHLO, STARTTLS, TLS, MAIL, RCPT, DATA, BDAT, BODY (after the final dot, or after
BDAT LAST), RSET, NOOP, QUIT, XCLIENT. An action is a reply text, bytes sent as they are, None (as usual), Drop, Stall, Drip,
or a callable (session, line) -> action.
"""

import socket
import threading

from .peer_session import Drip, Drop, Hold, Message, Over, Session, Stall
from .wait import until

__all__ = ["EXTENSIONS", "Drip", "Drop", "Hold", "Message", "Peer", "Session", "Stall"]

IPV6_FREEBIND = 78  # linux/in6.h; Python has no name for it

EXTENSIONS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING",
              "BINARYMIME")


class Peer:
    def __init__(self, host="127.0.0.1", port=0, *, extensions=EXTENSIONS, tls=None, implicit_tls=False,
                 hostname="peer.example.net", banner=None, idle=120.0, listen=True):
        self.host, self.port = host, port
        self.extensions, self.tls, self.implicit_tls = list(extensions), tls, implicit_tls
        self.hostname = hostname
        self.banner = banner if banner is not None else f"220 {hostname} ESMTP"
        self.idle = idle
        self.lock = threading.Lock()
        self.messages = []      # accepted with 250, in order
        self.attempted = []     # whose bytes came, whatever was answered
        self.sessions = []
        self.tls_errors = []
        self.failures = []      # exceptions of this peer itself
        self.rules = []
        self.open = 0
        self.open_peak = 0
        self.stopping = False
        self.listener = None
        if listen:
            self.start()

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self):
        """Listens (again, on the same port)."""
        self.stopping = False
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.listener.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)  # an address that is only routed here
        self.listener.bind((self.host, self.port))
        self.port = self.listener.getsockname()[1]
        self.listener.listen(512)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        """Listens no more and ends its sessions: connections are refused."""
        self.stopping = True
        if self.listener:
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.listener.close()
            self.listener = None
        for session in list(self.sessions):
            try:
                session.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def on(self, step, action, match=""):
        """From now on the step is answered so, where the line contains `match`. A list: one after the other, then
        as usual. The latest rule comes first."""
        if isinstance(action, list):
            left = list(action)
            lock = threading.Lock()

            def action(_session, _line):
                with lock:
                    return left.pop(0) if left else None

        self.rules.insert(0, (step, match, action))
        return self

    def clear(self):
        self.rules.clear()

    def _action(self, step, line, _session):
        text = line.decode("utf-8", "surrogateescape")
        for name, match, action in list(self.rules):
            if name == step and match in text:
                return action
        return None

    def _accept(self, listener):
        while True:
            try:
                sock, address = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(self, sock, address)
            with self.lock:
                self.sessions.append(session)
                self.open += 1
                self.open_peak = max(self.open_peak, self.open)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session):
        try:
            session.run()
        except (Over, OSError):
            pass
        except Exception as error:  # a fault of the peer must fail the test, not vanish in a thread
            self.failures.append(error)
            raise
        finally:
            with self.lock:
                self.open -= 1
            session.sock.close()

    # ---- what tests ask
    def wait(self, count=1, timeout=20.0):
        """The first `count` messages, as soon as they are there."""
        until(lambda: len(self.messages) >= count or self.failures, timeout,
              f"{count} message(s) at {self.hostname}, there are {len(self.messages)}")
        assert not self.failures, self.failures
        return self.messages[:count]

    def one(self, timeout=20.0) -> Message:
        return self.wait(1, timeout)[0]

    def wait_attempts(self, step="MAIL", count=1, timeout=20.0):
        until(lambda: self.seen(step) >= count, timeout, f"{count} x {step} at {self.hostname}")

    def seen(self, verb) -> int:
        """How often a command came, in all sessions."""
        verb = verb.upper().encode()
        return sum(1 for s in list(self.sessions) for who, data in list(s.transcript)
                   if who == "C" and data.upper().startswith(verb))

    def wait_connections(self, count=1, timeout=20.0):
        until(lambda: len(self.sessions) >= count, timeout, f"{count} connection(s) to {self.hostname}")
