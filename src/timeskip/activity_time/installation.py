"""What is changed for the whole process, at one place."""

from __future__ import annotations

import os
import time

from timeskip.activity_time import thread_interruption, thread_sleep
from timeskip.activity_time.attempt import current_attempt
from timeskip.activity_time.connections import unwatch_connections, watch_connections


def install() -> None:
    """Have `time.sleep` know activities, and see their connections. Harmless if already done.

    To be called early: a module that has done `from time import sleep` before keeps the real one.
    """
    if time.sleep is not thread_sleep.sleep:
        thread_sleep.real_sleep = time.sleep
        time.sleep = thread_sleep.sleep
        watch_connections()
        thread_interruption.install()


def _leave_attempt() -> None:
    """A process that an attempt's code has forked is on the machine's time."""
    current_attempt.set(None)


if hasattr(os, "register_at_fork"):  # not on every system
    os.register_at_fork(after_in_child=_leave_attempt)


def uninstall() -> None:
    """Undo `install`."""
    if time.sleep is thread_sleep.sleep:
        time.sleep = thread_sleep.real_sleep
        unwatch_connections()
        thread_interruption.uninstall()
