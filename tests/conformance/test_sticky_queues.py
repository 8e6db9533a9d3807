"""Sticky task queues: where the next workflow task goes, and what happens if nobody is there."""

from __future__ import annotations

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import (
    ResetStickyTaskQueueRequest,
    ShutdownWorkerRequest,
)

from tests.conformance.commands import complete_workflow, seconds
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


async def start_sticky(world: World, timeout: float = 10) -> tuple[Run, str]:
    """A run whose first task was answered by a worker with a sticky queue, and that queue."""
    sticky = world.unique("sticky")
    run = await world.start()
    await world.raw.run_workflow_task(sticky_queue=sticky, sticky_timeout=timeout)
    return run, sticky


@scenario(
    "option:RespondWorkflowTaskCompletedRequest.sticky_attributes",
    "option:PollWorkflowTaskQueueRequest.task_queue",
    "event:WorkflowTaskScheduled",
)
async def test_the_next_task_goes_to_the_sticky_queue_with_the_new_events(world: World) -> None:
    run, sticky = await start_sticky(world)
    poll = await world.raw.start_polling(sticky)
    await world.signal(run)
    task = await poll
    world.observe_task("sticky task", task)
    await world.observe_history("sticky task in flight", run)
    world.observe("description", await world.describe(run))
    await world.raw.complete_workflow_task(task, sticky_queue=sticky)
    await world.signal(run, "again")
    task = await world.raw.poll_workflow_task(sticky_queue=sticky)
    world.observe_task("second sticky task", task)
    await world.raw.complete_workflow_task(task, complete_workflow())
    await world.observe_history("history", run)


@scenario("option:RespondWorkflowTaskCompletedRequest.sticky_attributes")
async def test_an_answer_without_sticky_attributes_ends_stickiness(world: World) -> None:
    run, sticky = await start_sticky(world)
    poll = await world.raw.start_polling(sticky)
    await world.signal(run)
    await world.raw.complete_workflow_task(await poll)
    await world.signal(run, "again")
    task = await world.raw.poll_workflow_task()
    world.observe_task("task on the normal queue", task)


@scenario("option:RespondWorkflowTaskCompletedRequest.sticky_attributes")
async def test_a_sticky_queue_that_nobody_ever_polled(world: World) -> None:
    run, sticky = await start_sticky(world, timeout=100)
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    world.observe_task("task on the normal queue", task)
    await world.raw.complete_workflow_task(task, sticky_queue=sticky)
    await world.observe_history("history", run)


@scenario("event:WorkflowTaskTimedOut")
async def test_nobody_takes_the_sticky_task_in_time(world: World) -> None:
    run, sticky = await start_sticky(world, timeout=1)
    poll = await world.raw.start_polling(sticky)
    await world.signal(run)
    await world.raw.complete_workflow_task(await poll, sticky_queue=sticky, sticky_timeout=1)
    await world.signal(run, "again")
    task = await world.raw.poll_workflow_task()
    world.observe_task("task on the normal queue", task)
    await world.raw.complete_workflow_task(task)
    await world.observe_history("history", run)


@scenario("event:WorkflowTaskTimedOut")
async def test_a_sticky_task_is_not_answered_in_time(world: World) -> None:
    sticky = world.unique("sticky")
    run = await world.start(workflow_task_timeout=seconds(1))
    await world.raw.run_workflow_task(sticky_queue=sticky)
    poll = await world.raw.start_polling(sticky)
    await world.signal(run)
    await poll
    task = await world.raw.poll_workflow_task()
    world.observe_task("task on the normal queue", task)


@scenario("rpc:RespondWorkflowTaskFailed")
async def test_a_failed_sticky_task_goes_back_to_the_normal_queue(world: World) -> None:
    run, sticky = await start_sticky(world)
    poll = await world.raw.start_polling(sticky)
    await world.signal(run)
    task = await poll
    await world.raw.fail_workflow_task(
        task,
        "evicted",
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE,
    )
    await world.observe_history("failed", run)
    world.observe_task("task on the normal queue", await world.raw.poll_workflow_task())


@scenario(
    "rpc:ResetStickyTaskQueue", *options("ResetStickyTaskQueueRequest", "namespace", "execution")
)
async def test_stickiness_is_reset_between_tasks(world: World) -> None:
    run, _ = await start_sticky(world)
    request = ResetStickyTaskQueueRequest(namespace=world.client.namespace, execution=run.execution)
    await world.observe_error(
        "answer", world.client.workflow_service.reset_sticky_task_queue(request)
    )
    await world.signal(run)
    world.observe_task("task on the normal queue", await world.raw.poll_workflow_task())
    await world.observe_history("history", run)


@scenario("rpc:ResetStickyTaskQueue")
async def test_stickiness_is_reset_of_runs_that_cannot_be(world: World) -> None:
    reset = world.client.workflow_service.reset_sticky_task_queue
    run = await world.start()
    await world.terminate(run)
    for name, execution in [
        ("closed", run.execution),
        ("unknown", Run("unknown").execution),
    ]:
        request = ResetStickyTaskQueueRequest(namespace=world.client.namespace, execution=execution)
        await world.observe_error(name, reset(request))


@scenario(
    "rpc:ShutdownWorker",
    *options("ShutdownWorkerRequest", "namespace", "sticky_task_queue", "identity", "reason"),
)
async def test_a_worker_that_shuts_down_gives_its_sticky_tasks_back(world: World) -> None:
    run, sticky = await start_sticky(world, timeout=100)
    poll = await world.raw.start_polling(sticky)
    await world.signal(run)
    await world.raw.complete_workflow_task(await poll, sticky_queue=sticky, sticky_timeout=100)
    await world.observe_error(
        "shutdown",
        world.client.workflow_service.shutdown_worker(
            ShutdownWorkerRequest(
                namespace=world.client.namespace,
                sticky_task_queue=sticky,
                identity=world.raw.identity,
                reason="done",
                task_queue=world.task_queue,
                worker_instance_key="key",
            )
        ),
    )
    await world.signal(run, "again")
    world.observe_task("task on the normal queue", await world.raw.poll_workflow_task())


@scenario("option:RespondWorkflowTaskCompletedRequest.return_new_workflow_task")
async def test_a_returned_task_of_a_sticky_worker_has_only_new_events(world: World) -> None:
    sticky = world.unique("sticky")
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    answer = await world.raw.complete_workflow_task(
        task, sticky_queue=sticky, return_new_workflow_task=True
    )
    world.observe_task("returned task", answer.workflow_task)
    answer = await world.raw.complete_workflow_task(
        answer.workflow_task,
        sticky_queue=sticky,
        return_new_workflow_task=True,
        force_create_new_workflow_task=True,
    )
    world.observe_task("second returned task", answer.workflow_task)
    await world.observe_history("history", run)
