"""Ends what blocks a test's event loop for good, as Ctrl-C would, and has the test told why.

Only a signal gets a thread out of a call that waits, and Python raises only in the main thread. The
first one is for asyncio, which asks the test's task to end; that has to run for it. The next one is
raised where the thread stands.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

#: More than two do not help.
_MOST = 3

#: Real seconds that the thread gets to come out of what it was doing.
_PAUSE = 1.0

_is_guarded = False
_reason: Exception | None = None
_sent = 0
_last = 0.0


@contextlib.contextmanager
def blocked_loops_ended() -> Iterator[None]:
    """Within the block, a part of a test in the main thread, what blocks the event loop is ended.

    The block then raises why, a `SimulationStalled`, and not the KeyboardInterrupt that ended it.
    """
    global _is_guarded, _reason, _sent
    _is_guarded, _reason, _sent = threading.current_thread() is threading.main_thread(), None, 0
    # So a script begins what it runs in the background: no signal would end anything.
    ignores = _is_guarded and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignores:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        if _reason is None:
            raise
        raise _reason from None
    finally:
        _is_guarded = False
        if ignores:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _reason is not None:  # somebody has swallowed the interruption
        raise _reason


def end_block(reason: Exception) -> None:
    """End what the main thread is doing, if a test wants that. For any other thread."""
    global _reason, _sent, _last
    can_be = hasattr(signal, "pthread_kill")  # not on Windows
    if not (_is_guarded and can_be) or _sent >= _MOST or time.monotonic() < _last + _PAUSE:
        return
    _reason = _reason or reason
    _sent += 1
    _last = time.monotonic()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
