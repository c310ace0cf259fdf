"""The disks that benches measure: the machine's own, and images in loop mounts that vanish with the process."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

DISKS = {  # name: what it is
    "own": "the disk of /var/tmp",
    "image": "ext4 with a journal, loop-mounted",
    "xfs": "xfs, loop-mounted",
}
MAKE = {"image": ["mkfs.ext4", "-q"], "xfs": ["mkfs.xfs", "-q"]}
SIZE = "16G"  # of an image: sparse


def with_own_mounts(name):
    """Starts the script again in a mount namespace of its own."""
    if os.geteuid() != 0:
        sys.exit(f"bench {name}: needs root: it mounts images")
    if not os.environ.get("BENCH_OWN_MOUNTS"):
        os.execvpe("unshare", ["unshare", "--mount", sys.executable, *sys.argv],
                   dict(os.environ, BENCH_OWN_MOUNTS="1"))


@contextmanager
def disk(name):
    """A folder on that disk, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/var/tmp"))
    place = folder / "mount"
    place.mkdir()
    try:
        if name in MAKE:
            subprocess.run(["truncate", "-s", SIZE, str(folder / "image")], check=True)
            subprocess.run([*MAKE[name], str(folder / "image")], check=True)
            subprocess.run(["mount", "-o", "loop", str(folder / "image"), str(place)], check=True)
        place.chmod(0o755)
        yield place
    finally:
        if name in MAKE:
            subprocess.run(["umount", "-l", str(place)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def raw_rate(folder):
    """MB/s of writing in a row with one sync at the end: the bound on large messages."""
    path = folder / "raw"
    block = os.urandom(1 << 20)
    start = time.monotonic()
    with open(path, "wb", buffering=0) as out:
        for _ in range(256):
            out.write(block)
        os.fdatasync(out.fileno())
    seconds = time.monotonic() - start
    path.unlink()
    return 256 * (1 << 20) / seconds / 1e6


def filesystem(folder):
    """What it is, as /proc/mounts says: 'ext4', and whether it has a journal."""
    number = os.stat(folder).st_dev
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[2] == f"{os.major(number)}:{os.minor(number)}":
            kind = line.partition(" - ")[2].split()[0]
            device = os.path.realpath(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
            journal = Path(f"/proc/fs/jbd2/{os.path.basename(device)}-8").exists()
            return kind if kind != "ext4" else f"ext4 {'with' if journal else 'without'} a journal"
    return "unknown"


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 1e6
    return {"cpu": model[1] if model else platform.processor(), "cores": os.cpu_count(),
            "memory_gb": round(memory, 1), "kernel": platform.release()}
