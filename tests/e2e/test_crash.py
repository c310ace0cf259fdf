"""A short form of tests/proof/crash."""

import sys
from pathlib import Path

from harness.context import free_port
from harness.marks import long, within

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from crash import kill  # noqa: E402


@within(180)
@long
def kill_9_under_load_loses_nothing(t):
    print(kill.run(t.make_daemon, t.dir, free_port, kills=20))


@within(120)
def kill_9_at_two_moments_loses_nothing(t):
    """For runs under sanitizers, where all is slow."""
    print(kill.run(t.make_daemon, t.dir, free_port, kills=2, sessions=5, longest=2.0))


@within(180)
@long
def a_loss_of_power_under_load_loses_nothing(t):
    """The file system forgets what was not synced."""
    disk = t.disk("400M")
    print(kill.run(t.make_daemon, t.dir, free_port, kills=8, disk=disk))
