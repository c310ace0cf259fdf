"""A raw SMTP client: sends exactly the bytes it is told to, shows exactly the replies it gets."""

import re
import socket
import ssl
import time


class Closed(ConnectionError):
    """The server closed the connection where a reply was expected."""


class Reply:
    def __init__(self, raw: bytes):
        self.raw = raw
        self.lines = raw.decode("utf-8", "surrogateescape").split("\r\n")[:-1]
        self.code = int(self.lines[0][:3])
        self.text = "\n".join(line[4:] for line in self.lines)

    @property
    def status(self) -> str:
        """The enhanced status code of the first line, or ''."""
        found = re.match(r"([245]\.\d{1,3}\.\d{1,3})\b", self.lines[0][4:])
        return found[1] if found else ""

    def __repr__(self):
        return f"<{self.raw.decode('utf-8', 'replace').rstrip()}>"


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def endpoint(text):
    """'127.0.0.1:25' or '[::1]:25' or (host, port) -> (host, port)"""
    if isinstance(text, tuple):
        return text
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Client:
    def __init__(self, server, *, timeout=20.0, source=None, tls=None, greet=True, prefix=b""):
        """prefix: bytes before anything else, such as a PROXY header. tls: a context for implicit TLS."""
        self.timeout = timeout
        self.pending = b""
        self.sock = socket.create_connection(endpoint(server), timeout=timeout,
                                             source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if prefix:
            self.sock.sendall(prefix)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.greeting = self.reply() if greet else None
        self.extensions = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def line(self) -> bytes:
        while b"\n" not in self.pending:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed(f"connection closed; unread: {self.pending!r}")
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return line + b"\n"

    def reply(self) -> Reply:
        raw = b""
        while True:
            line = self.line()
            raw += line
            if line[3:4] != b"-":
                return Reply(raw)

    def cmd(self, line) -> Reply:
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def expect(self, code: int, line) -> Reply:
        reply = self.cmd(line)
        assert reply.code == code, f"{line!r}: wanted {code}, got {reply}"
        return reply

    def ehlo(self, name="client.example.com"):
        reply = self.expect(250, f"EHLO {name}")
        self.extensions = {}
        for line in reply.text.split("\n")[1:]:
            word, _, rest = line.partition(" ")
            self.extensions[word.upper()] = rest
        return reply

    def starttls(self, context=None):
        self.expect(220, "STARTTLS")
        assert not self.pending, f"bytes after the 220 to STARTTLS: {self.pending!r}"
        self.sock = (context or unverified()).wrap_socket(self.sock, server_hostname="localhost")

    def data(self, message: bytes, *, raw=False) -> Reply:
        """DATA with dot-stuffing and the final dot, unless raw."""
        reply = self.cmd("DATA")
        if reply.code != 354:
            return reply
        if not raw:
            message = re.sub(rb"(?m)^\.", b"..", message)
            if not message.endswith(b"\r\n"):
                message += b"\r\n"
            message += b".\r\n"
        self.send(message)
        return self.reply()

    def mail(self, sender, recipients, *, params="", rcpt_params=""):
        self.expect(250, f"MAIL FROM:<{sender}>{' ' + params if params else ''}")
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            reply = self.cmd(f"RCPT TO:<{recipient}>{' ' + rcpt_params if rcpt_params else ''}")
            assert reply.code == 250, f"RCPT {recipient}: {reply}"

    def closed(self, timeout=None) -> bool:
        """Waits until the server closes; anything it still sends is put into pending."""
        self.sock.settimeout(self.timeout if timeout is None else timeout)
        try:
            while True:
                more = self.sock.recv(65536)
                if not more:
                    return True
                self.pending += more
        except ConnectionResetError:
            return True
        except (TimeoutError, ssl.SSLError):
            return False


def message(subject="test", body=b"hello\r\n", sender="a@example.com", to="b@example.net", extra=b"") -> bytes:
    head = (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {subject}\r\n"
            f"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject.replace(' ', '.')}"
            f".{time.monotonic_ns()}@example.com>\r\n")
    return head.encode() + extra + b"\r\n" + body


def submit(server, recipients, data=None, *, sender="a@example.com", params="", rcpt_params="", tls=False,
           source=None) -> Reply:
    """One message in one session; returns the reply to its end."""
    with Client(server, source=source) as client:
        client.ehlo()
        if tls:
            client.starttls()
            client.ehlo()
        client.mail(sender, recipients, params=params, rcpt_params=rcpt_params)
        reply = client.data(data if data is not None else message())
        assert reply.code == 250, reply
        client.cmd("QUIT")
        return reply
