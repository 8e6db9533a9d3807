"""Task queues: who polls, who gets what, and empty answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType, WorkerStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    PollNexusTaskQueueRequest,
    RecordWorkerHeartbeatRequest,
    ShutdownWorkerRequest,
)

from tests.conformance.commands import schedule_activity
from tests.conformance.raw_worker import RawWorker
from tests.conformance.scenario import options, scenario
from tests.conformance.world import World

WORKFLOW = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


async def describe_queue(
    world: World, kind: TaskQueueType.ValueType, **fields: Any
) -> DescribeTaskQueueResponse:
    """Describe the scenario's task queue."""
    return await world.client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            **{
                "namespace": world.client.namespace,
                "task_queue": TaskQueue(name=world.task_queue),
                "task_queue_type": kind,
                **fields,
            }
        )
    )


@scenario("rpc:PollWorkflowTaskQueue", "rpc:PollActivityTaskQueue")
async def test_polls_of_an_empty_queue_end_without_a_task(world: World) -> None:
    workflow, activity = await asyncio.gather(
        world.raw.poll_workflow_queue(wait=3), world.raw.poll_activity_queue(wait=3)
    )
    world.observe("workflow", workflow)
    world.observe("activity", activity)


@scenario("rpc:PollWorkflowTaskQueue", "rpc:PollActivityTaskQueue")
async def test_polls_with_too_little_time(world: World) -> None:
    await world.observe_error("workflow", world.raw.poll_workflow_queue(wait=0.5))
    await world.observe_error("activity", world.raw.poll_activity_queue(wait=0.5))


@scenario("rpc:DescribeTaskQueue")
async def test_a_queue_that_nobody_uses(world: World) -> None:
    world.observe("workflow", await describe_queue(world, WORKFLOW))
    world.observe("activity", await describe_queue(world, ACTIVITY))
    world.observe(
        "unspecified",
        await describe_queue(world, TaskQueueType.TASK_QUEUE_TYPE_UNSPECIFIED),
    )


@scenario(
    "rpc:DescribeTaskQueue",
    *options("DescribeTaskQueueRequest", "namespace", "task_queue", "task_queue_type"),
)
async def test_pollers_of_a_queue_are_described(world: World) -> None:
    other = RawWorker(world.client, world.task_queue, identity="other-worker")
    await asyncio.gather(
        world.raw.poll_workflow_queue(wait=3),
        other.poll_workflow_queue(wait=3),
        other.poll_activity_queue(wait=3),
    )
    world.observe("workflow", await describe_queue(world, WORKFLOW))
    world.observe("activity", await describe_queue(world, ACTIVITY))


@scenario("option:DescribeTaskQueueRequest.report_stats")
async def test_the_backlog_of_a_queue_is_described(world: World) -> None:
    await world.start("first")
    await world.start("second")
    world.observe(
        "with stats",
        await describe_queue(world, WORKFLOW, report_stats=True),
        without=["stats", "stats_by_priority_key"],
    )
    world.observe(
        "with status",
        await describe_queue(world, WORKFLOW, include_task_queue_status=True),
        without=["task_queue_status"],
    )


@scenario("rpc:PollWorkflowTaskQueue")
async def test_a_poll_waits_for_the_next_task(world: World) -> None:
    poll = asyncio.create_task(world.raw.poll_workflow_task())
    await world.pass_time(0.5)
    run = await world.start()
    task = await poll
    world.observe_task("task", task)
    activity = asyncio.create_task(world.raw.poll_activity_task())
    await world.pass_time(0.5)
    await world.raw.complete_workflow_task(
        task, schedule_activity("a", task_queue=world.task_queue, start_to_close=100)
    )
    world.observe_task("activity", await activity)
    await world.observe_history("history", run)


@scenario("rpc:PollWorkflowTaskQueue")
async def test_each_task_is_given_out_once(world: World) -> None:
    names = [f"order-{n}" for n in range(5)]
    for name in names:
        await world.start(name)
    # Sorted, because the real server gives out a backlog in no particular order.
    polls = [await world.raw.poll_workflow_task() for _ in names]
    world.observe("given out", sorted(task.workflow_execution.workflow_id for task in polls))
    world.observe("then", await world.raw.poll_workflow_queue(wait=3))


@scenario("rpc:PollWorkflowTaskQueue")
async def test_a_task_of_a_closed_run_is_not_given_out(world: World) -> None:
    closed = await world.start("closed")
    await world.terminate(closed)
    await world.start("open")
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("rpc:ShutdownWorker")
async def test_a_worker_that_shuts_down_gets_empty_answers(world: World) -> None:
    await world.observe_error(
        "unknown worker",
        world.client.workflow_service.shutdown_worker(
            ShutdownWorkerRequest(
                namespace=world.client.namespace,
                sticky_task_queue=world.unique("unknown"),
                identity="unknown",
            )
        ),
    )
    await world.observe_error(
        "no sticky queue",
        world.client.workflow_service.shutdown_worker(
            ShutdownWorkerRequest(namespace=world.client.namespace, identity="unknown")
        ),
    )


@scenario("option:PollWorkflowTaskQueueRequest.task_queue")
async def test_a_sticky_queue_is_described(world: World) -> None:
    sticky = world.unique("sticky")
    poll = await world.raw.start_polling(sticky)
    queue = TaskQueue(
        name=sticky,
        kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY,
        normal_name=world.task_queue,
    )
    world.observe("sticky", await describe_queue(world, WORKFLOW, task_queue=queue))
    poll.cancel()


@scenario(
    "rpc:PollNexusTaskQueue",
    *options("PollNexusTaskQueueRequest", "namespace", "task_queue", "identity"),
)
async def test_a_poll_for_nexus_tasks_ends_without_one(world: World) -> None:
    answer = await world.client.workflow_service.poll_nexus_task_queue(
        PollNexusTaskQueueRequest(
            namespace=world.client.namespace,
            task_queue=TaskQueue(name=world.task_queue),
            identity=world.raw.identity,
        ),
        timeout=timedelta(seconds=3),
    )
    world.observe("answer", answer)


@scenario(
    "rpc:RecordWorkerHeartbeat",
    "option:ShutdownWorkerRequest.worker_heartbeat",
    *options(
        "RecordWorkerHeartbeatRequest", "namespace", "identity", "worker_heartbeat", "resource_id"
    ),
)
async def test_a_worker_tells_of_itself(world: World) -> None:
    heartbeat = WorkerHeartbeat(
        worker_instance_key=world.unique("worker"),
        worker_identity=world.raw.identity,
        task_queue=world.task_queue,
        status=WorkerStatus.WORKER_STATUS_RUNNING,
    )
    await world.observe_error(
        "answer",
        world.client.workflow_service.record_worker_heartbeat(
            RecordWorkerHeartbeatRequest(
                namespace=world.client.namespace,
                identity=world.raw.identity,
                worker_heartbeat=[heartbeat],
                resource_id="worker:one",
            )
        ),
    )
    await world.observe_error(
        "farewell",
        world.client.workflow_service.shutdown_worker(
            ShutdownWorkerRequest(
                namespace=world.client.namespace,
                identity=world.raw.identity,
                worker_heartbeat=heartbeat,
            )
        ),
    )
