"""What a `sim` test with a trivial workflow costs in pytest, over an `async def` test that is empty."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

_TESTS = """
import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner


@workflow.defn
class Trivial:
    @workflow.run
    async def run(self) -> int:
        return 1


@pytest.mark.parametrize("number", range(40))
async def test_empty(number):
    pass


@pytest.mark.parametrize("number", range(40))
async def test_sandboxed(sim, number):
    async with sim.worker(workflows=[Trivial]):
        await sim.client.execute_workflow(Trivial.run, id="trivial", task_queue=sim.task_queue)


@pytest.mark.parametrize("number", range(40))
async def test_unsandboxed(sim, number):
    async with sim.worker(workflows=[Trivial], workflow_runner=UnsandboxedWorkflowRunner()):
        await sim.client.execute_workflow(Trivial.run, id="trivial", task_queue=sim.task_queue)
"""

LANES = ("wire", "direct")


@dataclass(frozen=True)
class Overhead:
    """Seconds of one test, setup and teardown included, beyond those of an empty one; medians."""

    lane: str
    sandboxed: float
    unsandboxed: float


def overhead(lane: str) -> Overhead:
    """Runs pytest in a process of its own, with the configuration of a new project."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "test_trivial.py").write_text(_TESTS, encoding="utf-8")
        (Path(directory) / "pytest.ini").write_text(
            "[pytest]\njunit_duration_report = total\nasyncio_mode = auto\n"
            "asyncio_default_fixture_loop_scope = function\n",
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "pytest", "-q", "--junitxml=report.xml"]
        subprocess.run(
            [*command, f"--timeskip-lane={lane}"],
            cwd=directory,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        report = ElementTree.parse(Path(directory) / "report.xml")
    seconds: dict[str, list[float]] = {}
    for case in report.iter("testcase"):
        name = str(case.get("name")).partition("[")[0]
        seconds.setdefault(name, []).append(float(case.get("time", "nan")))
    empty = median(seconds["test_empty"])
    return Overhead(
        lane,
        median(seconds["test_sandboxed"]) - empty,
        median(seconds["test_unsandboxed"]) - empty,
    )


def print_overheads(console: Console, overheads: Sequence[Overhead]) -> None:
    """Prints one line for each lane."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("a `sim` test over an empty one", no_wrap=True)
    table.add_column("sandboxed", justify="right")
    table.add_column("unsandboxed", justify="right")
    for one in overheads:
        table.add_row(one.lane, _milliseconds(one.sandboxed), _milliseconds(one.unsandboxed))
    console.print(table)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
