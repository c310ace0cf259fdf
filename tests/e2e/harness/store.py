"""What lies in an account's mailbox, read from its files (docs/store.md) while no daemon has them open."""

import sqlite3
from pathlib import Path


def inbox(data: Path, account: str, mailbox="INBOX"):
    """The messages of an account, octet by octet, by UID; of one that has no files none."""
    local, _, domain = account.partition("@")
    folder = data / "data" / domain / local
    if not (folder / "index.sqlite").exists():
        return []
    index = sqlite3.connect(folder / "index.sqlite")
    try:
        rows = index.execute(
            "SELECT email.id, pack, offset, email.size FROM membership JOIN email ON email.id = membership.email "
            "JOIN mailbox ON mailbox.id = membership.mailbox WHERE mailbox.name = ? ORDER BY uid", (mailbox,)).fetchall()
    finally:
        index.close()
    out = []
    for email, pack, offset, size in rows:
        name = f"{pack:08}." if pack else f"{email:016x}."
        (path,) = [p for p in folder.rglob(f"{name}*") if p.is_file()]
        with path.open("rb") as file:
            file.seek(offset)
            out.append(file.read(size))
        assert len(out[-1]) == size, (path, offset, size)
    return out
