"""Lets the SDK's own threads leave Python before the interpreter ends.

When the SDK's Rust core has an answer, one of its threads wakes the event loop by writing to a
socket, and gives up the interpreter's lock meanwhile. If that answer was the last thing that the
program waited for, the program may be over before the thread has the lock back; CPython up to 3.13
then ends the thread in the middle of Rust code, and the process dies of SIGSEGV or SIGABRT although
all its work is done (https://github.com/temporalio/sdk-python/issues/300).
"""

from __future__ import annotations

import atexit
import sys
import threading
import time

#: Real seconds to wait at most: a thread may as well be in Python for good.
_PATIENCE = 1.0

_LOOK_AGAIN = 0.0005


def guard_exit() -> None:
    """Have the interpreter wait, when it ends, for threads of the SDK that are on their way out.

    Once they have gone, which takes well under a millisecond, it ends as ever. Calling this twice
    is the same as calling it once.
    """
    atexit.unregister(_let_threads_leave)
    atexit.register(_let_threads_leave)


def _let_threads_leave() -> None:
    deadline = time.monotonic() + _PATIENCE
    while _foreign_threads_in_python() and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN)


def _foreign_threads_in_python() -> set[int]:
    """Threads that run Python code but were not started by it."""
    started_here = {thread.ident for thread in threading.enumerate()}
    return sys._current_frames().keys() - started_here
