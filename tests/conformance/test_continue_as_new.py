"""Runs that continue as new, and what the next run inherits."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.command.v1 import Command, ContinueAsNewWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import CommandType, ContinueAsNewInitiator
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.conformance.commands import (
    complete_workflow,
    continue_as_new,
    fail_workflow,
    modify_memo,
    schedule_activity,
    seconds,
    start_timer,
    upsert_search_attributes,
)
from tests.conformance.payloads import application_failure, header, memo, payloads
from tests.conformance.payloads import search_attributes as attributes
from tests.conformance.raw_worker import RawWorker
from tests.conformance.refusals import LONG
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

COMMAND = "ContinueAsNewWorkflowExecutionCommandAttributes"


@scenario(
    "command:ContinueAsNewWorkflowExecution",
    "event:WorkflowExecutionContinuedAsNew",
    *options(COMMAND, "input"),
)
async def test_a_run_continues_as_new(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.raw.complete_workflow_task(task, continue_as_new("again", 2))
    await world.observe_history("first run", run)
    world.observe("first run's description", await world.describe(run))
    latest = Run(run.workflow_id)
    await world.observe_history("second run, waiting", latest)
    world.observe("second run's description", await world.describe(latest))
    world.observe_task("second run's task", await world.raw.poll_workflow_task())


@scenario("command:ContinueAsNewWorkflowExecution")
async def test_a_run_that_has_lived_long_enough_is_followed_at_once(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.pass_time(1.5)
    await world.raw.complete_workflow_task(task, continue_as_new())
    await world.observe_history("first run", run)
    latest = Run(run.workflow_id)
    await world.observe_history("second run", latest)
    await world.pass_time(1.5)
    await world.raw.run_workflow_task(continue_as_new())
    await world.raw.run_workflow_task(complete_workflow("third time"))
    await world.observe_history("third run", latest)
    world.observe("third run's description", await world.describe(latest))
    await world.closed(latest)


@scenario("command:ContinueAsNewWorkflowExecution")
async def test_the_next_run_inherits(world: World) -> None:
    run = await world.start(
        input=payloads("first"),
        workflow_execution_timeout=seconds(300),
        workflow_run_timeout=seconds(200),
        workflow_task_timeout=seconds(7),
        retry_policy=RetryPolicy(initial_interval=seconds(5), maximum_attempts=3),
        memo=memo(customer="Ada"),
        search_attributes=attributes(ConformanceKeyword=("Keyword", "blue")),
        header=header(trace="t-1"),
        continued_failure=application_failure("before"),
        last_completion_result=payloads("last"),
    )
    await world.raw.run_workflow_task(
        modify_memo(stage="packed"),
        upsert_search_attributes(ConformanceInt=("Int", 7)),
        continue_as_new(),
    )
    await world.observe_history("first run", run)
    latest = Run(run.workflow_id)
    await world.observe_history("second run", latest)
    world.observe("second run's description", await world.describe(latest))


@scenario(
    "command:ContinueAsNewWorkflowExecution",
    *options(
        COMMAND,
        "workflow_type",
        "task_queue",
        "workflow_run_timeout",
        "workflow_task_timeout",
        "retry_policy",
        "memo",
        "search_attributes",
        "header",
        "backoff_start_interval",
        "failure",
        "last_completion_result",
        "initiator",
    ),
)
async def test_the_next_run_is_told_otherwise(world: World) -> None:
    run = await world.start(
        workflow_execution_timeout=seconds(300),
        memo=memo(customer="Ada"),
        search_attributes=attributes(ConformanceKeyword=("Keyword", "blue")),
        header=header(trace="t-1"),
    )
    other = RawWorker(world.client, world.unique("other"))
    await world.raw.run_workflow_task(
        continue_as_new(
            "second",
            workflow_type=WorkflowType(name="Next"),
            task_queue=TaskQueue(name=other.task_queue),
            workflow_run_timeout=seconds(100),
            workflow_task_timeout=seconds(6),
            retry_policy=RetryPolicy(maximum_attempts=2),
            memo=memo(stage="packed"),
            search_attributes=attributes(ConformanceKeyword=("Keyword", "green")),
            header=header(trace="t-2"),
            backoff_start_interval=seconds(2),
            failure=application_failure("so far"),
            last_completion_result=payloads("result so far"),
            initiator=ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW,
        )
    )
    await world.observe_history("first run", run)
    latest = Run(run.workflow_id)
    world.observe("second run's description", await world.describe(latest))
    world.observe_task("second run's task", await other.poll_workflow_task())
    await world.observe_history("second run", latest)


@scenario("command:ContinueAsNewWorkflowExecution")
async def test_the_run_timeout_of_the_next_run_starts_anew(world: World) -> None:
    run = await world.start(
        workflow_run_timeout=seconds(100), workflow_execution_timeout=seconds(3)
    )
    await world.raw.run_workflow_task(continue_as_new())
    await world.pass_time(4.5)
    await world.observe_history("first run", run)
    await world.observe_history("second run", Run(run.workflow_id))


@scenario("command:ContinueAsNewWorkflowExecution", "event:WorkflowExecutionFailed")
async def test_the_next_run_counts_its_attempts_anew(world: World) -> None:
    policy = RetryPolicy(initial_interval=seconds(1), maximum_attempts=3)
    run = await world.start(retry_policy=policy)
    await world.raw.run_workflow_task(fail_workflow("first attempt"))
    await world.raw.run_workflow_task(continue_as_new(retry_policy=policy))
    await world.raw.run_workflow_task(fail_workflow("first attempt of the next run"))
    await world.observe_history("waiting", Run(run.workflow_id))
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_history("history", Run(run.workflow_id))


@scenario("command:ContinueAsNewWorkflowExecution")
async def test_a_run_continues_as_new_with_things_open(world: World) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(
        start_timer("t", 100),
        schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
        continue_as_new(),
    )
    await world.observe_history("first run", run)
    world.observe("first run's description", await world.describe(run))


@scenario("command:ContinueAsNewWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_run_cannot_continue_as_new_while_a_signal_is_buffered(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.signal(run)
    await world.observe_error("answer", world.raw.complete_workflow_task(task, continue_as_new()))
    await world.observe_history("history", run)


@scenario("command:ContinueAsNewWorkflowExecution", "rpc:SignalWorkflowExecution")
async def test_a_signal_and_a_cancellation_reach_the_next_run_while_it_waits(
    world: World,
) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(continue_as_new())
    latest = Run(run.workflow_id)
    await world.observe_error("signal to the first run", world.signal(run))
    await world.signal(latest)
    await world.observe_history("signalled", latest)
    await world.request_cancel(Run(run.workflow_id), first_execution_run_id=run.run_id)
    await world.observe_history("cancelled", latest)


@scenario("command:ContinueAsNewWorkflowExecution", "rpc:StartWorkflowExecution")
async def test_a_chain_is_one_workflow_to_those_who_start_it_again(world: World) -> None:
    request = world.start_request()
    await world.start_with(request)
    await world.raw.run_workflow_task(continue_as_new())
    await world.observe_error("the same request", world.start_with(request))
    request.request_id = "00000000-0000-4000-8000-000000000001"
    await world.observe_error("another request", world.start_with(request))


BAD: dict[str, dict[str, Any]] = {
    "negative run timeout": {"workflow_run_timeout": seconds(-1)},
    "negative task timeout": {"workflow_task_timeout": seconds(-1)},
    "negative backoff": {"backoff_start_interval": seconds(-1)},
    "long type": {"workflow_type": WorkflowType(name=LONG)},
    "long queue": {"task_queue": TaskQueue(name=LONG)},
    "internal queue": {"task_queue": TaskQueue(name="temporal-sys-per-ns-tq")},
    "partition of a queue": {"task_queue": TaskQueue(name="/_sys/x/1")},
    "bad retry policy": {"retry_policy": RetryPolicy(maximum_attempts=-1)},
    "unknown search attribute": {"search_attributes": attributes(Zork=("Keyword", "x"))},
    "large memo": {"memo": memo(x="x" * (2 * 1024 * 1024))},
    "large input": {"input": payloads("x" * (2 * 1024 * 1024))},
    "large search attribute": {
        "search_attributes": attributes(ConformanceKeyword=("Keyword", "x" * 3000))
    },
}


@pytest.mark.parametrize("case", BAD)
@scenario("command:ContinueAsNewWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_run_cannot_continue_as_new_because_of(world: World, case: str) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    command = continue_as_new()
    command.continue_as_new_workflow_execution_command_attributes.MergeFrom(
        ContinueAsNewWorkflowExecutionCommandAttributes(**BAD[case])
    )
    await world.observe_error("answer", world.raw.complete_workflow_task(task, command))
    await world.observe_history("history", run)


@scenario("command:ContinueAsNewWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_run_cannot_continue_as_new_without_attributes(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    command = Command(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
    await world.observe_error("answer", world.raw.complete_workflow_task(task, command))
    await world.observe_history("history", run)
