from __future__ import annotations

import pytest

from tests.server.validation.refusals import refusal
from timeskip.server.validation.cron import validate_cron_schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * * *",
        "*/5 0-12/2 1,15 jan-mar MON",
        "5/10 ? ? * ?",
        "@hourly",
        "@every 1h30m",
        "@every 0s",
        "CRON_TZ=Europe/Berlin 0 9 * * *",
        "TZ=UTC @daily",
    ],
)
def test_validate_cron_schedule_accepts(schedule: str) -> None:
    validate_cron_schedule(schedule)


@pytest.mark.parametrize(
    "schedule",
    [
        "nonsense",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "*/x * * * *",
        "x * * * *",
        "* * 0 * *",
        "* * * * 7",
        "@every",
        "@every x",
        "@sometimes",
        "CRON_TZ=Nowhere * * * * *",
    ],
)
def test_validate_cron_schedule_refuses(schedule: str) -> None:
    assert refusal(validate_cron_schedule, schedule) == "invalid CronSchedule."
