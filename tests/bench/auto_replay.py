"""What automatic replay adds to a test of one workflow in the direct lane.

The tests with it and those without take turns in one session of pytest, so that both meet the same
machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_WARM_UPS = 5

_TESTS = """
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.worker import UnsandboxedWorkflowRunner

UNSANDBOXED = UnsandboxedWorkflowRunner()


@activity.defn
async def double(number: int) -> int:
    return 2 * number


@workflow.defn
class SleepAYear:
    @workflow.run
    async def run(self, number: int) -> int:
        await workflow.sleep(timedelta(days=365))
        return await workflow.execute_activity(
            double, number, start_to_close_timeout=timedelta(minutes=1)
        )


async def sleep_a_year(sim, **options):
    async with sim.worker(workflows=[SleepAYear], activities=[double], **options):
        await sim.client.execute_workflow(SleepAYear.run, 1, id="year", task_queue=sim.task_queue)


def turns():
    without = pytest.mark.timeskip(auto_replay=False)
    for number in range(%d):
        pair = [pytest.param("with"), pytest.param("without", marks=without)]
        yield from pair if number %% 2 else reversed(pair)


@pytest.mark.parametrize("replay", turns())
async def test_sandboxed(sim, replay):
    await sleep_a_year(sim)


@pytest.mark.parametrize("replay", turns())
async def test_unsandboxed(sim, replay):
    await sleep_a_year(sim, workflow_runner=UNSANDBOXED)
"""

_CONFTEST = """
import json
import time

import pytest

SECONDS = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    began = time.perf_counter()
    try:
        return (yield)
    finally:
        key = f"{item.originalname} {item.callspec.params['replay']}"
        SECONDS.setdefault(key, []).append(time.perf_counter() - began)


def pytest_sessionfinish():
    with open("seconds.json", "w") as file:
        json.dump(SECONDS, file)
"""


@dataclass(frozen=True)
class AutoReplay:
    """Seconds of one test, setup and teardown included; medians."""

    sandboxed: bool
    without: float
    with_replay: float

    @property
    def added(self) -> float:
        """What replay adds, as a part of the test without it."""
        return self.with_replay / self.without - 1


def auto_replay(rounds: int) -> list[AutoReplay]:
    """Runs pytest in a process of its own, with so many tests of each kind."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        tests = _TESTS % (rounds + _WARM_UPS)
        (folder / "test_year.py").write_text(tests, encoding="utf-8")
        (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
        (folder / "pytest.ini").write_text(
            "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n",
            encoding="utf-8",
        )
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--timeskip-lane=direct"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))

    def of(name: str, replay: str) -> float:
        return float(median(seconds[f"test_{name} {replay}"][_WARM_UPS:]))

    return [
        AutoReplay(name == "sandboxed", of(name, "without"), of(name, "with"))
        for name in ("sandboxed", "unsandboxed")
    ]


def print_auto_replay(console: Console, measured: Sequence[AutoReplay]) -> None:
    """Prints one line for each way to run the workflow."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("a test of one workflow, direct lane", no_wrap=True)
    for column in ("without replay", "with", "added"):
        table.add_column(column, justify="right")
    for one in measured:
        table.add_row(
            "sandboxed" if one.sandboxed else "unsandboxed",
            f"{one.without * 1000:.1f} ms",
            f"{one.with_replay * 1000:.1f} ms",
            f"{one.added:.0%}",
        )
    console.print(table)
