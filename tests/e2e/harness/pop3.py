"""The POP3 reader as a process of its own."""

import poplib

from harness.reader import PASSWORD, USER, ReaderHost


class Pop3Host(ReaderHost):
    PROTOCOL = "pop3"

    def client(self, login=True) -> poplib.POP3:
        """Python's, over implicit TLS."""
        client = poplib.POP3_SSL("127.0.0.1", self.tls_port, context=self.context(), timeout=20)
        if login:
            client.user(USER)
            client.pass_(PASSWORD)
        return client
