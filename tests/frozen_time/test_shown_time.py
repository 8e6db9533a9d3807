"""Everything that tells the time of day tells virtual time."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import importlib.util
import logging
import pickle
import sys
import time
import types
from collections.abc import Iterator
from datetime import date, timedelta, timezone
from datetime import datetime as imported_datetime
from pathlib import Path
from time import time as time_imported_by_name
from typing import Any

import pytest

from tests.frozen_time.conftest import MOMENT_NS, StandingClock
from timeskip import frozen_time

# ruff: noqa: DTZ002, DTZ003, DTZ005, DTZ006, DTZ011  # naive times are among what is tested

MOMENT = datetime.datetime(2031, 5, 7, 8, 9, 10, 123456, tzinfo=timezone.utc)

pytestmark = pytest.mark.usefixtures("standing_clock")


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def local_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_datetime_now_in_a_zone() -> None:
    assert datetime.datetime.now(timezone.utc) == MOMENT
    assert imported_datetime.now(tz=timezone(timedelta(hours=2))).hour == 10


@pytest.mark.usefixtures("local_zone")
def test_naive_datetime_is_local_as_ever() -> None:
    expected = MOMENT.astimezone().replace(tzinfo=None)
    assert datetime.datetime.now() == expected
    assert datetime.datetime.today() == expected
    assert date.today() == expected.date()
    assert time.localtime()[:6] == expected.timetuple()[:6]
    assert time.strftime("%Y-%m-%d %H:%M") == f"{expected:%Y-%m-%d %H:%M}"
    assert time.ctime() == time.asctime() == expected.ctime()


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning:tests")
def test_utc_without_a_zone() -> None:
    assert datetime.datetime.utcnow() == MOMENT.replace(tzinfo=None)
    assert time.gmtime()[:6] == MOMENT.timetuple()[:6]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="deprecated since Python 3.12")
def test_deprecation_names_the_line_that_calls() -> None:
    with pytest.warns(DeprecationWarning, match="utcnow") as caught:
        datetime.datetime.utcnow()
    assert caught[0].filename == __file__


def test_time_since_the_epoch() -> None:
    assert time.time() == pytest.approx(MOMENT_NS / 1e9, abs=1e-6)
    assert time_imported_by_name() == time.time()
    assert time.time_ns() == MOMENT_NS


def test_conversions_of_other_times_are_untouched() -> None:
    noon = datetime.datetime(2020, 2, 29, 12, tzinfo=timezone.utc)
    assert time.gmtime(noon.timestamp())[:4] == (2020, 2, 29, 12)
    assert time.strftime("%d %b %Y", noon.timetuple()) == "29 Feb 2020"
    assert datetime.datetime.fromtimestamp(noon.timestamp(), timezone.utc) == noon
    assert time.localtime(0)[:6] == datetime.datetime.fromtimestamp(0).timetuple()[:6]
    assert time.ctime(None) == time.ctime()


def test_time_moves_with_the_clock(standing_clock: StandingClock) -> None:
    started = datetime.datetime.now(timezone.utc)
    standing_clock.ns += 3_600_000_000_000
    assert datetime.datetime.now(timezone.utc) - started == timedelta(hours=1)


def test_classes_stay_themselves() -> None:
    assert type(datetime.datetime.now()) is datetime.datetime is imported_datetime
    assert type(date.today()) is date
    assert datetime.datetime.__module__ == "datetime"
    assert pickle.loads(pickle.dumps(datetime.datetime.now))(timezone.utc) == MOMENT


def test_subclasses_tell_their_own_kind() -> None:
    class Stardate(datetime.datetime):
        """A subclass as libraries have them."""

    assert type(Stardate.now()) is Stardate
    assert type(Stardate.today()) is Stardate
    assert Stardate.now(timezone.utc) == MOMENT


def test_monotonic_clocks_are_real() -> None:
    for clock in (time.monotonic, time.perf_counter, time.process_time):
        assert isinstance(clock, types.BuiltinFunctionType)


def test_log_records_have_real_time(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("ada").info("charged")
    assert caplog.records[0].created < MOMENT.timestamp()


@pytest.mark.parametrize("module", sorted(frozen_time.REAL_TIME))
def test_infrastructure_sees_real_time(module: str) -> None:
    source = "from datetime import datetime, timezone\nimport time\n"
    source += "seen = [datetime.now(timezone.utc).timestamp(), time.time(), time.time_ns() / 1e9]"
    names: dict[str, Any] = {"__name__": f"{module}.inner"}
    exec(source, names)
    assert all(seen < MOMENT.timestamp() for seen in names["seen"])


def test_module_imported_later(tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text(
        "from datetime import datetime, timezone\nfrom time import time, time_ns, gmtime\n"
        "def ask(): return [datetime.now(timezone.utc), time(), time_ns(), gmtime().tm_year]\n"
    )
    spec = importlib.util.spec_from_file_location("late", path)
    assert spec is not None
    assert spec.loader is not None
    late = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(late)
    assert late.ask() == [MOMENT, MOMENT_NS / 1e9, MOMENT_NS, 2031]


def test_module_imported_before_installation() -> None:
    early = types.ModuleType("early")
    frozen_time.uninstall()
    try:
        exec("from time import time, gmtime as g", vars(early))
        assert isinstance(early.time, types.BuiltinFunctionType)
        sys.modules["early"] = early
        frozen_time.install()
        assert early.time() == MOMENT_NS / 1e9
        assert early.g().tm_year == 2031
    finally:
        del sys.modules["early"]
        frozen_time.install()


def test_uninstalled_is_as_if_never_installed() -> None:
    frozen_time.uninstall()
    try:
        for function in (time.time, time.time_ns, time.gmtime, datetime.datetime.now, date.today):
            assert isinstance(function, types.BuiltinFunctionType)
        assert datetime.datetime.now(timezone.utc) < MOMENT
        assert time.time() < MOMENT.timestamp()
    finally:
        frozen_time.install()


def test_nothing_is_shown_when_hidden(standing_clock: StandingClock) -> None:
    frozen_time.hide(standing_clock)
    assert datetime.datetime.now(timezone.utc) < MOMENT
    assert datetime.datetime.now() < MOMENT.replace(tzinfo=None)
    assert time.time() == pytest.approx(datetime.datetime.now(timezone.utc).timestamp(), abs=60)
    assert time.time_ns() < MOMENT_NS
    assert date.today() < MOMENT.date()
    assert time.gmtime() < MOMENT.timetuple()
    assert time.localtime().tm_year < 2031
    assert "2031" not in time.strftime("%Y") + time.ctime() + time.asctime()
    frozen_time.hide(standing_clock)


def test_innermost_of_nested_simulations_is_shown() -> None:
    inner = StandingClock(0)
    frozen_time.show(inner)
    assert time.time() == 0
    frozen_time.hide(inner)
    assert time.time_ns() == MOMENT_NS


def test_simulations_side_by_side_show_each_its_own() -> None:
    async def simulate(year: int) -> int:
        clock = StandingClock(year * 366 * 86_400 * 1_000_000_000)
        frozen_time.show(clock)
        await asyncio.sleep(0)
        seen = datetime.datetime.now(timezone.utc).year
        await asyncio.sleep(0)
        frozen_time.hide(clock)
        return seen

    async def both() -> list[int]:
        return list(await asyncio.gather(simulate(5), simulate(9)))

    assert asyncio.run(both()) == [1975, 1979]


def test_context_that_knows_no_simulation_sees_the_innermost() -> None:
    assert contextvars.Context().run(time.time_ns) == MOMENT_NS
