"""The power goes: of what power_layer.cpp noted as not durable any subset is taken back.

    layer = power.Layer(build, spool, folder)
    daemon.env = layer.environment(cut=120)            # dies at its 120th operation on the spool
    daemon.env = layer.environment(fault="sync 7 5 1")  # the 7th sync fails with errno 5, once
    layer.lose(dice)                                   # after its end, before the next start

Model: a page survives or not; a file is as long as its last sync or its last surviving page says; a change of a
directory's names happened or not, both halves of a rename or none. What was synced stays.
"""

import dataclasses
import os
import shutil
from pathlib import Path

PAGE = 4096
FOLDERS = ("log", "big", "corrupt", "incoming")
SURVIVAL = (0.0, 0.1, 0.5, 0.9)  # of a page or a change, one of these for each loss of power


@dataclasses.dataclass
class Node:
    """What is not durable of one file."""
    size: int = 0                                   # as of the last sync
    pages: dict = dataclasses.field(default_factory=dict)   # number -> what was there
    doomed: dict = dataclasses.field(default_factory=dict)  # lost by a sync that failed; the kernel calls them clean


class Journal:
    def __init__(self, path: Path, dice):
        self.dice = dice
        self.nodes = {}
        self.changes = []  # (before, after, pair, path), in order
        data = path.read_bytes() if path.exists() else b""
        at = 0
        while at < len(data):
            end = data.find(b"\n", at)
            if end < 0:
                break  # the process died while it wrote this: what it announces was not done
            kind, *words = data[at:end].decode().split(" ")
            at = end + 1
            if kind == "U":
                inode, page, size, length = map(int, words)
                if at + length > len(data):
                    break
                self.unsynced(inode, page, size, data[at:at + length])
                at += length
            elif kind == "S":
                self.nodes.setdefault(int(words[0]), Node()).pages.clear()
            elif kind == "F":
                self.failed(self.nodes.setdefault(int(words[0]), Node()))
            elif kind == "D":
                self.changes = [c for c in self.changes if os.path.dirname(c[3]) != words[0]]
            elif kind == "N":
                self.changes.append((int(words[0]), int(words[1]), int(words[2]), " ".join(words[3:])))

    def unsynced(self, inode, page, size, image):
        node = self.nodes.setdefault(inode, Node())
        if not node.pages:
            node.size = size
        node.pages.setdefault(page, node.doomed.pop(page, image))

    def failed(self, node):
        for page, image in node.pages.items():
            if self.dice.random() < 0.5:
                node.doomed[page] = image
        node.pages.clear()


class Layer:
    def __init__(self, build: Path, spool: Path, folder: Path, sync_ms=None):
        """sync_ms: how long each sync takes at least."""
        self.sync_ms = sync_ms
        self.library = build / "tests/crash/power_layer.so"
        self.spool, self.undo = spool, folder
        self.undo.mkdir()

    def environment(self, cut=None, fault=None):
        env = {"LD_PRELOAD": str(self.library), "POWER_SPOOL": str(self.spool), "POWER_UNDO": str(self.undo)}
        if self.sync_ms:
            env["POWER_SYNC"] = str(self.sync_ms * 1000)
        if cut is not None:
            env["POWER_CUT"] = str(cut)
        if fault is not None:
            env["POWER_FAULT"] = fault
        return env

    def lose(self, dice):
        """Figures of what was open and what of it was lost."""
        journal = Journal(self.undo / "journal", dice)
        survival = dice.choice(SURVIVAL)
        figures = {"pages": 0, "pages_lost": 0, "names": 0, "names_lost": 0}
        paths = self._paths()
        for inode, node in journal.nodes.items():
            if inode in paths:
                self._pages(paths[inode], node, survival, dice, figures)
        self._names(journal.changes, paths, survival, dice, figures)
        shutil.rmtree(self.undo)
        self.undo.mkdir()
        return figures

    def _paths(self):
        """inode -> a path of it, among the links kept, too."""
        found = {}
        for folder in (self.undo, *(self.spool / name for name in FOLDERS)):
            for entry in os.scandir(folder) if folder.exists() else ():
                found[entry.inode()] = Path(entry.path)
        return found

    @staticmethod
    def _pages(path, node, survival, dice, figures):
        with path.open("r+b") as file:
            end = node.size if node.pages else os.fstat(file.fileno()).st_size
            lost = dict(node.doomed)
            for page, image in node.pages.items():
                figures["pages"] += 1
                if dice.random() < survival:
                    end = max(end, min((page + 1) * PAGE, os.fstat(file.fileno()).st_size))
                else:
                    lost[page] = image
            for page, image in lost.items():
                figures["pages_lost"] += 1
                file.seek(page * PAGE)
                file.write(image.ljust(PAGE, b"\0"))
            file.truncate(end)

    def _names(self, changes, paths, survival, dice, figures):
        now, durable = {}, {}
        for before, after, _, path in changes:
            durable.setdefault(path, before)
            now[path] = after
        wanted, decided = dict(durable), {}
        for _, after, pair, path in changes:
            happened = decided.setdefault(pair, dice.random() < survival) if pair else dice.random() < survival
            figures["names"] += 1
            figures["names_lost"] += not happened
            if happened:
                wanted[path] = after
        links = {}
        for inode in {i for i in wanted.values() if i}:
            if inode in paths:
                links[inode] = self.undo / f"inode-{inode}"
                os.link(paths[inode], links[inode])
        for path, inode in wanted.items():
            Path(path).unlink(missing_ok=True)
            if inode in links:
                os.link(links[inode], path)
