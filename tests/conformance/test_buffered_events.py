"""Events that arrive while a workflow task is in flight, and the order they end up in."""

from __future__ import annotations

from temporalio.api.common.v1 import RetryPolicy

from tests.conformance.commands import complete_workflow, schedule_activity, start_timer
from tests.conformance.scenario import scenario
from tests.conformance.world import World

ONCE = RetryPolicy(maximum_attempts=1)


@scenario(
    "rpc:RespondWorkflowTaskCompleted",
    "event:WorkflowExecutionSignaled",
    "event:WorkflowExecutionCancelRequested",
    "event:TimerFired",
    "event:ActivityTaskStarted",
    "event:ActivityTaskCompleted",
    "event:ActivityTaskFailed",
)
async def test_ends_of_activities_come_after_everything_else(world: World) -> None:
    run = await world.start()
    names = ("first", "second", "third")
    await world.raw.run_workflow_task(
        *(
            schedule_activity(
                name, task_queue=world.task_queue, start_to_close=100, retry_policy=ONCE
            )
            for name in names
        ),
        start_timer("t", 1),
    )
    polled = [await world.raw.poll_activity_task() for _ in names]
    activities = {task.activity_id: task for task in polled}
    await world.signal(run, "starts the task")
    task = await world.raw.poll_workflow_task()
    await world.raw.complete_activity_task(activities["second"], "done")
    await world.signal(run, "between")
    await world.raw.fail_activity_task(activities["first"], "failed")
    await world.request_cancel(run)
    await world.pass_time(2.5)
    await world.raw.complete_activity_task(activities["third"], "done")
    await world.signal(run, "last")
    await world.observe_history("in flight", run)
    world.observe("description in flight", await world.describe(run))
    await world.raw.complete_workflow_task(task, start_timer("another", 100))
    await world.observe_history("history", run)


@scenario("rpc:RespondWorkflowTaskCompleted", "event:ActivityTaskTimedOut")
async def test_timeouts_of_activities_come_after_signals(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=1, retry_policy=ONCE),
    )
    await world.raw.poll_activity_task()
    await world.signal(run, "starts the task")
    task = await world.raw.poll_workflow_task()
    await world.pass_time(2.5)
    await world.signal(run, "after the timeout")
    await world.raw.complete_workflow_task(task)
    await world.observe_history("history", run)


@scenario("rpc:RespondWorkflowTaskCompleted", "event:WorkflowExecutionTerminated")
async def test_buffered_events_of_a_run_that_is_terminated(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100)
    )
    activity = await world.raw.poll_activity_task()
    await world.signal(run, "starts the task")
    await world.raw.poll_workflow_task()
    await world.raw.complete_activity_task(activity, "done")
    await world.signal(run, "buffered")
    await world.terminate(run)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario("event:WorkflowTaskFailed", "command:CompleteWorkflowExecution")
async def test_a_run_cannot_complete_while_the_end_of_an_activity_is_buffered(
    world: World,
) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100)
    )
    activity = await world.raw.poll_activity_task()
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.raw.complete_activity_task(activity, "done")
    await world.observe_error("answer", world.raw.complete_workflow_task(task, complete_workflow()))
    await world.observe_history("history", run)


@scenario("rpc:RespondActivityTaskCompleted")
async def test_an_activity_of_this_very_task_cannot_start_before_it(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run, "buffered")
    await world.raw.complete_workflow_task(
        task, schedule_activity("a", task_queue=world.task_queue, start_to_close=100)
    )
    activity = await world.raw.poll_activity_task()
    await world.raw.complete_activity_task(activity, "done")
    await world.observe_history("next task only scheduled", run)
    world.observe_task("next task", await world.raw.poll_workflow_task())


@scenario("event:ActivityTaskStarted")
async def test_a_retried_activity_is_not_written_until_it_ends(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        schedule_activity(
            "a", task_queue=world.task_queue, start_to_close=100,
            retry_policy=RetryPolicy(maximum_attempts=2),
        )
    )  # fmt: skip
    await world.signal(run)
    task = await world.raw.poll_workflow_task()
    await world.raw.fail_activity_task(await world.raw.poll_activity_task(), "first")
    activity = await world.raw.poll_activity_task()
    await world.raw.complete_workflow_task(task)
    await world.observe_history("second attempt running", run)
    await world.raw.complete_activity_task(activity, "done")
    await world.observe_history("history", run)
