"""What is measured. Each sample has an environment and a worker of its own, and is warmed up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter

from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from tests.bench.floor import FLOOR, Floor
from tests.bench.minutes import Minutes
from tests.bench.peers import DIRECT, Peer
from tests.bench.samples import Sample
from tests.bench.sdk_alone import SDK, SdkAlone
from tests.bench.workload import TASK_QUEUE, bench_worker, runner
from tests.bench.year import SleepAYear

ONE_AFTER_ANOTHER = "a year and an activity"
_WARM_UPS = 3
_SHORTEST_LIMIT = 10.0


@dataclass(frozen=True)
class Benchmark:
    """Something to measure of each peer."""

    title: str
    sandboxed: bool | None
    rounds: int
    take: Callable[[Peer], Awaitable[Sample]]
    alone: str | None = None
    """The title of the benchmark that runs the same workflows one after another."""
    unavoidable: Mapping[str, Callable[[], Awaitable[Sample]]] = field(default_factory=dict)
    """What no lane can save of it."""
    only: str | None = None
    """The one peer that it is for."""


def start_of_environment(rounds: int) -> Benchmark:
    """From nothing to a client that has had its first answer."""

    async def take(peer: Peer) -> Sample:
        began = perf_counter()
        environment = await peer.start()
        try:
            await environment.client.service_client.check_health()
            return Sample(perf_counter() - began)
        finally:
            await environment.shutdown()

    return Benchmark("start of the environment", None, rounds, take)


def one_after_another(rounds: int, *, sandboxed: bool) -> Benchmark:
    """Workflows that sleep a year and run an activity, each after the end of the one before."""

    async def take(peer: Peer) -> Sample:
        async with _warm(peer, sandboxed=sandboxed) as client:
            began = perf_counter()
            right = 0
            for number in range(peer.batch):
                right += await _sleep_a_year(client, number)
            return Sample((perf_counter() - began) / peer.batch, peer.batch, right)

    floor, sdk = Floor(sandboxed=sandboxed), SdkAlone(sandboxed=sandboxed)
    return Benchmark(
        ONE_AFTER_ANOTHER,
        sandboxed,
        rounds,
        take,
        unavoidable={
            FLOOR: lambda: floor.one_after_another(DIRECT.batch),
            SDK: lambda: sdk.one_after_another(DIRECT.batch),
        },
    )


def loop_of_minutes(rounds: int, *, sandboxed: bool) -> Benchmark:
    """One workflow that alternates an activity and a timer of a minute."""

    async def take(peer: Peer) -> Sample:
        async with _warm(peer, sandboxed=sandboxed) as client:
            began = perf_counter()
            done = await client.execute_workflow(
                Minutes.run, peer.batch, id="minutes", task_queue=TASK_QUEUE
            )
            return Sample((perf_counter() - began) / peer.batch, peer.batch, done)

    floor, sdk = Floor(sandboxed=sandboxed), SdkAlone(sandboxed=sandboxed)
    return Benchmark(
        "activity and minute, each",
        sandboxed,
        rounds,
        take,
        unavoidable={
            FLOOR: lambda: floor.loop_of_minutes(DIRECT.batch),
            SDK: lambda: sdk.loop_of_minutes(DIRECT.batch),
        },
    )


def all_at_once(
    rounds: int,
    count: int,
    seconds_each: float,
    *,
    sandboxed: bool,
    only: str | None = None,
) -> Benchmark:
    """Many workflows that sleep a year and run an activity, all open together.

    Those that have not ended after `seconds_each` of real time for each of them never will.
    """
    limit = max(_SHORTEST_LIMIT, count * seconds_each)

    async def take(peer: Peer) -> Sample:
        async with _warm(peer, sandboxed=sandboxed) as client:
            began = perf_counter()
            runs = [asyncio.create_task(_sleep_a_year(client, number)) for number in range(count)]
            done, late = await asyncio.wait(runs, timeout=limit)
            seconds = perf_counter() - began
            for run in late:
                run.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            return Sample(seconds / count, count, sum(run.result() for run in done))

    return Benchmark(
        f"{count:,} at once, each", sandboxed, rounds, take, alone=ONE_AFTER_ANOTHER, only=only
    )


async def _sleep_a_year(client: Client, number: int) -> bool:
    """Whether the workflow ended, and with the right answer."""
    try:
        answer = await client.execute_workflow(
            SleepAYear.run, number, id=f"year-{number}", task_queue=TASK_QUEUE
        )
    except (WorkflowFailureError, RPCError):
        # A server under test may fail its workflows or give up: that is counted, not raised.
        return False
    return answer == 2 * number


@asynccontextmanager
async def _warm(peer: Peer, *, sandboxed: bool) -> AsyncIterator[Client]:
    """A client whose worker has run a few workflows already."""
    environment: WorkflowEnvironment = await peer.start()
    try:
        async with bench_worker(environment.client, runner(sandboxed=sandboxed)):
            for number in range(_WARM_UPS):
                await environment.client.execute_workflow(
                    SleepAYear.run, number, id=f"warm-up-{number}", task_queue=TASK_QUEUE
                )
            yield environment.client
    finally:
        await environment.shutdown()
