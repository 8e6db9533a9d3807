"""What an open workflow and a history event cost the simulated server in memory.

Measured in a process of its own, by the growth of what it occupies: counting Python's allocations
would miss the messages, which live outside of Python's heap.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

from tests.bench.workload import TASK_QUEUE
from tests.bench.year import SleepAYear
from timeskip import Simulation

_PROCESS_SIZE = Path("/proc/self/statm")
_WORKFLOWS = 5_000
_SIGNALLED = 20
_SIGNALS_EACH = 500
_TOGETHER = 100


@dataclass(frozen=True)
class Memory:
    """Growth of the process, in bytes."""

    bytes_per_open_workflow: float
    """A workflow with two events, whose first workflow task waits for a worker."""
    bytes_per_event: float
    """A signal with a small argument."""


def measure_memory() -> Memory | None:
    """Measures in a fresh process; None where the system does not tell what a process occupies."""
    if not _PROCESS_SIZE.exists():
        return None
    process = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory"], check=True, stdout=subprocess.PIPE, text=True
    )
    return Memory(**json.loads(process.stdout.splitlines()[-1]))


async def _measure() -> Memory:
    async with Simulation(lane="wire") as sim:
        # The first calls import modules, fill caches and grow buffers.
        await _start(sim.client, "warm-up", 500)
        before = _bytes_occupied()
        handles = await _start(sim.client, "open", _WORKFLOWS)
        opened = _bytes_occupied()
        await _signal(handles[:_SIGNALLED])
        signalled = _bytes_occupied()
    return Memory(
        bytes_per_open_workflow=(opened - before) / _WORKFLOWS,
        bytes_per_event=(signalled - opened) / (_SIGNALLED * _SIGNALS_EACH),
    )


async def _start(client: Client, name: str, count: int) -> list[WorkflowHandle[Any, Any]]:
    """Starts workflows that no worker will ever take."""

    async def start(number: int) -> WorkflowHandle[Any, Any]:
        return await client.start_workflow(
            SleepAYear.run, number, id=f"{name}-{number}", task_queue=TASK_QUEUE
        )

    return await _in_batches(start, count)


async def _signal(handles: list[WorkflowHandle[Any, Any]]) -> None:
    async def signal(number: int) -> None:
        await handles[number % len(handles)].signal("note", number)

    await _in_batches(signal, len(handles) * _SIGNALS_EACH)


async def _in_batches(call: Callable[[int], Awaitable[Any]], count: int) -> list[Any]:
    """Calls with 0 to `count` - 1, few at a time: calls in flight occupy memory too."""
    answers: list[Any] = []
    for first in range(0, count, _TOGETHER):
        answers += await asyncio.gather(
            *(call(number) for number in range(first, min(first + _TOGETHER, count)))
        )
    return answers


def _bytes_occupied() -> int:
    gc.collect()
    resident_pages = int(_PROCESS_SIZE.read_text().split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_measure()))))
