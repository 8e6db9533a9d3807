"""The specification of a schedule: which instants it names."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.duration_pb2 import Duration
from temporalio.api.schedule.v1 import (
    IntervalSpec,
    Range,
    ScheduleSpec,
    StructuredCalendarSpec,
)

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server.schedules.calendar_text import UnreadableError, from_cron, structured
from timeskip.server.schedules.calendars import FIRST_YEAR, LAST_YEAR, Calendar, Seconds
from timeskip.server.schedules.jitter import jitter
from timeskip.server.validation.durations import nanoseconds

_MAX_COMMENT_LENGTH: Final = 200

#: After so many times that are all excluded there is none: nobody would wait for what excludes each
#: second of a century. That many seconds are some days.
_MOST_EXCLUDED: Final = 300_000


@dataclass(frozen=True)
class ActionTime:
    """When an action is due, and the time that stands for, without jitter."""

    nominal: Nanoseconds
    due: Nanoseconds


def canonical(spec: ScheduleSpec) -> ScheduleSpec:
    """The same specification with all calendars structured and cron strings resolved.

    Raises `UnreadableError` if it is none.
    """
    found = ScheduleSpec()
    found.CopyFrom(spec)
    for field in ("calendar", "exclude_calendar", "cron_string"):
        found.ClearField(field)
    found.structured_calendar.extend(map(structured, spec.calendar))
    found.exclude_structured_calendar.extend(map(structured, spec.exclude_calendar))
    zones = []
    for text in spec.cron_string:
        meant, zone = from_cron(text)
        zones.append(zone)
        if any(each != zone for each in zones):
            raise UnreadableError("conflicting timezone names")
        if isinstance(meant, IntervalSpec):
            found.interval.append(meant)
        else:
            found.structured_calendar.append(meant)
    if zones and zones[0]:
        if spec.timezone_data or spec.timezone_name not in ("", zones[0]):
            raise UnreadableError("conflicting timezone names")
        found.timezone_name = zones[0]
    for calendar in found.structured_calendar:
        _validate_calendar(calendar)
    for interval in found.interval:
        _validate_interval(interval)
    _zone(found)
    return found


def with_defaults(spec: ScheduleSpec) -> ScheduleSpec:
    """A canonical specification as descriptions show it: with the ends and steps of its ranges."""
    shown = ScheduleSpec()
    shown.CopyFrom(spec)
    for calendar in (*shown.structured_calendar, *shown.exclude_structured_calendar):
        for _, ranges in _fields(calendar):
            for each in ranges:
                each.end = max(each.end, each.start)
                each.step = each.step or 1
    return shown


class CompiledSpec:
    """A canonical specification, ready to be asked."""

    def __init__(self, spec: ScheduleSpec, jitter_seed: str) -> None:
        zone = _zone(spec)
        self._calendars = [Calendar(each, zone) for each in spec.structured_calendar]
        self._excluded = [Calendar(each, zone) for each in spec.exclude_structured_calendar]
        self._intervals = [
            (max(_seconds(each.interval), 1), _seconds(each.phase)) for each in spec.interval
        ]
        self._start = spec.start_time.seconds * SECOND if spec.HasField("start_time") else None
        self._end = spec.end_time.ToNanoseconds() if spec.HasField("end_time") else None
        self._jitter = nanoseconds(spec.jitter)
        self._seed = jitter_seed

    def next(self, after: Nanoseconds) -> ActionTime | None:
        """The first time that is named after this one, or None if there is none any more."""
        if self._start is not None and after < self._start:
            # Its first second is part of the time in which actions may happen.
            after = self._start - SECOND
        nominal = self._next_named(after // SECOND)
        for _ in range(_MOST_EXCLUDED):
            if (
                nominal is None
                or nominal <= 0
                or (self._end is not None and nominal * SECOND > self._end)
            ):
                return None
            if not any(calendar.matches(nominal) for calendar in self._excluded):
                return self._with_jitter(nominal)
            nominal = self._next_named(nominal)
        return None

    def _next_named(self, after: Seconds) -> Seconds | None:
        found = [calendar.next(after) for calendar in self._calendars]
        found += [
            ((after - phase) // interval + 1) * interval + phase
            for interval, phase in self._intervals
        ]
        return min((each for each in found if each is not None), default=None)

    def _with_jitter(self, nominal: Seconds) -> ActionTime:
        most = self._jitter
        if most > 0 and (following := self._next_named(nominal)) is not None:
            most = min(most, (following - nominal) * SECOND)
        at = nominal * SECOND
        return ActionTime(at, at + jitter(self._seed, nominal, most))


def _seconds(duration: Duration) -> Seconds:
    return nanoseconds(duration) // SECOND


def _zone(spec: ScheduleSpec) -> tzinfo:
    name = spec.timezone_name
    if spec.timezone_data:
        try:
            return ZoneInfo.from_file(io.BytesIO(spec.timezone_data), key=name)
        except ValueError:
            raise UnreadableError("malformed time zone information") from None
    if ".." in name or name.startswith(("/", "\\")):
        raise UnreadableError("time: invalid location name")
    try:
        return ZoneInfo("UTC" if name in ("", "Local") else name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnreadableError(f"unknown time zone {name}") from None


def _fields(calendar: StructuredCalendarSpec) -> Iterable[tuple[tuple[str, int, int], list[Range]]]:
    """The fields of a calendar: what each is called, its least and greatest number, its ranges."""
    return (
        (("Second", 0, 59), list(calendar.second)),
        (("Minute", 0, 59), list(calendar.minute)),
        (("Hour", 0, 23), list(calendar.hour)),
        (("DayOfMonth", 1, 31), list(calendar.day_of_month)),
        (("Month", 1, 12), list(calendar.month)),
        (("Year", FIRST_YEAR, LAST_YEAR), list(calendar.year)),
        (("DayOfWeek", 0, 6), list(calendar.day_of_week)),
    )


def _validate_calendar(calendar: StructuredCalendarSpec) -> None:
    complaints = []
    for (name, least, greatest), ranges in _fields(calendar):
        limits = f"not in range [{least}-{greatest}]"
        for each in ranges:
            if not least <= each.start <= greatest:
                complaints.append(f"{name} Start is {limits}")
            if each.end and not each.start <= each.end <= greatest:
                complaints.append(f"{name} End is before Start or {limits}")
            if each.step < 0:
                complaints.append(f"{name} has invalid Step")
    if len(calendar.comment.encode()) > _MAX_COMMENT_LENGTH:
        complaints.append("comment is too long")
    if complaints:
        raise UnreadableError(f"invalid calendar spec: {', '.join(complaints)}")


def _validate_interval(interval: IntervalSpec) -> None:
    length, phase = nanoseconds(interval.interval), nanoseconds(interval.phase)
    if length < SECOND:
        raise UnreadableError("interval is too small")
    if phase < 0:
        raise UnreadableError("phase is negative")
    if phase >= length:
        raise UnreadableError("phase cannot be greater than Interval")
