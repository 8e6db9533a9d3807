"""A pytest plugin that remembers what each test's simulation ran."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
from temporalio.api.history.v1 import History

if TYPE_CHECKING:
    # Only its type: pytest wants to be the first to import what belongs to one of its plugins.
    from timeskip import Simulation


@dataclass(frozen=True)
class RecordedRun:
    """One workflow run, as the test left it."""

    workflow_id: str
    history: History

    @property
    def virtual(self) -> timedelta:
        """How long the run took by its own clock."""
        first, last = self.history.events[0], self.history.events[-1]
        return last.event_time.ToDatetime() - first.event_time.ToDatetime()


@dataclass(frozen=True)
class RecordedTest:
    """One test with all that its simulation ran."""

    folder: str
    name: str
    passed: bool
    virtual: timedelta
    real: timedelta
    runs: tuple[RecordedRun, ...]


class Recorder:
    """Takes a record after each test that asked for `sim`, before the fixture is torn down."""

    def __init__(self) -> None:
        self.tests: list[RecordedTest] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and isinstance(item, pytest.Function) and "sim" in item.funcargs:
            simulation = cast("Simulation", item.funcargs["sim"])
            self.tests.append(
                RecordedTest(
                    folder=item.path.parent.name,
                    name=item.name,
                    passed=report.passed,
                    virtual=simulation.elapsed,
                    real=timedelta(seconds=call.duration),
                    runs=tuple(
                        RecordedRun(run.workflow_id, run.history) for run in simulation.runs
                    ),
                )
            )
        return report
