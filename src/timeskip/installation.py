"""What has to be put in place once per process, before the code that it is for is imported."""

from __future__ import annotations

from timeskip import activity_time
from timeskip import frozen_time as shown_time


def install(*, frozen_time: bool = True) -> None:
    """Make sleeps in activities take virtual time, and clocks show it.

    Outside of simulations nothing changes. The pytest plugin calls this when pytest starts, so that
    `from time import sleep` in a user's module finds it; a `Simulation` makes up for the sleeps if it
    is missing. `frozen_time`: whether `datetime.now()`, `date.today()` and `time.time()` show virtual
    time in tests and activities of a simulation.
    """
    activity_time.install()
    if frozen_time:
        shown_time.install()


def uninstall() -> None:
    """Take it all back."""
    shown_time.uninstall()
    activity_time.uninstall()
