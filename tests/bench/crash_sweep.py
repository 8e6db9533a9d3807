"""What it costs to sweep a workflow of ten activities and ten timers, in the direct lane, on one core.

Each sweep is a pytest of its own. The aim is under `AIM` seconds for a kill at each place at which the
worker can be killed, and the same is measured for all crash points, restarts of the service and
losses of the cache among them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

#: Seconds.
AIM = 2.0

_TEST = """
import asyncio
from datetime import timedelta

import pytest
from temporalio import activity, workflow


@activity.defn
async def double(number: int) -> int:
    return 2 * number


@workflow.defn(sandboxed=False)
class Ten:
    @workflow.run
    async def run(self) -> int:
        total = 0
        for number in range(10):
            total += await workflow.execute_activity(
                double, number, start_to_close_timeout=timedelta(minutes=1)
            )
            await asyncio.sleep(60)
        return total


@pytest.mark.crash_sweep
async def test_ten(sim):
    async with sim.worker(workflows=[Ten], activities=[double]):
        total = await sim.client.execute_workflow(Ten.run, id="ten", task_queue=sim.task_queue)
    assert total == 90
"""

#: Notes real and processor time of the tests, from before the first to after the last, in seconds.
_CONFTEST = """
import json
from time import perf_counter, process_time

import pytest
import timeskip

took = {"replay": 0.0, "tests": []}
check_replays = timeskip.Simulation.check_replays


def timed(self):
    began = perf_counter()
    check_replays(self)
    took["replay"] += perf_counter() - began


timeskip.Simulation.check_replays = timed


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop():
    began, busy = perf_counter(), process_time()
    result = yield
    took["real"], took["busy"] = perf_counter() - began, process_time() - busy
    with open("took.json", "w") as file:
        json.dump(took, file)
    return result


def pytest_runtest_logreport(report):
    if report.when == "setup":
        took["tests"].append(0.0)
    took["tests"][-1] += report.duration
"""

#: What is swept, as `--timeskip-sweep` has it.
_SWEEPS = {
    "every kill": "workflow-task activity",
    "every crash point": "",
}


@dataclass(frozen=True)
class CrashSweep:
    """Seconds of one sweep, all of them real but `busy`.

    Attributes:
        runs: How often the test ran.
        real, busy: Of the sweep: real time, and that of the processor.
        baseline: The run without a crash, which also finds what is to be imported.
        each: A run with a crash, its setup and teardown included; the median.
        replay: All replays.
    """

    title: str
    runs: int
    real: float
    busy: float
    baseline: float
    each: float
    replay: float


def crash_sweeps(rounds: int) -> list[CrashSweep]:
    """Sweeps of so many rounds, that with the median time of each kind."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "test_ten.py").write_text(_TEST, encoding="utf-8")
        (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        return [_middle([_sweep(folder, title) for _ in range(rounds)]) for title in _SWEEPS]


def _middle(sweeps: Sequence[CrashSweep]) -> CrashSweep:
    return sorted(sweeps, key=lambda sweep: sweep.real)[len(sweeps) // 2]


def _sweep(folder: Path, title: str) -> CrashSweep:
    command = [sys.executable, "-m", "pytest", "-q", f"--timeskip-sweep={_SWEEPS[title]}"]
    subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.DEVNULL, preexec_fn=_one_core()
    )
    took = json.loads((folder / "took.json").read_text())
    baseline, *others = took["tests"]
    return CrashSweep(
        title,
        1 + len(others),
        took["real"],
        took["busy"],
        baseline,
        median(others),
        took["replay"],
    )


def _one_core() -> Callable[[], None] | None:
    """What keeps a process to one core, where that can be had."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = {min(os.sched_getaffinity(0))}
    return lambda: os.sched_setaffinity(0, cores)


def print_crash_sweeps(console: Console, sweeps: Sequence[CrashSweep]) -> None:
    """Prints one line for each kind."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(f"sweep of 10 activities and 10 timers, under {AIM:g} s", no_wrap=True)
    for column in ("runs", "real", "processor", "baseline", "each crash", "all replays"):
        table.add_column(column, justify="right")
    for sweep in sweeps:
        table.add_row(
            sweep.title,
            str(sweep.runs),
            f"[{'green' if sweep.real < AIM else 'red'}]{sweep.real:.2f} s[/]",
            f"{sweep.busy:.2f} s",
            f"{sweep.baseline * 1000:.0f} ms",
            f"{sweep.each * 1000:.1f} ms",
            f"{sweep.replay * 1000:.0f} ms",
        )
    console.print(table)
