"""A small ext4 of a test's own, which can be filled, or broken. Root only; gone with the mount namespace."""

import fcntl
import os
import struct
import subprocess
from pathlib import Path

SHUTDOWN = 0x8004587d  # EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = 2


class Disk:
    def __init__(self, image: Path, place: Path, size="96M"):
        self.image, self.place = image, place
        place.mkdir()
        subprocess.run(["truncate", "-s", size, str(image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(place)], check=True,
                       capture_output=True)

    def unmount(self):
        subprocess.run(["umount", "-l", str(self.place)], check=False, capture_output=True)

    def remount(self):
        """The same file system again, after it was broken."""
        subprocess.run(["umount", str(self.place)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.place)], check=True, capture_output=True)

    def fill(self):
        for name, size in (("filler", 1 << 20), ("filler2", 4096)):
            with open(self.place / name, "wb", buffering=0) as filler:
                try:
                    while True:
                        filler.write(b"\1" * size)
                except OSError:
                    pass

    def free(self):
        for name in ("filler", "filler2"):
            (self.place / name).unlink(missing_ok=True)

    def break_it(self):
        """From now on every write and sync is EIO, what was not synced is gone."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)
