"""What has to be put in place once per process, before the code that it is for is imported."""

from __future__ import annotations

from timeskip import activity_time


def install() -> None:
    """Make sleeps in activities able to take virtual time. Outside of simulations nothing changes.

    The pytest plugin calls this when pytest starts, so that `from time import sleep` in a user's
    module finds it; a `Simulation` makes up for it if it is missing.
    """
    activity_time.install()


def uninstall() -> None:
    """Take it back."""
    activity_time.uninstall()
