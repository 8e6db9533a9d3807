"""Stream connections on which an attempt has written and nothing has come back yet.

HTTP clients, database drivers and the like wait for a response with futures and events of their
own. That a request of the attempt is under way shows in the connection: data was written in the
attempt's context and none has arrived since. A connection that is open and idle holds nothing up.
Knows the sockets of asyncio's selector event loops, TLS included. On uvloop an attempt is only
known to have opened a connection, so that its waits count as work for a moment.
"""

from __future__ import annotations

import asyncio
import functools
from asyncio import selector_events
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from timeskip.activity_time.attempt import Attempt, current_attempt

_asking: WeakKeyDictionary[asyncio.Transport, WeakSet[Attempt]] = WeakKeyDictionary()

_originals: dict[str, Callable[..., Any]] = {}


def watch_connections() -> None:
    """Look at what is written to and read from every socket transport."""
    transport: Any = getattr(selector_events, "_SelectorSocketTransport", None)
    for name, watch in (
        ("write", _watch_write),
        ("writelines", _watch_write),
        ("_read_ready", _watch_read),
    ):
        original = vars(transport).get(name) if transport is not None else None
        # `writelines` calls `write` before Python 3.12.
        if original is not None:
            _originals[name] = original
            setattr(transport, name, watch(original))


def unwatch_connections() -> None:
    transport: Any = getattr(selector_events, "_SelectorSocketTransport", None)
    while _originals:
        name, original = _originals.popitem()
        setattr(transport, name, original)


def _watch_write(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def write(self: asyncio.Transport, data: Any) -> None:
        attempt = current_attempt.get()
        if attempt is not None and not attempt.finished:
            attempt.waits.asked(self)
            _asking.setdefault(self, WeakSet()).add(attempt)
        original(self, data)

    return write


def _watch_read(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def read_ready(self: asyncio.Transport) -> None:
        for attempt in _asking.pop(self, ()) if _asking else ():
            attempt.waits.answered(self)
            attempt.stir()
            attempt.check_soon()
        original(self)

    return read_ready
