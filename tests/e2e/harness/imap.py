"""The IMAP reader as a process of its own."""

import imaplib

from harness.reader import PASSWORD, USER, ReaderHost


class ImapHost(ReaderHost):
    PROTOCOL = "imap"

    def client(self, login=True) -> imaplib.IMAP4:
        """Python's, over implicit TLS."""
        client = imaplib.IMAP4_SSL("127.0.0.1", self.tls_port, ssl_context=self.context(), timeout=30)
        if login:
            client.login(USER, PASSWORD)
        return client
