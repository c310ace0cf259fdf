"""Short forms of tests/proof/crash, power and faults."""

import sys
from pathlib import Path

from harness.context import free_port
from harness.marks import long, within

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from crash import kill  # noqa: E402


@within(240)
@long
def kill_9_under_load_loses_nothing(t):
    print(kill.run(t.make_daemon, t.dir, free_port, kills=20))


@within(120)
def kill_9_at_two_moments_loses_nothing(t):
    """For runs under sanitizers, where all is slow."""
    print(kill.run(t.make_daemon, t.dir, free_port, kills=2, sessions=5, most=100))


@within(180)
@long
def a_loss_of_power_under_load_loses_nothing(t):
    """Any subset of the pages and names that were not synced is gone, whatever the operation it happens at."""
    print(kill.run(t.make_daemon, t.dir, free_port, kills=12, layer=t.build))


@within(180)
@long
def a_slow_disk_makes_no_more_duplicates_than_connections(t):
    """Hosts answer sooner than outcomes are durable."""
    print(kill.run(t.make_daemon, t.dir, free_port, kills=4, sessions=10, layer=t.build, sync_ms=30))


@within(180)
@long
def a_file_system_that_breaks_under_load_loses_nothing(t):
    """A real one forgets what was not synced."""
    disk = t.disk("400M")
    print(kill.run(t.make_daemon, t.dir, free_port, kills=8, disk=disk))


@within(240)
@long
def failing_writes_syncs_renames_and_unlinks_lose_nothing(t):
    """Each with EIO and with ENOSPC, then a kill or a loss of power."""
    print(kill.run(t.make_daemon, t.dir, free_port, kills=8, sessions=10, layer=t.build, faults=True))
