#!/usr/bin/env python3
"""Parallel clients that note every message they were told is safe.

    load.py HOST:PORT SESSIONS JOURNAL

Sends until standard input ends. Each line of JOURNAL is `ID KIND` of a message that got its 250, written after
the reply was read. A message without a reply is never sent again and never noted: it may arrive or not.
"""

import asyncio
import hashlib
import os
import random
import sys

KINDS = ("good",) * 16 + ("large", "later", "bad", "mixed")


def body_of(identity, kind, dice):
    line = (identity + " ").encode() * 3
    size = dice.randrange(150_000, 400_000) if kind == "large" else dice.choice((200, 2_000, 2_000, 12_000))
    return (b".dot\r\n" if dice.random() < 0.3 else b"") + (line[:72] + b"\r\n") * (size // 74 + 1)


def recipients_of(identity, kind):
    local = {"good": ["good"], "large": ["good"], "later": ["later"], "bad": ["bad"],
             "mixed": ["good", "bad", "later"]}[kind]
    return [f"{name}+{identity}@example.net" for name in local]


class Session:
    def __init__(self, host, port, number, journal):
        self.host, self.port, self.number, self.journal = host, port, number, journal
        self.dice = random.Random(number * 7919 + os.getpid())
        self.count = 0

    async def run(self):
        while True:
            try:
                await self.connection()
            except (OSError, EOFError, asyncio.IncompleteReadError, ValueError, IndexError):
                await asyncio.sleep(0.02)

    async def reply(self, reader):
        while True:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                raise EOFError
            if line[3:4] == b" ":
                return int(line[:3])

    async def connection(self):
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            if await self.reply(reader) != 220:
                raise EOFError
            writer.write(b"EHLO load.example.com\r\n")
            await self.reply(reader)
            for _ in range(self.dice.randrange(1, 60)):
                await self.message(reader, writer)
        finally:
            writer.close()

    async def message(self, reader, writer):
        self.count += 1
        kind = self.dice.choice(KINDS)
        identity = f"{os.getpid():x}-{self.number}-{self.count}"
        body = body_of(identity, kind, self.dice)
        data = (f"From: <s+{identity}@example.com>\r\nTo: <b@example.net>\r\nSubject: {identity}\r\n"
                f"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{identity}@example.com>\r\n"
                f"X-Id: {identity}\r\nX-Sum: {hashlib.md5(body).hexdigest()}\r\n\r\n").encode() + body
        recipients = recipients_of(identity, kind)
        head = f"MAIL FROM:<s+{identity}@example.com>\r\n" + "".join(f"RCPT TO:<{r}>\r\n" for r in recipients)
        by_bdat = self.dice.random() < 0.3
        if by_bdat:
            writer.write(head.encode() + b"BDAT %d LAST\r\n" % len(data) + data)
        else:
            writer.write(head.encode() + b"DATA\r\n")
        codes = [await self.reply(reader) for _ in range(1 + len(recipients))]
        if not by_bdat:
            if await self.reply(reader) != 354:
                raise EOFError
            writer.write(data.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        last = await self.reply(reader)
        if last == 250 and codes == [250] * len(codes):
            self.journal.write(f"{identity} {kind}\n")
            self.journal.flush()
        elif last >= 500:
            print(f"load: refused with {last} {codes}", file=sys.stderr, flush=True)
            raise EOFError
        else:
            await asyncio.sleep(0.05)
            raise EOFError


async def main():
    host, _, port = sys.argv[1].rpartition(":")
    with open(sys.argv[3], "a", encoding="ascii") as journal:
        tasks = [asyncio.create_task(Session(host, int(port), n, journal).run()) for n in range(int(sys.argv[2]))]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


asyncio.run(main())
