"""A user's own `freeze_time` works as it always does, and wins."""

from __future__ import annotations

import datetime
import subprocess
import sys
import time
from datetime import date, timezone
from time import time as time_imported_by_name

import pytest
from freezegun import freeze_time
from freezegun.api import FakeDatetime

from tests.frozen_time.conftest import MOMENT_NS

# ruff: noqa: DTZ005, DTZ011  # naive times are among what is tested

MOMENT = datetime.datetime(2031, 5, 7, 8, 9, 10, 123456, tzinfo=timezone.utc)
NEW_YEAR = datetime.datetime(2020, 1, 1, tzinfo=timezone.utc)

pytestmark = pytest.mark.usefixtures("standing_clock")


def test_freeze_covers_virtual_time() -> None:
    with freeze_time("2020-01-01"):
        assert datetime.datetime.now(timezone.utc) == NEW_YEAR
        assert type(datetime.datetime.now()) is FakeDatetime
        assert date.today() == NEW_YEAR.date()
        assert time.time() == time_imported_by_name() == NEW_YEAR.timestamp()
        assert time.time_ns() == NEW_YEAR.timestamp() * 1e9
        assert time.gmtime().tm_year == 2020
        assert time.strftime("%Y") == "2020"
        assert time.monotonic() == NEW_YEAR.timestamp()


def test_virtual_time_is_back_after_a_freeze() -> None:
    for _ in range(2):
        with freeze_time("2020-01-01"):
            pass
        assert datetime.datetime.now(timezone.utc) == MOMENT
        assert type(datetime.datetime.now()) is datetime.datetime
        assert time.time_ns() == MOMENT_NS
        assert time.time() == time_imported_by_name() == MOMENT_NS / 1e9
        assert time.gmtime().tm_year == time.localtime().tm_year == 2031
        assert time.strftime("%Y") == "2031"


@freeze_time("2020-01-01")
def test_freeze_as_a_decorator() -> None:
    assert datetime.datetime.now(timezone.utc) == NEW_YEAR


def test_nested_freezes() -> None:
    with freeze_time("2020-01-01"):
        with freeze_time("2021-01-01"):
            assert date.today().year == 2021
        assert date.today().year == 2020
    assert date.today().year == 2031


def test_ticking_freeze_is_moved_by_its_user() -> None:
    with freeze_time("2020-01-01") as frozen:
        frozen.tick(60)
        assert time.time() == NEW_YEAR.timestamp() + 60


FREEZE_AFTER_INSTALLATION = """
from timeskip import frozen_time
frozen_time.install()
import sys
assert "freezegun" not in sys.modules
import datetime, time
from time import time as time_imported_by_name
from freezegun import freeze_time

class Clock:
    def now_ns(self):
        return 3_600_000_000_000

clock = Clock()
frozen_time.show(clock)
with freeze_time("2020-01-01"):
    assert time.gmtime().tm_year == datetime.datetime.now().year == 2020
    assert time.time() == time_imported_by_name() > 3600
assert time.time() == time_imported_by_name() == datetime.datetime.now().timestamp() == 3600
frozen_time.uninstall()
assert time.time() > 3600
with freeze_time("2020-01-01"):
    assert time.gmtime().tm_year == 2020
assert type(time.time) is type(time.monotonic)
"""


def test_freezegun_that_is_imported_later() -> None:
    subprocess.run([sys.executable, "-c", FREEZE_AFTER_INSTALLATION], check=True)
