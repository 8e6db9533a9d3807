"""What an event of a run costs, for runs of very different lengths: it must be the same.

Fresh: as the run goes on. Replayed: as a worker that does not know the run rebuilds it for a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import process_time

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.bench.attentive import Attentive
from tests.bench.workload import TASK_QUEUE, bench_worker, runner
from timeskip import Simulation

#: Events of one round of `Attentive`: an activity, a timer, and the workflow tasks between them.
_EVENTS_OF_A_ROUND = 11

_ROUND = timedelta(minutes=1)

LENGTHS = (10, 100, 1_000, 10_000)


@dataclass(frozen=True)
class Growth:
    """Seconds for each event of a run in the direct lane, unsandboxed."""

    events: int
    fresh: float
    replayed: float


async def growth(events: int) -> Growth:
    """Measures a run of about so many events; short ones as often as makes a thousand."""
    rounds = max(1, round(events / _EVENTS_OF_A_ROUND))
    times = max(1, 1_000 // events)
    async with Simulation(lane="direct") as sim:
        handles = []
        async with bench_worker(sim.client, runner(sandboxed=False)):
            began = process_time()
            for number in range(times):
                handle = await sim.client.start_workflow(
                    Attentive.run, rounds, id=f"run-{number}", task_queue=TASK_QUEUE
                )
                handles.append(handle)
                await sim.run_until(sim.now + rounds * _ROUND)
            fresh = process_time() - began
        counted = sum([(await handle.describe()).history_length for handle in handles])
        async with bench_worker(sim.client, runner(sandboxed=False)):
            began = process_time()
            for handle in handles:
                if await handle.query(Attentive.rounds) != rounds:
                    raise AssertionError("the run has not got through its rounds")
            replayed = process_time() - began
    return Growth(counted // times, fresh / counted, replayed / counted)


def print_growths(console: Console, growths: Sequence[Growth]) -> None:
    """Prints one line for each length."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("events of the run (direct)", "fresh, each", "replayed, each"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in growths:
        table.add_row(
            f"{one.events:,}", f"{one.fresh * 1e6:,.0f} µs", f"{one.replayed * 1e6:,.0f} µs"
        )
    console.print(table)
