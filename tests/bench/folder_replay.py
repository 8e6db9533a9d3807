"""What it costs to replay a folder of histories, beside the SDK's own `Replayer.replay_workflows`.

Every way is measured in a process of its own: of files on the disk, in the SDK's sandbox.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.bench.minutes import Minutes
from tests.bench.workload import TASK_QUEUE, bench_worker, runner
from timeskip import Simulation
from timeskip.histories.corpus import Verdict, history_files, replay_files
from timeskip.histories.corpus_processes import replay_in_processes
from timeskip.histories.history import History
from timeskip.histories.workflow_source import WorkflowSource
from timeskip.sdk_exit import guard_exit

#: 50 events: those of the run's beginning and end, and four rounds.
_ROUNDS = 4
_SOURCE = WorkflowSource(("tests.bench.minutes:Minutes",))


@dataclass(frozen=True)
class FolderReplay:
    """Seconds for the whole folder."""

    histories: int
    events: int
    sdk: float
    one_core: float
    two_cores: float


def folder_replay(count: int) -> FolderReplay:
    """Writes so many histories and replays them in each way, one after the other."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        events = asyncio.run(_write(folder, count))
        return FolderReplay(count, events, *(_measured(way, folder) for way in _WAYS))


async def _write(folder: Path, count: int) -> int:
    """The number of events in each history."""
    async with Simulation(lane="direct", auto_replay=False) as sim:
        async with bench_worker(sim.client, runner(sandboxed=False)):
            handles = [
                await sim.client.start_workflow(
                    Minutes.run, _ROUNDS, id=f"run-{number}", task_queue=TASK_QUEUE
                )
                for number in range(count)
            ]
            for handle in handles:
                await handle.result()
        for handle in handles:
            (folder / f"{handle.id}.json").write_text((await handle.fetch_history()).to_json())
        return len(History.load(folder / "run-0.json").events)


def _measured(way: str, folder: Path) -> float:
    command = [sys.executable, "-m", "tests.bench.folder_replay", way, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _with_the_sdk(folder: Path) -> None:
    # Without it, the process may die when all is done.
    guard_exit()

    async def histories() -> AsyncIterator[WorkflowHistory]:
        for file in history_files(folder):
            yield WorkflowHistory.from_json(file.stem, file.read_text())

    asyncio.run(Replayer(workflows=[Minutes]).replay_workflows(histories()))


def _on_one_core(folder: Path) -> None:
    for replayed in replay_files(folder, history_files(folder), _SOURCE.settings()):
        assert replayed.verdict is Verdict.REPLAYED, replayed.message


def _on_two_cores(folder: Path) -> None:
    for replayed in replay_in_processes(folder, history_files(folder), _SOURCE, 2):
        assert replayed.verdict is Verdict.REPLAYED, replayed.message


_WAYS: dict[str, Callable[[Path], None]] = {
    "sdk": _with_the_sdk,
    "one": _on_one_core,
    "two": _on_two_cores,
}


def print_folder_replay(console: Console, replay: FolderReplay) -> None:
    """Prints one line for each way."""
    title = f"{replay.histories:,} histories of {replay.events} events"
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(title, no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("as fast as the SDK", justify="right")
    for name, seconds in (
        ("the SDK's Replayer, one core", replay.sdk),
        ("timeskip, one core", replay.one_core),
        ("timeskip, two processes", replay.two_cores),
    ):
        table.add_row(name, f"{seconds:.1f}", f"{replay.sdk / seconds:.2f} times")
    console.print(table)


def _main() -> None:
    way, folder = sys.argv[1:]
    if way != "two" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    began = perf_counter()
    _WAYS[way](Path(folder))
    print(perf_counter() - began)


if __name__ == "__main__":
    _main()
