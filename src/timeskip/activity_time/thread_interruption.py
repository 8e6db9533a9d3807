"""Keeps a cancelled activity in a blocked thread from freezing the process on Python 3.11.

The SDK cancels a sync activity by an exception for its thread, which stays pending for as long as
the thread is blocked. In CPython 3.11 every traced thread then tries for ever to begin its next
call, and under `coverage` all threads are traced. (`RESUME` under `DO_TRACING` in `ceval.c` handles
what is pending, and begins anew.) A thread that is blocked would get the exception no sooner than
when it goes on, so it is given the exception then.
"""

from __future__ import annotations

import sys
import threading
import time

from temporalio.worker._activity import _ThreadExceptionRaiser

_LONGEST_PAUSE_SECONDS = 0.05

_raise_at_once = _ThreadExceptionRaiser._raise_in_thread_if_pending_unlocked


def install() -> None:
    """Put exceptions for blocked threads off. Does something on Python 3.11 only."""
    if sys.version_info[:2] == (3, 11):
        _put_in_place(_raise_or_wait)


def uninstall() -> None:
    """Undo `install`."""
    _put_in_place(_raise_at_once)


def _put_in_place(method: object) -> None:
    setattr(_ThreadExceptionRaiser, _raise_at_once.__name__, method)


def _raise_or_wait(raiser: _ThreadExceptionRaiser) -> None:
    # Whoever calls has the raiser's lock.
    if not _is_traced() or raiser._thread_id in (None, threading.get_ident()):
        _raise_at_once(raiser)
    elif raiser._shield_depth == 0 and raiser._pending_exception is not None:
        threading.Thread(
            target=_raise_once_it_runs, args=(raiser,), name="timeskip-interrupt", daemon=True
        ).start()


def _raise_once_it_runs(raiser: _ThreadExceptionRaiser) -> None:
    pause = threading.Event()
    seconds = 0.001
    seen = None
    while True:
        with raiser._lock:
            thread = raiser._thread_id
            if thread is None or raiser._pending_exception is None or raiser._shield_depth:
                return  # it has ended, got the exception, or will when its shield ends
            now = _progress_of(thread)
            if seen is not None and now != seen:
                _raise_at_once(raiser)
                return
            seen = now
        pause.wait(seconds)
        seconds = min(seconds * 2, _LONGEST_PAUSE_SECONDS)


def _progress_of(thread: int) -> object:
    """Differs from what it was if the thread, which is alive, has run meanwhile."""
    if hasattr(time, "pthread_getcpuclockid"):  # not on every system
        return time.clock_gettime_ns(time.pthread_getcpuclockid(thread))
    frame = sys._current_frames().get(thread)
    return frame and (id(frame), frame.f_lasti)


def _is_traced() -> bool:
    return threading.gettrace() is not None or sys.gettrace() is not None
