"""Which times the specification of a schedule names, and the form in which the server keeps it.

The real server tells the times of any span at once, so that it can be asked for far ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.schedule.v1 import (
    CalendarSpec,
    IntervalSpec,
    Range,
    ScheduleSpec,
    ScheduleState,
    StructuredCalendarSpec,
)
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from tests.conformance.commands import seconds
from tests.conformance.scenario import options, scenario
from tests.conformance.schedules import (
    create,
    delete,
    describe,
    instant,
    matching_times,
    schedule,
)
from tests.conformance.world import World
from timeskip.server.schedules.spec import CompiledSpec, canonical


def cron(*texts: str, zone: str = "") -> ScheduleSpec:
    return ScheduleSpec(cron_string=texts, timezone_name=zone)


def clocks(zone: str, **calendar: str) -> ScheduleSpec:
    """A calendar of a zone whose clocks go forward or back."""
    return ScheduleSpec(calendar=[CalendarSpec(**calendar)], timezone_name=zone)


#: Specifications, and the span that is looked at.
SPECIFICATIONS: Mapping[str, tuple[ScheduleSpec, str, str]] = {
    "nothing": (ScheduleSpec(), "2024-01-01", "2025-01-01"),
    "nicknames": (
        cron("@yearly", "@monthly", "@weekly", "@daily # each day"),
        "2024-02-25",
        "2024-03-05",
    ),
    "intervals": (
        cron("@every 1h30m/10m5s # not kept", "@every 1d", "@every 2.5h", "@every 3600s/"),
        "2024-01-01",
        "2024-01-02",
    ),
    "sundays": (
        cron("0 0 * * 7", "0 1 * * 5-7", "0 2 * * 1-7", "0 3 * * 1-7/2", "0 4 * * 3/4"),
        "2024-01-01",
        "2024-01-16",
    ),
    "names": (cron("5 4 * JANU,feb-march sun,MO,tuesd"), "2024-01-01", "2024-04-01"),
    "years and seconds": (
        cron("0 0 1 1 * 2030", "*/20 0 0 1 1 * 2031-2033/2", "0 0 29 2 *"),
        "2024-01-01",
        "2101-01-01",
    ),
    "zone of a cron string": (
        cron("CRON_TZ=America/New_York 30 1,2 * * *"),
        "2024-03-09",
        "2024-03-12",
    ),
    "comment with a hash": (
        cron("TZ=Asia/Kathmandu  0 12 1 * * # a # b"),
        "2024-01-01",
        "2024-04-01",
    ),
    "clocks back in America": (
        clocks("America/New_York", hour="1,2", minute="30"),
        "2024-11-02",
        "2024-11-05",
    ),
    "clocks back in Europe": (
        clocks("Europe/Berlin", hour="1,2,3", minute="30"),
        "2024-10-26",
        "2024-10-29",
    ),
    "clocks forward in Europe": (
        clocks("Europe/Berlin", hour="2", minute="0,30"),
        "2024-03-30",
        "2024-04-02",
    ),
    "clocks by half an hour": (
        clocks("Australia/Lord_Howe", hour="1,2", minute="*/15"),
        "2024-04-06",
        "2024-04-08",
    ),
    "clocks at midnight": (
        clocks("America/Sao_Paulo", hour="0,2", minute="30", day_of_week="6-7"),
        "2017-10-10",
        "2017-10-24",
    ),
    "clocks back into the day before": (
        clocks("America/St_Johns", hour="23,0", minute="*/30"),
        "2008-11-01",
        "2008-11-03",
    ),
    "start and end": (
        ScheduleSpec(
            calendar=[CalendarSpec(hour="3", minute="30")],
            start_time=instant("2024-01-05T03:30:00.5"),
            end_time=instant("2024-01-08T03:30:00"),
        ),
        "2024-01-01",
        "2025-01-01",
    ),
    "excluded": (
        ScheduleSpec(
            interval=[IntervalSpec(interval=seconds(3600), phase=seconds(90.5))],
            exclude_calendar=[CalendarSpec(hour="5-23", minute="*", second="*", comment="day")],
            exclude_structured_calendar=[StructuredCalendarSpec(comment="nothing")],
        ),
        "2024-01-01",
        "2024-01-03",
    ),
    "parts of seconds": (
        ScheduleSpec(interval=[IntervalSpec(interval=seconds(2.5), phase=seconds(0.7))]),
        "2024-01-01",
        "2024-01-01T00:00:20",
    ),
    "structured": (
        ScheduleSpec(
            structured_calendar=[
                StructuredCalendarSpec(
                    second=[Range()],
                    minute=[Range(start=5, end=20, step=5), Range(start=7)],
                    hour=[Range(start=23)],
                    day_of_month=[Range(start=1, end=31)],
                    month=[Range(start=1, end=12)],
                    day_of_week=[Range(end=6)],
                    comment="c" * 200,
                )
            ]
        ),
        "2024-01-01",
        "2024-01-04",
    ),
    "too many": (cron("* * * * * * *"), "2024-01-01", "2024-01-02"),
    "backwards": (cron("@daily"), "2024-01-02", "2024-01-01"),
}


async def observe_times(
    world: World, label: str, spec: ScheduleSpec, start: Timestamp, end: Timestamp
) -> None:
    """Note what a schedule makes of a specification. It is paused, and does nothing."""
    await create(world, schedule(world, spec, state=ScheduleState(paused=True)), label)
    world.observe(label, (await describe(world, label)).schedule.spec)
    world.observe(f"{label}: times", await matching_times(world, start, end, label))
    await delete(world, label)


@pytest.mark.parametrize("case", SPECIFICATIONS)
@scenario(
    "rpc:ListScheduleMatchingTimes",
    *options(
        "ListScheduleMatchingTimesRequest", "namespace", "schedule_id", "start_time", "end_time"
    ),
    *options(
        "ScheduleSpec",
        "structured_calendar",
        "cron_string",
        "calendar",
        "interval",
        "exclude_calendar",
        "exclude_structured_calendar",
        "start_time",
        "end_time",
        "timezone_name",
    ),
)
async def test_times_of_a_specification(world: World, case: str) -> None:
    spec, start, end = SPECIFICATIONS[case]
    await observe_times(world, case, spec, instant(start), instant(end))


@scenario("option:ScheduleSpec.jitter")
async def test_times_of_a_specification_with_jitter(world: World) -> None:
    """They depend on the ids of the namespace and of the schedule, which no two servers share."""
    await observe_jitter(world, Random(7), count=2)


@scenario("rpc:ListScheduleMatchingTimes")
async def test_times_of_random_specifications(world: World) -> None:
    await observe_random(world, Random(11), count=6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@scenario("rpc:ListScheduleMatchingTimes")
async def test_times_of_many_random_specifications(world: World, seed: int) -> None:
    await observe_random(world, Random(100 + seed), count=10)
    await observe_jitter(world, Random(200 + seed), count=4)


async def observe_random(world: World, random: Random, count: int) -> None:
    """Note the times of so many specifications that chance has made."""
    for number in range(count):
        start = random.uniform(0.9e9, 2.2e9)
        end = start + random.choice([1e5, 1e6, 1e7])
        spec = random_spec(random)
        await observe_times(world, f"case {number}", spec, _seconds_in(start), _seconds_in(end))


async def observe_jitter(world: World, random: Random, count: int) -> None:
    """Note whether a server makes of random specifications with jitter what ours would."""
    described = await world.client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=world.client.namespace)
    )
    for number in range(count):
        name = f"jitter {number}"
        spec = random_spec(random)
        spec.jitter.CopyFrom(seconds(random.choice([0.5, 3, 60, 5000, 1e6])))
        await create(world, schedule(world, spec, state=ScheduleState(paused=True)), name)
        start = random.uniform(0.9e9, 2.2e9)
        times = await matching_times(world, _seconds_in(start), _seconds_in(start + 2e5), name)
        await delete(world, name)
        ours = CompiledSpec(canonical(spec), f"{described.namespace_info.id}-{world.unique(name)}")
        expected: list[int] = []
        found = ours.next(_seconds_in(start).ToNanoseconds())
        while found is not None and found.due <= (start + 2e5) * 1e9 and len(expected) < 1000:
            expected.append(found.due)
            found = ours.next(found.due)
        world.observe(f"{name}: as ours", times == expected)


ZONES = (
    "",
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Asia/Beirut",
    "America/Havana",
    "Europe/Dublin",
)


def random_spec(random: Random) -> ScheduleSpec:
    """A specification that is valid, of any kind."""
    spec = ScheduleSpec(timezone_name=random.choice(ZONES))
    spec.calendar.extend(random_calendar(random) for _ in range(random.choice([0, 1, 1, 2])))
    if random.random() < 0.3:
        spec.structured_calendar.append(random_structured_calendar(random))
    if random.random() < 0.3:
        length = random.choice([random.uniform(1, 100), random.uniform(100, 3e7)])
        phase = seconds(int(random.uniform(0, length)))
        spec.interval.append(IntervalSpec(interval=seconds(length), phase=phase))
    if random.random() < 0.3:
        minute, hour = random_field(random, 0, 59), random_field(random, 0, 23)
        day, weekday = random_field(random, 1, 31), random_field(random, 0, 7)
        zone = f"CRON_TZ={spec.timezone_name} " if spec.timezone_name else ""
        spec.cron_string.append(f"{zone}{minute} {hour} {random.choice(['*', day])} * {weekday}")
    if random.random() < 0.3:
        spec.exclude_calendar.append(random_calendar(random))
    if random.random() < 0.2:
        spec.start_time.CopyFrom(_seconds_in(random.uniform(1e9, 2e9)))
    if random.random() < 0.2:
        spec.end_time.CopyFrom(_seconds_in(random.uniform(1.2e9, 3e9)))
    return spec


def random_calendar(random: Random) -> CalendarSpec:
    def field(least: int, greatest: int, often: float) -> str:
        return random_field(random, least, greatest) if random.random() < often else ""

    return CalendarSpec(
        second=field(0, 59, 0.2),
        minute=field(0, 59, 0.6),
        hour=field(0, 23, 0.7),
        day_of_month=field(1, 31, 0.4),
        month=field(1, 12, 0.3),
        year=field(2000, 2060, 0.15),
        day_of_week=field(0, 7, 0.4),
    )


def random_field(random: Random, least: int, greatest: int) -> str:
    """One to three ranges of numbers, as text."""

    def extent() -> str:
        first = random.randint(least, greatest)
        last = random.randint(first, greatest)
        step = random.randint(1, 9)
        return random.choice(
            ["*", f"*/{step}", f"{first}", f"{first}-{last}", f"{first}-{last}/{step}"]
        )

    return ",".join(extent() for _ in range(random.choice([1, 1, 1, 2, 3])))


def random_structured_calendar(random: Random) -> StructuredCalendarSpec:
    def ranges(least: int, greatest: int) -> list[Range]:
        found = []
        for _ in range(random.choice([1, 1, 2])):
            first = random.randint(least, greatest)
            last = random.choice([0, random.randint(first, greatest)])
            found.append(Range(start=first, end=last, step=random.choice([0, 0, 1, 3])))
        return found

    return StructuredCalendarSpec(
        second=ranges(0, 59),
        minute=ranges(0, 59),
        hour=ranges(0, 23),
        day_of_month=random.choice([ranges(1, 31), [Range(start=1, end=31)]]),
        month=random.choice([ranges(1, 12), [Range(start=1, end=12)]]),
        day_of_week=random.choice([ranges(0, 6), [Range(end=6)]]),
        year=random.choice([ranges(2000, 2100), [], []]),
    )


def _seconds_in(since: float) -> Timestamp:
    return Timestamp(seconds=int(since))
