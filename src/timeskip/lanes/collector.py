"""Python's garbage collector, which may run anything at any time: what has ended is told of in logs."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
#: How often it is stopped right now, in all threads.
_stops = 0
#: Whether it goes on when nobody stops it any more.
_goes_on = False


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Let nothing be collected meanwhile, in any thread."""
    global _stops, _goes_on
    with _lock:
        if not _stops:
            _goes_on = gc.isenabled()
            gc.disable()
        _stops += 1
    try:
        yield
    finally:
        with _lock:
            _stops -= 1
            if not _stops and _goes_on:
                gc.enable()
