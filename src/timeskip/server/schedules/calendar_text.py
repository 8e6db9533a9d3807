"""Calendars that are written as text, and cron strings: what they are as structured calendars.

The real server keeps only these, and shows them where the text was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.schedule.v1 import (
    CalendarSpec,
    IntervalSpec,
    Range,
    StructuredCalendarSpec,
)

from timeskip.server.cron import DESCRIPTORS
from timeskip.server.schedules.calendars import FIRST_YEAR, LAST_YEAR
from timeskip.server.validation.durations import from_nanoseconds

_MONTHS: Final = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_WEEKDAYS: Final = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
_SUNDAY: Final = 7

_EVERY: Final = "@every"
_TIME_ZONES: Final = ("TZ=", "CRON_TZ=")

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_LARGEST: Final = 2**63 - 1

_DURATION_PART: Final = re.compile(r"([0-9]*\.?[0-9]*)([^0-9.]*)")
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}


class UnreadableError(Exception):
    """The text is no calendar; the message is the real server's."""


@dataclass(frozen=True)
class _Field:
    """One field of a calendar: what it is called, its numbers, and names that stand for numbers."""

    told_as: str
    least: int
    greatest: int
    default: str = "*"
    names: tuple[str, ...] = ()
    first_name: int = 0
    shortest_name: int = 0

    def number(self, text: str, least: int) -> int | None:
        """The number that a text stands for, None if it is none from `least` on."""
        found = self._named(text.lower())
        if found is None and _INTEGER.fullmatch(text):
            found = int(text)
        return found if found is not None and least <= found <= self.greatest else None

    def _named(self, text: str) -> int | None:
        if self.names and len(text) >= self.shortest_name:
            for number, name in enumerate(self.names, start=self.first_name):
                if name.startswith(text):
                    return number
        return None


_SECOND: Final = _Field("Second", 0, 59, default="0")
_MINUTE: Final = _Field("Minute", 0, 59, default="0")
_HOUR: Final = _Field("Hour", 0, 23, default="0")
_DAY_OF_WEEK: Final = _Field("DayOfWeek", 0, 7, names=tuple(_WEEKDAYS), shortest_name=2)
_DAY_OF_MONTH: Final = _Field("DayOfMonth", 1, 31)
_MONTH: Final = _Field("Month", 1, 12, names=tuple(_MONTHS), first_name=1, shortest_name=3)
_YEAR: Final = _Field("Year", FIRST_YEAR, LAST_YEAR)


def structured(calendar: CalendarSpec) -> StructuredCalendarSpec:
    """A calendar of strings, structured. `UnreadableError` names all fields that are wrong."""
    found = StructuredCalendarSpec(comment=calendar.comment)
    complaints = []
    for field, text, ranges in (
        (_SECOND, calendar.second, found.second),
        (_MINUTE, calendar.minute, found.minute),
        (_HOUR, calendar.hour, found.hour),
        (_DAY_OF_WEEK, calendar.day_of_week, found.day_of_week),
        (_DAY_OF_MONTH, calendar.day_of_month, found.day_of_month),
        (_MONTH, calendar.month, found.month),
        (_YEAR, calendar.year, found.year),
    ):
        text = text.strip() or field.default
        if field is _YEAR and text == "*":
            continue
        try:
            ranges.extend(_ranges(text, field))
        except UnreadableError as error:
            complaints.append(str(error))
    if complaints:
        raise UnreadableError(", ".join(complaints))
    return found


def from_cron(text: str) -> tuple[StructuredCalendarSpec | IntervalSpec, str]:
    """What a cron string means, and the time zone that it names, or "".

    It may have five fields, six with the year at the end, or seven with the second before, or be
    `@daily` and the like or `@every` with an interval. A comment may follow after `#`.
    """
    text, _, comment = text.partition("#")
    text, comment = text.strip(), comment.strip()
    zone = ""
    if text.startswith(_TIME_ZONES):
        named, space, text = text.partition(" ")
        if not space:
            raise UnreadableError("CronString has time zone but missing fields")
        zone = named.partition("=")[2]
    if text.startswith(_EVERY):
        return _interval(text), ""
    fields = DESCRIPTORS.get(text, text).split()
    if not 5 <= len(fields) <= 7:
        raise UnreadableError("CronString does not have 5-7 fields")
    second = fields.pop(0) if len(fields) == 7 else ""
    year = fields.pop() if len(fields) == 6 else ""
    minute, hour, day_of_month, month, day_of_week = fields
    calendar = CalendarSpec(
        second=second,
        minute=minute,
        hour=hour,
        day_of_month=day_of_month,
        month=month,
        year=year,
        day_of_week=day_of_week,
        comment=comment,
    )
    return structured(calendar), zone


def _ranges(text: str, field: _Field) -> Iterator[Range]:
    for part in text.split(","):
        extent, *steps = part.split("/")
        if len(steps) > 1:
            raise UnreadableError(f"{field.told_as} has too many slashes")
        step = _step(steps[0], field) if steps else 1
        first, last = _extent(extent, field, has_step=bool(steps))
        if field is _DAY_OF_WEEK and last == _SUNDAY:
            # Sunday has two numbers, of which structured calendars know only 0.
            if (_SUNDAY - first) % step == 0 and (step > 1 or first > 1):
                yield Range()
            if first == _SUNDAY:
                continue
            last = _SUNDAY - 1
        yield Range(start=first, end=last if last != first else 0, step=step if step > 1 else 0)


def _step(text: str, field: _Field) -> int:
    if not text:
        raise UnreadableError(f"{field.told_as} missing step value")
    if not _INTEGER.fullmatch(text):
        raise UnreadableError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    step = int(text)
    if not -_LARGEST <= step <= _LARGEST:
        raise UnreadableError(f'strconv.Atoi: parsing "{text}": value out of range')
    if step < 1:
        raise UnreadableError(f"{field.told_as} has invalid Step")
    return step


def _extent(text: str, field: _Field, *, has_step: bool) -> tuple[int, int]:
    """The first and the last number of a range."""
    limits = f"not in range [{field.least}-{field.greatest}]"
    if text == "*":
        return field.least, field.greatest
    if "-" not in text:
        number = field.number(text, field.least)
        if number is None:
            raise UnreadableError(f"{field.told_as} is {limits}")
        return number, field.greatest if has_step else number
    ends = text.split("-")
    if len(ends) > 2:
        raise UnreadableError(f"{field.told_as} has too many dashes")
    first = field.number(ends[0], field.least)
    if first is None:
        raise UnreadableError(f"{field.told_as} Start is {limits}")
    last = field.number(ends[1], first)
    if last is None:
        raise UnreadableError(f"{field.told_as} End is before Start or {limits}")
    return first, last


def _interval(text: str) -> IntervalSpec:
    """`@every 1h30m/10m`: an interval and, behind a slash, its phase."""
    _, space, lengths = text.partition(" ")
    if not space:
        raise UnreadableError("CronString does not have interval after @every")
    interval, _, phase = lengths.partition("/")
    return IntervalSpec(interval=_duration(interval), phase=_duration(phase) if phase else None)


def _duration(text: str) -> Duration:
    """A duration as Go reads it, with days as well."""
    sign = -1 if text.startswith("-") else 1
    unsigned = text[1:] if text.startswith(("+", "-")) else text
    if unsigned == "0":
        return Duration()
    total = Decimal(0)
    at = 0
    while at < len(unsigned) or not unsigned:
        found = _DURATION_PART.match(unsigned, at)
        if found is None or not found[1].strip("."):
            raise UnreadableError(f'time: invalid duration "{text}"')
        if not found[2]:
            raise UnreadableError(f'time: missing unit in duration "{text}"')
        if found[2] not in _UNITS:
            raise UnreadableError(f'time: unknown unit "{found[2]}" in duration "{text}"')
        total += Decimal(found[1]) * _UNITS[found[2]]
        at = found.end()
    return from_nanoseconds(sign * int(total))
