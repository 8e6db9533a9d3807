"""How many activities a second workers ask of their task queue.

On the real server with low limits, whose task queues have one partition: with several, each keeps to
the rate by itself. No scenario asks for the exact moment at which a task comes; the tests of the
engine do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueMetadata
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
)

from tests.conformance import errands
from tests.conformance.commands import schedule_activity
from tests.conformance.scenario import options, scenario
from tests.conformance.test_sdk_workers import observe_outcome, start
from tests.conformance.world import World

LOW: Final = "dev server with low limits"
RATE = (
    *options("PollActivityTaskQueueRequest", "task_queue_metadata"),
    *options("TaskQueueMetadata", "max_tasks_per_second"),
)
#: So few a second that no scenario sees a second one.
SCARCELY = 0.001


def poll(
    world: World, rate: float | None, *, wait: float = 20, identity: str = "raw-worker"
) -> Coroutine[Any, Any, PollActivityTaskQueueResponse]:
    """Poll for activities, wanting so many a second."""
    metadata = None
    if rate is not None:
        metadata = TaskQueueMetadata()
        metadata.max_tasks_per_second.value = rate
    return world.client.workflow_service.poll_activity_task_queue(
        PollActivityTaskQueueRequest(
            namespace=world.client.namespace,
            task_queue=TaskQueue(name=world.task_queue),
            identity=identity,
            task_queue_metadata=metadata,
        ),
        timeout=timedelta(seconds=wait),
    )


async def described(world: World) -> DescribeTaskQueueResponse:
    """The scenario's task queue of activities."""
    return await world.client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=world.client.namespace,
            task_queue=TaskQueue(name=world.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )


async def waiting(world: World, rate: float | None) -> asyncio.Task[PollActivityTaskQueueResponse]:
    """A poll that the server knows of: a task that finds none counts, on the real server."""
    identity = world.unique("waiting")
    task = asyncio.create_task(poll(world, rate, identity=identity))
    while identity not in {poller.identity for poller in (await described(world)).pollers}:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return task


def activity(name: str, world: World, **fields: Any) -> Command:
    """Schedule an activity on the scenario's task queue."""
    return schedule_activity(name, task_queue=world.task_queue, start_to_close=100, **fields)


@scenario(*RATE, real=LOW)
async def test_a_worker_that_wants_no_tasks_gets_none(world: World) -> None:
    first = await waiting(world, 0)
    await world.start()
    await world.raw.run_workflow_task(activity("a", world), activity("b", world))
    world.observe("no tasks", await poll(world, 0, wait=3))
    world.observe("queue", await described(world))
    # The last poll's word holds, for those that wait already as well.
    given = [await poll(world, None), await first]
    world.observe("given", sorted(task.activity_id for task in given))
    world.observe("queue then", await described(world))


@scenario(*RATE, real=LOW)
async def test_tasks_come_no_faster_than_a_worker_wants_them(world: World) -> None:
    first = await waiting(world, SCARCELY)
    run = await world.start()
    await world.raw.run_workflow_task(activity("a", world), activity("b", world))
    given = [await first]
    world.observe("too early", await poll(world, SCARCELY, wait=3))
    world.observe("queue", await described(world))
    given.append(await poll(world, None))
    world.observe("given", sorted(task.activity_id for task in given))
    world.observe("queue then", await described(world))
    await world.terminate(run)


@scenario(*RATE, "option:ScheduleActivityTaskCommandAttributes.request_eager_execution", real=LOW)
async def test_activities_that_come_with_an_answer_do_not_count(world: World) -> None:
    first = await waiting(world, SCARCELY)
    await world.start()
    answer = await world.raw.run_workflow_task(
        activity("a", world, request_eager_execution=True), activity("b", world)
    )
    world.observe("with the answer", [task.activity_id for task in answer.activity_tasks])
    world.observe("from the queue", (await first).activity_id)


@scenario(*RATE, real=LOW)
async def test_nobody_gets_more_than_the_system_allows(world: World) -> None:
    world.observe("poll", await poll(world, 1_000_000, wait=3))
    world.observe("queue", await described(world))


@scenario(*RATE, clock="virtual")
async def test_sdk_a_worker_asks_for_few_activities(world: World) -> None:
    async with world.worker(
        workflows=errands.WORKFLOWS,
        activities=errands.ACTIVITIES,
        max_task_queue_activities_per_second=3,
    ):
        for name in ("first", "second"):
            handle = await start(world, errands.Errand.run, "beat_and_fail", [2], name=name)
            await observe_outcome(world, handle)
