"""When a workflow with a cron schedule runs next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from timeskip.clock import SECOND, Nanoseconds
from timeskip.server.validation.cron import EVERY, TIME_ZONE

#: What stands for a whole schedule, in words of cron.
DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_GO_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_GO_UNITS = {
    "h": 3600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": SECOND // 10**3,
    "us": SECOND // 10**6,
    "µs": SECOND // 10**6,
    "μs": SECOND // 10**6,
    "ns": 1,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def next_backoff(schedule: str, scheduled: Nanoseconds, now: Nanoseconds) -> Nanoseconds | None:
    """How long from `now` until the schedule's first time after `scheduled` that is not yet over.

    In whole seconds, as the real server waits. None if that time never comes. The schedule has been
    validated.
    """
    if schedule.startswith(EVERY):
        interval = _every(schedule.removeprefix(EVERY))
        # Such a schedule knows no fractions of a second.
        since = scheduled - scheduled % SECOND
        following = since + max((now - since) // interval + 1, 1) * interval
    else:
        found = next(_times(schedule, max(scheduled, now)), None)
        if found is None:
            return None
        following = found
    return -((now - following) // SECOND) * SECOND


def _every(duration: str) -> Nanoseconds:
    """A Go duration in whole seconds, at least one."""
    if duration.startswith("-"):
        return SECOND
    length = sum(
        float(amount) * _GO_UNITS[unit] for amount, unit in _GO_DURATION_PART.findall(duration)
    )
    return max(int(length) // SECOND, 1) * SECOND


def _times(schedule: str, after: Nanoseconds) -> Iterator[Nanoseconds]:
    """The times of a schedule that come after this one.

    What the clocks skip when they go forward is left out. What they show twice when they go back is
    taken twice, as the real server does.
    """
    zone = ZoneInfo("UTC")
    if zoned := TIME_ZONE.fullmatch(schedule):
        zone, schedule = ZoneInfo(zoned[1] or "UTC"), zoned[2].strip()
    expression = DESCRIPTORS.get(schedule, schedule).replace("?", "*")
    since = _EPOCH + timedelta(microseconds=after // 1000)
    clock = looked_at = _clock(zone, since)
    while True:
        try:
            clock_time = next(CronSim(expression, looked_at))
        except (CronSimError, StopIteration):
            # A day that no month has: the schedule is well formed, but its time never comes.
            return
        instant = since + (clock_time - clock)
        change = _change_of_clocks(zone, since, instant)
        if change is None:
            moment = (instant - _EPOCH) // timedelta(seconds=1) * SECOND
            if moment > after:
                yield moment
            since, clock = instant, clock_time
            looked_at = clock
        else:
            # From here on clocks show something else, perhaps a time of the schedule right now.
            since, clock = change, _clock(zone, change)
            looked_at = clock - timedelta(seconds=1)


def _clock(zone: ZoneInfo, instant: datetime) -> datetime:
    """What a clock in the zone shows."""
    return instant.astimezone(zone).replace(tzinfo=None)


def _change_of_clocks(zone: ZoneInfo, since: datetime, until: datetime) -> datetime | None:
    """The first instant after `since` and by `until` at which clocks go forward or back, if any."""
    offset = since.astimezone(zone).utcoffset()
    before = since
    while before < until:
        after = min(before + timedelta(days=1), until)
        if after.astimezone(zone).utcoffset() == offset:
            before = after
            continue
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) / 2
            if middle.astimezone(zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after.replace(microsecond=0)
    return None
