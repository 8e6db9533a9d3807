"""A clock that stands still, shown for the time of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from timeskip import frozen_time

# Before any test module is imported, as the pytest plugin does.
frozen_time.install()

# A Wednesday, 2031-05-07 08:09:10.123456789 UTC.
MOMENT_NS = 1_935_907_750_123_456_789


class StandingClock:
    """Says the same time until it is set."""

    def __init__(self, ns: int = MOMENT_NS) -> None:
        self.ns = ns

    def now_ns(self) -> int:
        return self.ns


@pytest.fixture
def standing_clock() -> Iterator[StandingClock]:
    """A clock that is shown."""
    clock = StandingClock()
    frozen_time.show(clock)
    yield clock
    frozen_time.hide(clock)
