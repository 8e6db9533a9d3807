"""Virtual time in the activities that a worker of this process runs.

`asyncio.sleep`, `time.sleep` and everything built on the event loop's timers follow a simulation's
clock there, and the simulation learns which attempts wait for nothing but that clock.
"""

from timeskip.activity_time.activity_time import ActivityTime
from timeskip.activity_time.attempt import current_attempt
from timeskip.activity_time.awaited_answers import AwaitedAnswer
from timeskip.activity_time.held_elsewhere import held_elsewhere
from timeskip.activity_time.installation import install, uninstall
from timeskip.activity_time.thread_sleep import VirtualSleepInterruptedError
from timeskip.activity_time.virtual_time import (
    AttemptListener,
    Cancellable,
    RunningAttempt,
    VirtualTime,
)

__all__ = [
    "ActivityTime",
    "AttemptListener",
    "AwaitedAnswer",
    "Cancellable",
    "RunningAttempt",
    "VirtualSleepInterruptedError",
    "VirtualTime",
    "current_attempt",
    "held_elsewhere",
    "install",
    "uninstall",
]
