"""One connection of harness/peer.py: the wire, the dialogue as a well-behaved server leads it, and the actions that
change it."""

import re
import socket
import ssl
import threading
import time


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


class Over(Exception):
    """The connection is to end."""


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
            raise Over
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
                        raise Over
            action = action.then
        if action is None:
            action = usual
        if action is None:
            return None
        if isinstance(action, Drop):
            if action.reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise Over
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
                    raise Over
                self.pending += more
            except TimeoutError:
                pass
            except OSError:
                raise Over from None
            finally:
                self.sock.settimeout(self.peer.idle)

    def start_tls(self, context):
        assert isinstance(context, ssl.SSLContext)
        try:
            self.sock = context.wrap_socket(self.sock, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.peer.tls_errors.append(str(error))
            raise Over from None
        self.tls = self.sock.version()

    # ---- the dialogue
    def run(self):
        self.sock.settimeout(self.peer.idle)
        if self.peer.implicit_tls:
            self.start_tls(self.peer.tls)
        self.perform("CONNECT", b"", self.peer.banner)
        while True:
            line = self.read_line().rstrip(b"\r\n")
            verb = line.split(b" ")[0].decode("ascii", "replace").upper()
            handler = self.HANDLERS.get(verb)
            if handler:
                handler(self, verb, line)
            else:
                self.perform(verb, line, "500 5.5.2 what?")

    def _hello(self, verb, line):
        self.helo = line[5:].decode("utf-8", "replace")
        if verb == "HELO":
            self.perform(verb, line, f"250 {self.peer.hostname}")
        else:
            self.current = None
            self.perform(verb, line, "250 " + "\n".join([self.peer.hostname, *self.extensions()]))

    def _starttls(self, verb, line):
        usual = "220 2.0.0 go ahead" if self.peer.tls else "502 5.5.1 not here"
        if self.perform(verb, line, usual) == 220:
            self.pending = b""
            self.perform("TLS", line, None)
            self.start_tls(self.peer.tls)
            self.current = None

    def _mail(self, verb, line):
        message = Message()
        message.sender, message.sender_params = _path(line)
        message.session = self
        if self.perform(verb, line, "250 2.1.0 ok") == 250:
            self.current = message

    def _rcpt(self, verb, line):
        code = self.perform(verb, line, "250 2.1.5 ok" if self.current else "503 5.5.1 MAIL first")
        if code in (250, 251) and self.current:
            self.current.recipients.append(_path(line))

    def _data(self, verb, line):
        usual = "354 go on" if self.current and self.current.recipients else "554 5.5.1 no valid recipients"
        if self.perform(verb, line, usual) == 354:
            self.current = self.current or Message()
            self.current.wire = self.read_to_dot()
            self.current.data = re.sub(rb"(^|\r\n)\.", rb"\1", self.current.wire)
            self._finish(line)

    def _bdat(self, verb, line):
        words = line.upper().split()
        chunk = self.read_exactly(int(words[1]))
        if self.current is None or not self.current.recipients:
            self.perform(verb, line, "503 5.5.1 no valid recipients")
            return
        self.current.chunks.append(len(chunk))
        self.current.data += chunk
        self.current.wire += chunk
        if words[2:] == [b"LAST"]:
            self._finish(line)
        else:
            self.perform(verb, line, f"250 2.0.0 {len(chunk)} octets")

    def _rset(self, verb, line):
        self.current = None
        self.perform(verb, line, "250 2.0.0 ok")

    def _noop(self, verb, line):
        self.perform(verb, line, "250 2.0.0 ok")

    def _quit(self, verb, line):
        self.perform(verb, line, "221 2.0.0 bye")
        raise Over

    HANDLERS = {"EHLO": _hello, "LHLO": _hello, "HELO": _hello, "STARTTLS": _starttls, "MAIL": _mail, "RCPT": _rcpt,
                "DATA": _data, "BDAT": _bdat, "RSET": _rset, "NOOP": _noop, "QUIT": _quit}

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


def _path(line: bytes):
    """The address and the parameters of MAIL FROM:<...> and RCPT TO:<...>."""
    text = line.partition(b"<")[2].decode("utf-8", "surrogateescape")
    address, _, params = text.partition(">")
    return address, params.strip()
