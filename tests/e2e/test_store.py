"""The mailbox store under what happens to a process."""

import subprocess

from harness.marks import long, within


def _storm(t, kills):
    done = subprocess.run([t.build / "tests/crash/store_storm", "--kills", str(kills)], text=True, capture_output=True)
    print(done.stdout[-4000:], done.stderr[-2000:])
    assert done.returncode == 0


@within(120)
def kill_9_in_a_storm_on_an_account_loses_nothing(t):
    """50 deliverers, readers and deleters: what was told is there, once, whole; no UID is given twice."""
    _storm(t, 3)


@within(400)
@long
def kill_9_thirty_times_in_a_storm_on_an_account_loses_nothing(t):
    _storm(t, 30)
