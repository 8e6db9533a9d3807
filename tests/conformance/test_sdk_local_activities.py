"""Local activities of workflows that the SDK's own worker runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from tests import sdk
from tests.conformance import local_orders
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import observe_outcome, run_of, start
from tests.conformance.world import Run, World

MARKER = "event:MarkerRecorded"

#: The core answers a task that still waits for local activities after 0.8 of this. Timers of 1.2
#: seconds, begun with the first answer, fire in the middle of the third task.
SHORT = timedelta(seconds=1)


@asynccontextmanager
async def local_worker(world: World, **options: Any) -> AsyncIterator[None]:
    async with world.worker(
        workflows=local_orders.WORKFLOWS, activities=local_orders.ACTIVITIES, **options
    ):
        yield


@scenario(MARKER)
async def test_sdk_local_activities_one_after_the_other(world: World) -> None:
    async with local_worker(world):
        await observe_outcome(world, await start(world, local_orders.LocalNaps.run, [0.1, 0, 0.1]))


@scenario(MARKER)
async def test_sdk_local_activities_at_one_time(world: World) -> None:
    async with local_worker(world):
        handle = await start(world, local_orders.LocalNapsTogether.run, [0.5, 0.9, 0.1])
        await observe_outcome(world, handle)


@scenario(MARKER, "option:RespondWorkflowTaskCompletedRequest.force_create_new_workflow_task")
async def test_sdk_a_local_activity_outlives_its_workflow_task(world: World) -> None:
    async with local_worker(world):
        handle = await start(world, local_orders.LocalNaps.run, [2.4, 0.1], task_timeout=2 * SHORT)
        await observe_outcome(world, handle)


@scenario(MARKER, "option:RespondWorkflowTaskCompletedRequest.force_create_new_workflow_task")
async def test_sdk_local_activities_outlive_workflow_tasks_without_a_cache(world: World) -> None:
    async with local_worker(world, max_cached_workflows=0):
        handle = await start(world, local_orders.LocalNaps.run, [0.1, 2.3], task_timeout=2 * SHORT)
        await observe_outcome(world, handle)


RETRIES = {
    "at once": (3, 20, 10_000, 0),
    "by timers": (3, 300, 100, 0),
    "too often": (9, 20, 10_000, 3),
    "too often by timers": (9, 300, 100, 2),
}


@pytest.mark.parametrize("how", RETRIES)
@scenario(MARKER, "event:TimerStarted")
async def test_sdk_a_local_activity_is_tried_again(world: World, how: str) -> None:
    async with local_worker(world):
        await observe_outcome(
            world, await start(world, local_orders.LocalRetries.run, *RETRIES[how])
        )


@scenario(MARKER, "event:TimerStarted")
async def test_sdk_a_local_activity_is_tried_again_without_a_cache(world: World) -> None:
    async with local_worker(world, max_cached_workflows=0):
        handle = await start(world, local_orders.LocalRetries.run, *RETRIES["by timers"])
        await observe_outcome(world, handle)


@scenario(MARKER)
async def test_sdk_a_local_activity_fails(world: World) -> None:
    async with local_worker(world):
        await observe_outcome(world, await start(world, local_orders.LocalFailure.run))


TIMEOUTS = {
    "an attempt": (0.2, 0.0, 1),
    "both attempts": (0.2, 0.0, 2),
    "all of it": (0.0, 0.3, 1),
}


@pytest.mark.parametrize("what", TIMEOUTS)
@scenario(MARKER)
async def test_sdk_a_local_activity_takes_too_long(world: World, what: str) -> None:
    async with local_worker(world):
        # The SDK's core refuses even histories of its own here: while it replays, the workflow gets
        # the bare timeout instead of the activity error around it.
        world.workflows.discard(local_orders.LocalTimeouts)
        handle = await start(world, local_orders.LocalTimeouts.run, *TIMEOUTS[what])
        await observe_outcome(world, handle)


CANCELLATION_TYPES = {"try": 0, "wait": 1, "abandon": 2}


@pytest.mark.parametrize("cancellation", CANCELLATION_TYPES)
@pytest.mark.parametrize("after", [0.0, 1.2])
@scenario(MARKER)
async def test_sdk_a_local_activity_is_cancelled(
    world: World, cancellation: str, after: float
) -> None:
    async with local_worker(world):
        number = CANCELLATION_TYPES[cancellation]
        handle = await start(
            world, local_orders.LocalCancellation.run, number, after, True, task_timeout=SHORT
        )
        await observe_outcome(world, handle)


@scenario(MARKER)
async def test_sdk_a_local_activity_completes_although_cancelled(world: World) -> None:
    async with local_worker(world):
        handle = await start(
            world, local_orders.LocalCancellation.run, 1, 1.2, False, task_timeout=SHORT
        )
        await observe_outcome(world, handle)


@pytest.mark.parametrize(
    "by_timer",
    [
        False,
        pytest.param(True, marks=sdk.needs("1.35", "the core waited for it for ever")),
    ],
)
@scenario(MARKER, "event:TimerCanceled")
async def test_sdk_a_local_activity_is_cancelled_between_two_attempts(
    world: World, by_timer: bool
) -> None:
    async with local_worker(world):
        handle = await start(
            world, local_orders.LocalBackoffCancelled.run, by_timer, task_timeout=SHORT
        )
        await observe_outcome(world, handle)


@scenario(MARKER, "event:WorkflowExecutionSignaled")
async def test_sdk_signals_arrive_while_a_local_activity_runs(world: World) -> None:
    async with local_worker(world):
        handle = await start(world, local_orders.LocalMail.run, "one", "two")
        await observe_outcome(world, handle)


@scenario(MARKER, "event:WorkflowExecutionCancelRequested")
async def test_sdk_a_workflow_is_cancelled_while_its_local_activity_runs(world: World) -> None:
    async with local_worker(world):
        handle = await start(world, local_orders.LocalMail.run, task_timeout=SHORT)
        await observe_outcome(world, handle)


@scenario(MARKER, "rpc:UpdateWorkflowExecution", "rpc:QueryWorkflow")
async def test_sdk_handlers_with_local_activities(world: World) -> None:
    async with local_worker(world):
        desk = await start(world, local_orders.LocalDesk.run)
        await world.until_event(run_of(desk), EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        world.observe("paid", await desk.execute_update("pay", "Ada", id="ada"))
        world.observe("paid again", await desk.execute_update("pay", "Bob", id="bob"))
        world.observe("log", await desk.query("log"))
        await desk.signal("leave")
        await observe_outcome(world, desk)
        world.observe("log in the end", await desk.query("log"))


@scenario(MARKER, "event:WorkflowExecutionContinuedAsNew")
async def test_sdk_a_chain_of_runs_with_local_activities(world: World) -> None:
    async with local_worker(world):
        handle = await start(world, local_orders.LocalChain.run, False)
        world.observe("result", await handle.result())
        await world.observe_history("first run", run_of(handle))
        await world.observe_history("second run", Run(handle.id))


@scenario(MARKER)
async def test_sdk_a_workflow_closes_while_its_local_activity_runs(world: World) -> None:
    async with local_worker(world):
        await observe_outcome(
            world, await start(world, local_orders.LocalLeftBehind.run, task_timeout=SHORT)
        )
