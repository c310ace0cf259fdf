"""Waiting for something to become true: an event, not a length of time."""

import time


class TimedOut(AssertionError):
    pass


def until(condition, timeout=15.0, what="", step=0.02):
    """Calls condition until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimedOut(f"waited {timeout:g} s in vain for {what or condition}")
        time.sleep(step)


def stays(condition, seconds, what=""):
    """The condition holds all the time: for tests that show that something does NOT happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"did not stay so for {seconds:g} s: {what or condition}"
        time.sleep(0.02)
