"""A scriptable SMTP server: the next hop that rejects, stalls, drops, lies and answers oddly, on order.

    peer = Peer()                                      # a well-behaved one on a free port
    peer.on("RCPT", "550 5.1.1 no such user", match="nobody@")
    peer.on("BODY", ["451 4.3.0 later", None])         # the first time so, then as usual
    peer.on("EHLO", Drop())

Steps: CONNECT, EHLO, HELO, LHLO, STARTTLS, TLS, MAIL, RCPT, DATA, BDAT, BODY (after the final dot, or after
BDAT LAST), RSET, NOOP, QUIT, XCLIENT. An action is a reply text, bytes sent as they are, None (as usual), Drop, Stall, Drip,
or a callable (session, line) -> action.
"""

import re
import socket
import ssl
import threading
import time

from .wait import until

IPV6_FREEBIND = 78  # linux/in6.h; Python has no name for it

EXTENSIONS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING",
              "BINARYMIME")


class Drop:
    """Closes the connection; reset=True with RST."""

    def __init__(self, reset=False):
        self.reset = reset


class Stall:
    """Says nothing until the client goes away or the peer ends; `then` is done after `seconds`."""

    def __init__(self, seconds=3600.0, then=None):
        self.seconds, self.then = seconds, then


class Drip:
    """Sends the bytes one at a time."""

    def __init__(self, data: bytes, interval=0.01):
        self.data, self.interval = data, interval


class Hold:
    """Waits until release() is called, then goes on as usual (or with `then`)."""

    def __init__(self, then=None):
        self.then = then
        self.gate = threading.Event()
        self.reached = threading.Event()

    def release(self):
        self.gate.set()


class Message:
    """One transaction as the peer got it."""

    def __init__(self):
        self.sender = None
        self.sender_params = ""
        self.recipients = []  # (address, parameters)
        self.data = b""       # dot-unstuffed
        self.wire = b""       # as it came over DATA or BDAT
        self.chunks = []      # sizes of BDAT chunks
        self.session = None
        self.at = 0.0

    @property
    def to(self):
        return [address for address, _ in self.recipients]

    @property
    def headers(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


class _Over(Exception):
    pass


class Session:
    def __init__(self, peer, sock, address):
        self.peer, self.sock, self.address = peer, sock, address
        self.pending = b""
        self.transcript = []  # ("C"|"S", bytes)
        self.helo = None
        self.tls = None       # negotiated protocol version
        self.current = None
        self.messages = 0

    # ---- wire
    def send(self, data: bytes):
        self.transcript.append(("S", data))
        self.sock.sendall(data)

    def _recv(self):
        try:
            data = self.sock.recv(262144)
        except OSError:
            data = b""
        if not data:
            raise _Over
        return data

    def read_line(self) -> bytes:
        while b"\n" not in self.pending:
            self.pending += self._recv()
        line, _, self.pending = self.pending.partition(b"\n")
        self.transcript.append(("C", line + b"\n"))
        return line + b"\n"

    def read_exactly(self, size) -> bytes:
        parts, have = [self.pending], len(self.pending)
        while have < size:
            more = self._recv()
            parts.append(more)
            have += len(more)
        data = b"".join(parts)
        self.pending = data[size:]
        return data[:size]

    def read_to_dot(self) -> bytes:
        """Everything up to and without CRLF.CRLF (the CRLF before the dot stays); a lone '.' line first is empty."""
        buffer = bytearray(self.pending)
        start = 0
        while True:
            if buffer.startswith(b".\r\n"):
                self.pending = bytes(buffer[3:])
                return b""
            found = buffer.find(b"\r\n.\r\n", start)
            if found >= 0:
                self.pending = bytes(buffer[found + 5:])
                return bytes(buffer[:found + 2])
            start = max(0, len(buffer) - 4)
            buffer += self._recv()

    # ---- actions
    def perform(self, step, line, usual):
        """Does what the script says for this step, or `usual`: a reply text or callable."""
        action = self.peer._action(step, line, self)
        while callable(action) and not isinstance(action, type):
            action = action(self, line)
        while isinstance(action, (Stall, Hold)):
            if isinstance(action, Stall):
                self._idle(action.seconds)
            else:
                action.reached.set()
                while not action.gate.wait(0.05):
                    if self.peer.stopping:
                        raise _Over
            action = action.then
        if action is None:
            action = usual
        if action is None:
            return None
        if isinstance(action, Drop):
            if action.reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise _Over
        if isinstance(action, Drip):
            for i in range(len(action.data)):
                self.send(action.data[i:i + 1])
                time.sleep(action.interval)
            return int(action.data[:3]) if action.data[:3].isdigit() else 0
        if isinstance(action, bytes):
            self.send(action)
            return int(action[:3]) if action[:3].isdigit() else 0
        self.reply(action)
        return int(action[:3])

    def reply(self, text: str):
        lines = text.split("\n")
        code = lines[0][:3]
        out = ""
        for i, line in enumerate(lines):
            body = line[4:] if i == 0 else line
            out += f"{code}{'-' if i < len(lines) - 1 else ' '}{body}\r\n"
        self.send(out.encode("utf-8", "surrogateescape"))

    def _idle(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.peer.stopping:
            self.sock.settimeout(min(0.1, max(0.01, end - time.monotonic())))
            try:
                more = self.sock.recv(65536)
                if not more:
                    raise _Over
                self.pending += more
            except TimeoutError:
                pass
            except OSError:
                raise _Over from None
            finally:
                self.sock.settimeout(self.peer.idle)

    def start_tls(self, context):
        assert isinstance(context, ssl.SSLContext)
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.peer.tls_errors.append(str(error))
            raise _Over from None
        self.tls = self.sock.version()

    # ---- the dialogue
    def run(self):
        self.sock.settimeout(self.peer.idle)
        if self.peer.implicit_tls:
            self.start_tls(self.peer.tls)
        code = self.perform("CONNECT", b"", self.peer.banner)
        while True:
            raw = self.read_line()
            line = raw.rstrip(b"\r\n")
            verb = line[:4].upper()
            if verb in (b"EHLO", b"LHLO"):
                self.current = None
                self.helo = line[5:].decode("utf-8", "replace")
                self.perform("EHLO" if verb == b"EHLO" else "LHLO", line,
                             "250 " + "\n".join([self.peer.hostname, *self.extensions()]))
            elif verb == b"HELO":
                self.helo = line[5:].decode("utf-8", "replace")
                self.perform("HELO", line, f"250 {self.peer.hostname}")
            elif line.upper() == b"STARTTLS":
                code = self.perform("STARTTLS", line, "220 2.0.0 go ahead" if self.peer.tls
                                    else "502 5.5.1 not here")
                if code == 220:
                    self.pending = b""
                    self.perform("TLS", line, None)
                    self.start_tls(self.peer.tls)
                    self.current = None
            elif line.upper().startswith(b"MAIL FROM:"):
                address, params = _path(line[10:])
                message = Message()
                message.sender, message.sender_params, message.session = address, params, self
                if self.perform("MAIL", line, "250 2.1.0 ok") == 250:
                    self.current = message
            elif line.upper().startswith(b"RCPT TO:"):
                address, params = _path(line[8:])
                if self.perform("RCPT", line, "250 2.1.5 ok" if self.current else "503 5.5.1 MAIL first") \
                        in (250, 251) and self.current:
                    self.current.recipients.append((address, params))
            elif line.upper() == b"DATA":
                usual = "354 go on" if self.current and self.current.recipients else "554 5.5.1 no valid recipients"
                if self.perform("DATA", line, usual) == 354:
                    wire = self.read_to_dot()
                    if self.current is None:
                        self.current = Message()
                    self.current.wire = wire
                    self.current.data = re.sub(rb"(^|\r\n)\.", rb"\1", wire)
                    self._finish(line)
            elif verb == b"BDAT":
                words = line.split()
                chunk = self.read_exactly(int(words[1]))
                last = len(words) > 2 and words[2].upper() == b"LAST"
                current = self.current
                if current is None or not current.recipients:
                    self.perform("BDAT", line, "503 5.5.1 no valid recipients")
                    continue
                current.chunks.append(len(chunk))
                current.data += chunk
                current.wire += chunk
                if not last:
                    self.perform("BDAT", line, f"250 2.0.0 {len(chunk)} octets")
                else:
                    self._finish(line)
            elif verb == b"RSET":
                self.current = None
                self.perform("RSET", line, "250 2.0.0 ok")
            elif verb == b"NOOP":
                self.perform("NOOP", line, "250 2.0.0 ok")
            elif verb == b"QUIT":
                self.perform("QUIT", line, "221 2.0.0 bye")
                raise _Over
            else:
                self.perform(line.split(b" ")[0].decode("ascii", "replace").upper(), line,
                             "500 5.5.2 what?")

    def extensions(self):
        names = [e for e in self.peer.extensions if not (self.tls and e == "STARTTLS")]
        if self.peer.tls and not self.peer.implicit_tls and not self.tls and "STARTTLS" not in names:
            names.append("STARTTLS")
        return names

    def _finish(self, line):
        message, self.current = self.current, None
        message.session, message.at = self, time.monotonic()
        self.peer.attempted.append(message)
        code = self.perform("BODY", line, "250 2.0.0 queued")
        if code == 250:
            self.messages += 1
            with self.peer.lock:
                self.peer.messages.append(message)


def _path(text: bytes):
    text = text.decode("utf-8", "surrogateescape").strip()
    end = text.find(">")
    return text[1:end], text[end + 1:].strip()


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
        except (_Over, OSError):
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
