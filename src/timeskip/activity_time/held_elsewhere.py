"""Waits of an activity for which somebody else holds the clock, as long as it must be held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

is_held_elsewhere: ContextVar[bool] = ContextVar("timeskip_held_elsewhere", default=False)
"""Whether futures that are made now count as parked."""


@contextmanager
def held_elsewhere() -> Iterator[None]:
    """Around a call of which the caller knows when it is real work, and holds the clock itself.

    For a call to the simulated service, say: it takes real time until it is answered, unless it is
    a long poll that itself waits for virtual time. The clock must be held until the block ends.
    """
    token = is_held_elsewhere.set(True)
    try:
        yield
    finally:
        is_held_elsewhere.reset(token)
