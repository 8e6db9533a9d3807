"""The instants at which a calendar in a time zone says that something is to happen.

A calendar names years, months, days, hours, minutes and seconds of the clocks of its time zone. Where
these go forward or back, the real server follows what Go's `time.Date` makes of the clock time, and
looks at an hour once more if the next one is further away than an hour. That is reproduced here, even
where people would expect something else: the conformance scenarios of schedules compare it.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from temporalio.api.schedule.v1 import Range, StructuredCalendarSpec

Seconds = int
"""Whole seconds since the Unix epoch."""

FIRST_YEAR = 2000
LAST_YEAR = 2100

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)


@dataclass
class _Place:
    """Where in time the search is: an hour that clocks show, and from where in it to go on.

    `again`: it is the second hour that they call so.
    """

    hour: datetime
    minute: int
    second: int
    again: bool

    def go_to(self, hour: datetime, *, again: bool = False) -> None:
        self.hour, self.minute, self.second, self.again = hour, 0, 0, again


class Calendar:
    """A structured calendar in a time zone, ready to be asked."""

    def __init__(self, spec: StructuredCalendarSpec, zone: tzinfo) -> None:
        self._zone = zone
        #: None: any year.
        self._years = frozenset(_numbers(spec.year)) if spec.year else None
        self._months = frozenset(_numbers(spec.month))
        self._days = frozenset(_numbers(spec.day_of_month))
        self._weekdays = frozenset(_numbers(spec.day_of_week))
        self._hours = sorted({*_numbers(spec.hour)})
        self._minutes = sorted({*_numbers(spec.minute)})
        self._seconds = sorted({*_numbers(spec.second)})

    def matches(self, instant: Seconds) -> bool:
        """Whether this second is one that the calendar names."""
        clock = self._clock(instant)
        return (
            (self._years is None or clock.year in self._years)
            and clock.month in self._months
            and clock.day in self._days
            and clock.isoweekday() % 7 in self._weekdays
            and clock.hour in self._hours
            and clock.minute in self._minutes
            and clock.second in self._seconds
        )

    def next(self, after: Seconds) -> Seconds | None:
        """The first second that the calendar names after `after`; None if there is none."""
        if not (self._hours and self._minutes and self._seconds):
            return None
        clock = self._clock(after)
        start = _Place(
            clock.replace(minute=0, second=0),
            clock.minute,
            clock.second + 1,
            again=self._clock(after - 3600).hour == clock.hour,
        )
        for place in self._hours_from(start):
            found = self._time_from(place.minute, place.second)
            if found is None:
                continue
            minute, second = found
            instant = self._instant(place.hour.replace(minute=minute, second=second))
            # Clocks may never show it, on a day on which they go forward.
            if self._clock(instant).hour == place.hour.hour:
                return instant + (3600 if place.again else 0)
        return None

    def _hours_from(self, place: _Place) -> Iterator[_Place]:
        """The hours of the calendar, in order, those that clocks repeat twice."""
        while place.hour.year <= LAST_YEAR:
            if not self._is_day(place):
                day = self._day_after(place.hour.date())
                if day is None:
                    return
                place.go_to(datetime.combine(day, time.min))
                continue
            if place.hour.hour not in self._hours:
                at = bisect_left(self._hours, place.hour.hour)
                midnight = place.hour.replace(hour=0)
                if at < len(self._hours):
                    place.go_to(midnight.replace(hour=self._hours[at]))
                else:
                    place.go_to(midnight + timedelta(days=1))
                continue
            hour, again = place.hour, place.again
            yield place
            following = hour + _HOUR
            if not again and self._instant(following) - self._instant(hour) > 3600:
                place.go_to(hour, again=True)
            else:
                place.go_to(following)

    def _is_day(self, place: _Place) -> bool:
        hour = place.hour
        if hour.day not in self._days or not self._is_month(hour.year, hour.month):
            return False
        # On a day that begins when clocks go forward this may be the weekday of the day before.
        clock = self._clock(self._instant(hour.replace(minute=min(place.minute, 59))))
        return clock.isoweekday() % 7 in self._weekdays

    def _is_month(self, year: int, month: int) -> bool:
        return (self._years is None or year in self._years) and month in self._months

    def _day_after(self, day: date) -> date | None:
        """The next day whose year, month and number the calendar names."""
        year, month, number = day.year, day.month, day.day + 1
        while year <= LAST_YEAR:
            if self._is_month(year, month):
                for each in range(number, monthrange(year, month)[1] + 1):
                    if each in self._days:
                        return date(year, month, each)
            number = 1
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return None

    def _time_from(self, minute: int, second: int) -> tuple[int, int] | None:
        """The first minute and second of the calendar in an hour, from these on."""
        if minute in self._minutes:
            at = bisect_left(self._seconds, second)
            if at < len(self._seconds):
                return minute, self._seconds[at]
        at = bisect_left(self._minutes, minute + 1)
        return (self._minutes[at], self._seconds[0]) if at < len(self._minutes) else None

    def _clock(self, instant: Seconds) -> datetime:
        """What clocks show."""
        return (_EPOCH + timedelta(seconds=instant)).astimezone(self._zone).replace(tzinfo=None)

    def _instant(self, clock: datetime) -> Seconds:
        """When Go says that clocks show this, be it never or twice."""
        as_utc = clock.replace(tzinfo=timezone.utc)
        guess = as_utc - self._offset(as_utc)
        return (as_utc - self._offset(guess) - _EPOCH) // _SECOND

    def _offset(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self._zone).utcoffset()
        assert offset is not None
        return offset


def _numbers(ranges: Iterable[Range]) -> Iterator[int]:
    for each in ranges:
        yield from range(each.start, max(each.end, each.start) + 1, each.step or 1)
