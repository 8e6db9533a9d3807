"""Random programs: what the direct lane makes of them is what the SDK's own core would have made.

The Rust core accepts every history that the direct lane has recorded. When it is replayed, both cores
give the workflow's code the same activations, message by message; and when it is replayed with a program
that is a little different, the verdict on that is the same as well, word for word.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from random import Random

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from tests.lanes.direct.variations import cut
from tests.lanes.programs.generator import drawn
from tests.lanes.programs.mutation import with_other_program
from tests.lanes.programs.replays import assert_replayed_alike
from tests.lanes.programs.running import run_program
from timeskip import RunRecord, WorkflowTaskFailed

pytestmark = pytest.mark.filterwarnings("ignore")

FEW = [range(10)]
MANY = [range(first, first + 50) for first in range(100, 600, 50)]

CACHES = (1000, 0, 1)

#: Shorter ones have no completed workflow task.
SHORTEST_HISTORY = 4


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The SDK logs each failure of an activity or a replay."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Coroutines that evicted programs never began warn when they go: of that no other test is to hear."""
    yield
    gc.collect()


async def runs_of(seed: int, *, threads: bool = True) -> list[RunRecord]:
    """None if the SDK cannot go on, as when an activity fails that was abandoned."""
    program, script = drawn(seed, threads=threads)
    cache = CACHES[seed % len(CACHES)]
    try:
        return await run_program(program, script, seed // 3, max_cached_workflows=cache)
    except WorkflowTaskFailed:
        return []


async def histories_of(seed: int) -> list[WorkflowHistory]:
    """Those that can be replayed."""
    return [
        WorkflowHistory(run.workflow_id, list(run.history.events))
        for run in await runs_of(seed)
        if any(
            event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
            for event in run.history.events
        )
    ]


async def replay_all(seeds: range) -> int:
    replays = 0
    for seed in seeds:
        for history in await histories_of(seed):
            verdict = await assert_replayed_alike(history)
            assert verdict.failure is None, verdict.message
            replays += 1
    return replays


async def replay_changed(seeds: range) -> int:
    refused = 0
    for seed in seeds:
        random = Random(seed)
        for history in await histories_of(seed):
            other = with_other_program(history, random)
            if random.random() < 0.2:
                other = cut(other, random.randint(SHORTEST_HISTORY, len(other.events)))
            verdict = await assert_replayed_alike(other)
            refused += verdict.failure is not None
    return refused


async def run_twice(seeds: range) -> None:
    for seed in seeds:
        # Two threads at one instant would race each other to the event loop.
        once, again = await runs_of(seed, threads=False), await runs_of(seed, threads=False)
        assert [run.history for run in once] == [run.history for run in again]


@pytest.mark.parametrize(
    "seeds", [*FEW, *(pytest.param(seeds, marks=pytest.mark.slow) for seeds in MANY)], ids=str
)
class TestPrograms:
    def test_history_is_replayed_alike_on_both_cores(self, seeds: range) -> None:
        assert asyncio.run(replay_all(seeds)) > len(seeds) / 2

    def test_history_of_another_program_is_refused_alike_on_both_cores(self, seeds: range) -> None:
        assert asyncio.run(replay_changed(seeds)) > 0

    def test_seed_gives_the_same_histories_again(self, seeds: range) -> None:
        asyncio.run(run_twice(seeds))


def test_last_event_on_its_own_is_left_out_on_both_cores() -> None:
    """As in a history that was fetched right after its workflow task was completed."""

    async def replay() -> None:
        (history, *_) = await histories_of(0)
        verdict = await assert_replayed_alike(cut(history, SHORTEST_HISTORY))
        assert verdict.failure is None

    asyncio.run(replay())
