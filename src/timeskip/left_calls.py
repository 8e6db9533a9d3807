"""Lets Python end although activities of simulations that are over block threads for good.

Python waits for every thread and process that an executor has begun, and nothing ends a thread that
waits in C code, such as for a `threading.Event` that nobody sets. A test run would have told what is
wrong with the activity, and would hang then.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable

from timeskip.activity_time.threads import runs_in_threads
from timeskip.lanes.awaits import lines_of_thread

#: Real seconds that such threads get to end by themselves when the program has nothing else to do.
PATIENCE = 10.0

_exit_status = 1
_is_guarding = False


def exits_with(status: int) -> None:
    """Tell what the process exits with if it has to end without some of its threads; 1 at first."""
    global _exit_status
    _exit_status = status


def guard_exit() -> None:
    """See to it that the interpreter ends. Calling this twice is the same as calling it once."""
    global _is_guarding
    # What `atexit` calls comes too late: after the threads of executors have been waited for.
    register: Callable[[Callable[[], None]], None] | None = getattr(
        threading, "_register_atexit", None
    )
    if register is not None and not _is_guarding:
        _is_guarding = True
        register(_end_without_threads)


def _end_without_threads() -> None:
    deadline = time.monotonic() + PATIENCE
    for thread in list(runs_in_threads):
        thread.join(max(0, deadline - time.monotonic()))
    are_ended = True
    for thread, run in list(runs_in_threads.items()):
        attempt = run.job.attempt.running
        activity = f"activity {attempt.activity_type!r} of workflow {attempt.workflow_id!r}"
        places = "".join(f"\n  {line}" for line in lines_of_thread(thread.ident or 0))
        print(f"timeskip: blocked for good, and left behind: {activity}{places}", file=sys.stderr)
        are_ended &= run.give_up()
    if are_ended:
        return
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(_exit_status)
