"""A reader as a process of its own, over a store in memory (tests/support/reader_host.hpp)."""

import ssl
import subprocess

USER, PASSWORD = "ann@example.org", "secret"


class ReaderHost:
    PROTOCOL: str

    def __init__(self, t, name="mx.example.org"):
        self.cert, key = t.certificate(self.PROTOCOL, host=name)
        self.dir = t.dir
        self.log = t.dir / f"{self.PROTOCOL}-host.log"
        self.process = t.process([t.build / f"tests/support/{self.PROTOCOL}-host", self.cert, key],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("ab"), text=True)
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], f"{self.PROTOCOL}-host: {words} {self.log.read_text()}"
        self.port, self.tls_port = map(int, words[1:])
        self.files = 0

    def _ask(self, *words) -> int:
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def put(self, *messages: bytes):
        for message in messages:
            self.files += 1
            file = self.dir / f"put{self.files}"
            file.write_bytes(message)
            self._ask("put", file)

    def many(self, count):
        self._ask("many", count)

    def count(self) -> int:
        return self._ask("count")

    def content(self, mailbox="INBOX") -> list:
        self.files += 1
        folder = self.dir / f"content{self.files}"
        folder.mkdir()
        return [(folder / str(n)).read_bytes() for n in range(self._ask("content", mailbox, folder))]

    def stop(self) -> int:
        self.process.stdin.close()
        return self.process.wait(20)

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.cert)
        context.check_hostname = False
        return context
