"""Scenarios run on every server, and every server has to be observed to do what the real one does.

All scenarios of a session are run at once on a server when the first of them is needed: they mostly
wait. Under pytest-xdist one worker does so for all of them, while another takes the next server.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import sdk
from tests.conformance.agreement import disagreement
from tests.conformance.lanes import (
    IN_REAL_TIME,
    Record,
    Scenario,
    is_tried_in_real_time,
    run_scenarios,
)

#: The servers that scenarios run on. CONFORMANCE_LANES may ask for others: "again" is the real server
#: a second time, which shows whether a scenario allows only one history.
LANES = os.environ.get("CONFORMANCE_LANES", f"real,wire,direct,{IN_REAL_TIME}").split(",")


collect_ignore = ["test_newest_options.py"] if sdk.is_before("1.35") else []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "scenario(*proves, differs, clock, real, speaks_grpc): runs on the real server and on ours",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("scenario")
    if marker:
        lanes = [lane for lane in LANES if _plays(lane, marker)]
        metafunc.parametrize("world", lanes, indirect=True)


def _plays(lane: str, marker: pytest.Mark) -> bool:
    """Whether a scenario runs on this lane."""
    if lane == "direct":
        return not marker.kwargs["speaks_grpc"]
    return lane != IN_REAL_TIME or is_tried_in_real_time(
        marker.kwargs["clock"], marker.kwargs["real"]
    )


class Records:
    """What every scenario of the session observed on every server; runs them when first asked."""

    def __init__(self, scenarios: Sequence[Scenario], shared: Path | None) -> None:
        self._scenarios = scenarios
        self._shared = shared
        self._records: dict[str, dict[str, Record]] = {}

    def of(self, scenario: Scenario, lane: str) -> Record:
        """What this scenario observed on this server."""
        if lane not in self._records:
            if self._shared is None:
                self._records[lane] = self._run(lane)
            else:
                self._records[lane] = self._wait_for(lane, self._shared)
        return self._records[lane][scenario.name]

    def _run(self, lane: str) -> dict[str, Record]:
        scenarios = self._scenarios
        if lane == IN_REAL_TIME:
            scenarios = [each for each in scenarios if is_tried_in_real_time(each.clock, each.real)]
        return run_scenarios("real" if lane == "again" else lane, scenarios)

    def _wait_for(self, lane: str, shared: Path) -> dict[str, Record]:
        """The records of a server, which some worker writes into a file for all of them.

        Where another worker is at it, this one takes on what nobody has begun.
        """
        for choice in (lane, *(other for other in LANES if other != lane)):
            self._run_for_all(choice, shared, wait=False)
            if (shared / f"{lane}.json").exists():
                break
        self._run_for_all(lane, shared, wait=True)
        data = json.loads((shared / f"{lane}.json").read_text())
        return {name: Record.from_json(record) for name, record in data.items()}

    def _run_for_all(self, lane: str, shared: Path, *, wait: bool) -> None:
        path = shared / f"{lane}.json"
        with path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                return
            if not path.exists():
                data = {name: record.to_json() for name, record in self._run(lane).items()}
                path.write_text(json.dumps(data))


@dataclass(frozen=True)
class Stage:
    """A server on which scenarios run, and what they observed."""

    lane: str
    records: Records


@pytest.fixture(scope="session")
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Records:
    items = [item for item in request.session.items if item.get_closest_marker("scenario")]
    scenarios = {scenario.name: scenario for scenario in map(_scenario, items)}
    shared = None
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = tmp_path_factory.getbasetemp().parent / "conformance"
        shared.mkdir(exist_ok=True)
    return Records(list(scenarios.values()), shared)


@pytest.fixture
def world(request: pytest.FixtureRequest, records: Records) -> Stage:
    """Where the scenario is played. It gets a world of its own when it is run."""
    return Stage(request.param, records)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A scenario's test compares what it observed on this server with the real one."""
    if pyfuncitem.get_closest_marker("scenario") is None:
        return None
    stage = pyfuncitem.funcargs["world"]
    assert isinstance(stage, Stage)
    records, lane = stage.records, stage.lane
    scenario = _scenario(pyfuncitem)
    message = _complaint(records.of, scenario, lane)
    if message is not None:
        # In the crowd of scenarios a busy machine may delay the real server by the second that a
        # scenario's timers are apart. Alone, it has to be right.
        message = _complaint(_run_alone, scenario, lane)
    if message is not None:
        pytest.fail(message, pytrace=False)
    return True


def _complaint(
    record_of: Callable[[Scenario, str], Record], scenario: Scenario, lane: str
) -> str | None:
    """What is wrong with a scenario on a server, if anything is."""
    real = record_of(scenario, "real")
    if real.error is not None:
        return f"on the real server:\n{real.error}"
    return None if lane == "real" else disagreement(real, record_of(scenario, lane))


def _run_alone(scenario: Scenario, lane: str) -> Record:
    return run_scenarios("real" if lane == "again" else lane, [scenario])[scenario.name]


def _scenario(item: pytest.Item) -> Scenario:
    assert isinstance(item, pytest.Function)
    marker = item.get_closest_marker("scenario")
    assert marker is not None
    module = item.module.__name__.rpartition(".")[2]
    arguments = {name: value for name, value in item.callspec.params.items() if name != "world"}
    # A function's text has its address in it, which no two processes agree on.
    case = "".join(f"[{getattr(value, '__name__', value)}]" for value in arguments.values())
    body = functools.partial(item.obj, **arguments)
    return Scenario(
        f"{module}::{item.originalname}{case}", body, marker.kwargs["clock"], marker.kwargs["real"]
    )
