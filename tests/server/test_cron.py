"""Cron schedules: when the next run is due."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from timeskip.clock import SECOND
from timeskip.server.cron import next_backoff


def nanoseconds(text: str) -> int:
    instant = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return int(instant.timestamp()) * SECOND


def next_time(schedule: str, now: str) -> str | None:
    """The next time in UTC for a run whose last one was due now."""
    backoff = next_backoff(schedule, nanoseconds(now), nanoseconds(now))
    if backoff is None:
        return None
    following = datetime.fromisoformat(now) + timedelta(seconds=backoff // SECOND)
    return following.isoformat(sep=" ")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", "2024-03-01 12:01:00"),
        ("*/15 * * * *", "2024-03-01 12:15:00"),
        ("0 9 * * mon-fri", "2024-03-04 09:00:00"),
        ("0 0 ? * *", "2024-03-02 00:00:00"),
        ("@hourly", "2024-03-01 13:00:00"),
        ("@daily", "2024-03-02 00:00:00"),
        ("@midnight", "2024-03-02 00:00:00"),
        ("@weekly", "2024-03-03 00:00:00"),
        ("@monthly", "2024-04-01 00:00:00"),
        ("@yearly", "2025-01-01 00:00:00"),
        ("@every 1h30m", "2024-03-01 13:30:00"),
        ("@every 0s", "2024-03-01 12:00:01"),
        ("@every -5m", "2024-03-01 12:00:01"),
        ("@every 1500ms", "2024-03-01 12:00:01"),
        ("CRON_TZ=Asia/Tokyo 0 9 * * *", "2024-03-02 00:00:00"),
        ("TZ=America/New_York 0 9 * * *", "2024-03-01 14:00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00:00"),
    ],
)
def test_next_time(schedule: str, expected: str) -> None:
    assert next_time(schedule, "2024-03-01 12:00:00") == expected


def test_next_time_skips_what_the_clocks_skip() -> None:
    assert (
        next_time("CRON_TZ=America/New_York 30 2 * * *", "2024-03-10 00:00:00")
        == "2024-03-11 06:30:00"
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 * * * *", ["05:00", "06:00", "07:00"]),
        ("30 1 * * *", ["05:30", "06:30", "06:30"]),
        ("*/30 1 * * *", ["05:00", "05:30", "06:00", "06:30"]),
        ("0 2 * * *", ["07:00", "07:00"]),
        ("0 1 3 11 *", ["05:00", "06:00"]),
    ],
)
def test_next_time_takes_twice_what_the_clocks_show_twice(
    schedule: str, expected: list[str]
) -> None:
    now, times = "2024-11-03 04:10:00", []
    for _ in expected:
        following = next_time(f"CRON_TZ=America/New_York {schedule}", now)
        assert following is not None
        now = following
        times.append(now[11:16])
    assert times == expected


def test_next_time_in_a_zone_without_that_midnight() -> None:
    havana = "CRON_TZ=America/Havana 0 0 * * *"
    assert next_time(havana, "2024-03-09 12:00:00") == "2024-03-11 04:00:00"


def test_no_next_time_on_a_day_that_no_month_has() -> None:
    assert next_time("0 0 31 2 *", "2024-03-01 12:00:00") is None


def test_next_backoff_of_a_run_that_took_longer_than_its_interval() -> None:
    due = nanoseconds("2024-03-01 12:00:00")
    assert next_backoff("@every 10s", due, due + 25 * SECOND) == 5 * SECOND
    assert next_backoff("* * * * *", due, due + 90 * SECOND) == 30 * SECOND


def test_next_backoff_is_rounded_up_to_seconds() -> None:
    due = nanoseconds("2024-03-01 12:00:00")
    assert next_backoff("@every 10s", due, due + SECOND // 4) == 10 * SECOND
