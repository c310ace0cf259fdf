#!/usr/bin/env python3
"""The next hop of the crash test: takes mail for good+…, refuses bad+… for ever, later+… the first time.

    sink.py PORT JOURNAL

Each line of JOURNAL is one transaction that got its 250, written before the reply is sent, and when:
`message TIME ID SUM-IS-RIGHT RECIPIENT[,RECIPIENT…]` or `report TIME MESSAGE-ID RECIPIENT FAILED[,FAILED…]`.
`cut TIME` is a connection that had such a transaction and ended without QUIT: it was open when its client died.
"""

import asyncio
import hashlib
import re
import sys
import time


class Sink:
    def __init__(self, journal):
        self.journal = journal
        self.seen_later = set()
        self.taken = set()  # connections over which something was

    async def serve(self, reader, writer):
        try:
            await self.dialogue(reader, writer)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            if writer in self.taken:
                self.taken.remove(writer)
                self.write("cut")
            writer.close()

    async def dialogue(self, reader, writer):
        def say(text):
            writer.write(text.encode() + b"\r\n")

        say("220 sink.example.net ESMTP")
        recipients = []
        while True:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                return
            text = line.decode("utf-8", "replace").strip()
            verb = text.upper()
            if verb.startswith("EHLO"):
                writer.write(b"250-sink.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
                             b"250 SIZE 100000000\r\n")
            elif verb.startswith("MAIL"):
                recipients = []
                say("250 2.1.0 ok")
            elif verb.startswith("RCPT"):
                address = re.search(r"<(.*)>", text)[1]
                if address.startswith("bad+"):
                    say("550 5.1.1 no such user")
                elif address.startswith("later+") and address not in self.seen_later:
                    self.seen_later.add(address)
                    say("451 4.2.1 later")
                else:
                    recipients.append(address)
                    say("250 2.1.5 ok")
            elif verb == "DATA":
                if not recipients:
                    say("554 5.5.1 no valid recipients")
                    continue
                say("354 go on")
                data = await self.body(reader)
                self.note(recipients, data)
                self.taken.add(writer)
                say("250 2.0.0 ok")
            elif verb == "QUIT":
                self.taken.discard(writer)
                say("221 2.0.0 bye")
                await writer.drain()
                return
            else:
                say("250 2.0.0 ok")

    async def body(self, reader):
        parts = []
        while True:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                raise EOFError
            if line == b".\r\n":
                return b"".join(parts)
            parts.append(line[1:] if line[:1] == b"." else line)

    def note(self, recipients, data):
        head, _, body = data.partition(b"\r\n\r\n")
        if recipients[0].startswith("s+"):
            message_id = re.search(rb"(?mi)^Message-ID:\s*(\S+)", head)[1].decode()
            failed = re.findall(rb"(?mi)^Final-Recipient:\s*rfc822;\s*(\S+)", body)
            self.write("report", message_id, recipients[0], ",".join(f.decode() for f in failed))
        else:
            identity = re.search(rb"(?m)^X-Id: (\S+)", head)[1].decode()
            right = hashlib.md5(body).hexdigest() == re.search(rb"(?m)^X-Sum: (\S+)", head)[1].decode()
            self.write("message", identity, int(right), ",".join(recipients))

    def write(self, kind, *words):
        print(kind, f"{time.monotonic():.3f}", *words, file=self.journal, flush=True)


async def main(journal):
    sink = Sink(journal)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", int(sys.argv[1]), limit=1 << 20, backlog=1000)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


# The end of the loop cancels what is still served, and that is written down, too.
with open(sys.argv[2], "a", encoding="utf-8") as journal:
    asyncio.run(main(journal))
