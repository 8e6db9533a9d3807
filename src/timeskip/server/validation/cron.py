"""Cron schedules: which specifications the real server can read.

That is the standard format of five fields, the descriptors such as `@daily`, and `@every` with a
duration, each optionally behind a time zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from timeskip.server.errors import invalid_argument

_DESCRIPTORS: Final = frozenset(
    {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
)
EVERY: Final = "@every "
_GO_DURATION: Final = re.compile(
    r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII
)
TIME_ZONE: Final = re.compile(r"(?:CRON_)?TZ=(\S*)\s+(.*)", re.DOTALL)


@dataclass(frozen=True)
class _Field:
    """One of the five fields: its range of numbers, and the names that stand for numbers."""

    least: int
    greatest: int
    names: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int | None:
        if text.lower() in self.names:
            return self.names[text.lower()]
        return int(text) if text.isdecimal() and text.isascii() else None

    def accepts(self, expression: str) -> bool:
        """A list of `*`, numbers, ranges, each with an optional step."""
        return all(self._accepts_range(part) for part in expression.split(",") if part)

    def _accepts_range(self, expression: str) -> bool:
        extent, slash, step = expression.partition("/")
        if slash and not (step.isdecimal() and step.isascii() and int(step) > 0):
            return False
        if extent in ("*", "?"):
            return True
        first_text, dash, last_text = extent.partition("-")
        first = self.number(first_text)
        last = self.number(last_text) if dash else (self.greatest if slash else first)
        if first is None or last is None:
            return False
        return self.least <= first <= last <= self.greatest


def _numbered(names: str, first: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), start=first)}


_FIELDS: Final = (
    _Field(0, 59),
    _Field(0, 23),
    _Field(1, 31),
    _Field(1, 12, _numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1)),
    _Field(0, 6, _numbered("sun mon tue wed thu fri sat", 0)),
)


def validate_cron_schedule(schedule: str) -> None:
    """Refuse what is no cron schedule with INVALID_ARGUMENT; empty means none."""
    if schedule and not _is_readable(schedule):
        raise invalid_argument("invalid CronSchedule.")


def _is_readable(schedule: str) -> bool:
    if zoned := TIME_ZONE.fullmatch(schedule):
        name, schedule = zoned[1], zoned[2].strip()
        try:
            ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return False
    if schedule.startswith("@"):
        every = schedule.removeprefix(EVERY)
        return schedule in _DESCRIPTORS or (
            every != schedule and _GO_DURATION.fullmatch(every) is not None
        )
    expressions = schedule.split()
    return len(expressions) == len(_FIELDS) and all(
        allowed.accepts(expression)
        for allowed, expression in zip(_FIELDS, expressions, strict=True)
    )
