"""Workflows that run again and again by a cron schedule."""

from __future__ import annotations

from uuid import uuid4

import pytest
from temporalio.api.common.v1 import RetryPolicy, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest
from temporalio.client import WorkflowHistoryEventFilterType

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    continue_as_new,
    fail_workflow,
    seconds,
)
from tests.conformance.family import Family
from tests.conformance.payloads import memo, payloads
from tests.conformance.scenario import scenario
from tests.conformance.world import Run, World

OPTION = "option:StartWorkflowExecutionRequest.cron_schedule"
EVERY = "@every 1s"


@scenario(OPTION, "event:WorkflowExecutionStarted")
async def test_the_first_run_waits_for_its_time(world: World) -> None:
    run = await world.start(cron_schedule=EVERY, input=payloads("first"))
    await world.observe_history("waiting", run)
    await world.raw.poll_workflow_task()
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(OPTION, "event:WorkflowExecutionCompleted")
async def test_a_run_completes_and_the_next_one_knows_its_result(world: World) -> None:
    run = await world.start(cron_schedule=EVERY, input=payloads("first"), memo=memo(a=1))
    await world.raw.run_workflow_task(complete_workflow("one"))
    await world.observe_history("first run", run)
    world.observe("first run's description", await world.describe(run))
    await world.raw.poll_workflow_task()
    await world.observe_history("second run", Run(run.workflow_id))
    world.observe("second run's description", await world.describe(Run(run.workflow_id)))


@scenario(OPTION, "event:WorkflowExecutionFailed")
async def test_a_run_fails_and_the_next_one_knows_both_result_and_failure(world: World) -> None:
    run = await world.start(cron_schedule=EVERY)
    await world.raw.run_workflow_task(complete_workflow("one"))
    await world.raw.run_workflow_task(fail_workflow("two"))
    await world.raw.run_workflow_task(complete_workflow("three"))
    third = await world.raw.poll_workflow_task()
    world.observe_task("fourth run", third)
    await world.observe_history("fourth run: history", Run(run.workflow_id))


@scenario(OPTION, "event:WorkflowExecutionFailed")
async def test_a_failed_run_tells_the_next_one(world: World) -> None:
    run = await world.start(cron_schedule=EVERY)
    await world.raw.run_workflow_task(complete_workflow("one"))
    await world.raw.run_workflow_task(fail_workflow("two"))
    await world.observe_history("third run", Run(run.workflow_id))


@scenario(OPTION, "event:WorkflowExecutionFailed")
async def test_a_run_is_retried_before_its_next_time(world: World) -> None:
    policy = RetryPolicy(initial_interval=seconds(1), maximum_attempts=2)
    run = await world.start(cron_schedule=EVERY, retry_policy=policy)
    await world.raw.run_workflow_task(fail_workflow("one"))
    await world.observe_history("first run", run)
    await world.raw.run_workflow_task(fail_workflow("two"))
    await world.raw.poll_workflow_task()
    await world.observe_history("third run", Run(run.workflow_id))


@scenario(OPTION, "event:WorkflowExecutionTimedOut")
async def test_a_run_times_out_and_is_followed(world: World) -> None:
    run = await world.start(cron_schedule=EVERY, workflow_run_timeout=seconds(1))
    await world.raw.poll_workflow_task()
    await world.closed(run)
    await world.observe_history("first run", run)
    await world.observe_history("second run", Run(run.workflow_id))


@pytest.mark.parametrize("ending", ["cancelled", "terminated"])
@scenario(OPTION, "event:WorkflowExecutionCanceled")
async def test_a_schedule_ends_with_a_run_that_is(world: World, ending: str) -> None:
    run = await world.start(cron_schedule=EVERY)
    await world.raw.poll_workflow_task()
    if ending == "terminated":
        await world.terminate(run)
    else:
        await world.request_cancel(run)
    await world.observe_history("history", run)


@scenario(OPTION, "command:CancelWorkflowExecution")
async def test_a_schedule_ends_with_a_run_that_cancels_itself(world: World) -> None:
    run = await world.start(cron_schedule=EVERY)
    await world.raw.run_workflow_task(cancel_workflow())
    await world.observe_history("history", run)
    world.observe("description", await world.describe(Run(run.workflow_id)))


@scenario(
    "option:ContinueAsNewWorkflowExecutionCommandAttributes.cron_schedule",
    "command:ContinueAsNewWorkflowExecution",
)
async def test_a_run_with_a_schedule_continues_as_new(world: World) -> None:
    run = await world.start(cron_schedule=EVERY)
    await world.raw.run_workflow_task(continue_as_new("again", cron_schedule=EVERY))
    await world.observe_history("first run", run)
    await world.raw.run_workflow_task(complete_workflow("two"))
    await world.raw.poll_workflow_task()
    await world.observe_history("third run", Run(run.workflow_id))


@scenario(
    "option:StartChildWorkflowExecutionCommandAttributes.cron_schedule",
    "event:ChildWorkflowExecutionTerminated",
)
async def test_a_child_with_a_schedule(world: World) -> None:
    family = Family(world)
    await family.start(cron_schedule=EVERY)
    await family.child_worker.run_workflow_task(complete_workflow("one"))
    await family.child_worker.run_workflow_task(fail_workflow("two"))
    await family.child_task()
    await world.observe_history("child", family.child)
    world.observe("parent's description", await world.describe(family.parent))
    await world.terminate(family.child)
    world.observe_task("parent's task", await world.raw.poll_workflow_task())


@scenario(OPTION, "rpc:GetWorkflowExecutionHistory")
async def test_a_client_learns_of_the_next_run(world: World) -> None:
    run = await world.start(cron_schedule=EVERY)
    await world.raw.run_workflow_task(complete_workflow("one"))
    handle = world.client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    await world.observe_error("first run alone", handle.result(follow_runs=False))
    events = handle.fetch_history_events(
        event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, skip_archival=True
    )
    async for event in events:
        world.observe("close event", event, without=["task_id"])


@scenario(
    "rpc:SignalWithStartWorkflowExecution",
    "option:SignalWithStartWorkflowExecutionRequest.cron_schedule",
)
async def test_a_signal_starts_a_cron_workflow(world: World) -> None:
    request = SignalWithStartWorkflowExecutionRequest(
        namespace=world.client.namespace,
        workflow_id=world.unique("order"),
        workflow_type=WorkflowType(name="Order"),
        task_queue=TaskQueue(name=world.task_queue),
        signal_name="poke",
        request_id=str(uuid4()),
        cron_schedule=EVERY,
    )
    started = await world.client.workflow_service.signal_with_start_workflow_execution(request)
    run = Run(request.workflow_id, started.run_id)
    await world.observe_history("waiting", run)
    await world.raw.run_workflow_task(complete_workflow("one"))
    await world.observe_history("first run", run)
    await world.raw.poll_workflow_task()
    await world.observe_history("second run", Run(run.workflow_id))
