"""Child workflows: how they start, how they end, and what their parents learn of it."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.command.v1 import Command, StartChildWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import Priority, RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import CommandType, WorkflowIdReusePolicy
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    continue_as_new,
    fail_workflow,
    schedule_activity,
    seconds,
    start_timer,
)
from tests.conformance.family import Family
from tests.conformance.payloads import header, memo, payload, payloads
from tests.conformance.payloads import search_attributes as attributes
from tests.conformance.refusals import LONG
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

COMMAND = "StartChildWorkflowExecutionCommandAttributes"


@scenario(
    "command:StartChildWorkflowExecution",
    "event:StartChildWorkflowExecutionInitiated",
    "event:ChildWorkflowExecutionStarted",
    "event:ChildWorkflowExecutionCompleted",
    *options(COMMAND, "workflow_id", "workflow_type", "task_queue", "input"),
)
async def test_a_child_completes(world: World) -> None:
    family = Family(world)
    family.parent = await world.start()
    await world.raw.run_workflow_task(family.command("parcel", 3))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    world.observe("while it runs", await world.describe(family.parent))
    task = await family.child_task()
    world.observe_task("child's task", task)
    world.observe("child while it runs", await world.describe(family.child))
    await family.child_worker.complete_workflow_task(task, complete_workflow("shipped"))
    while (await world.describe(family.parent)).pending_children:
        await world.pass_time(0.05)
    await family.observe()


@scenario("command:StartChildWorkflowExecution", "event:ChildWorkflowExecutionCompleted")
async def test_a_parent_is_told_of_the_end_of_its_child(world: World) -> None:
    family = Family(world)
    await family.start()
    await family.end_child(complete_workflow("shipped"))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await family.observe()


@scenario("event:ChildWorkflowExecutionFailed")
async def test_a_child_fails(world: World) -> None:
    family = Family(world)
    await family.start()
    await family.end_child(fail_workflow("lost"))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await family.observe()


@scenario("event:ChildWorkflowExecutionCanceled")
async def test_a_child_cancels_itself(world: World) -> None:
    family = Family(world)
    await family.start()
    await family.end_child(cancel_workflow("never mind"))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await family.observe()


@scenario("event:ChildWorkflowExecutionTerminated")
async def test_a_child_is_terminated(world: World) -> None:
    family = Family(world)
    await family.start()
    await world.terminate(family.child)
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await family.observe()


@scenario("event:ChildWorkflowExecutionTimedOut", *options(COMMAND, "workflow_run_timeout"))
async def test_a_child_times_out(world: World) -> None:
    family = Family(world)
    await family.start(workflow_run_timeout=seconds(1))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await family.observe()


@scenario("command:StartChildWorkflowExecution", "event:StartChildWorkflowExecutionInitiated")
async def test_a_child_inherits_from_its_parent(world: World) -> None:
    family = Family(world)
    await family.start(
        parent={
            "workflow_execution_timeout": seconds(300),
            "workflow_run_timeout": seconds(200),
            "workflow_task_timeout": seconds(7),
            "retry_policy": RetryPolicy(maximum_attempts=3),
            "memo": memo(customer="Ada"),
            "search_attributes": attributes(ConformanceKeyword=("Keyword", "blue")),
            "header": header(trace="t-1"),
            "priority": Priority(priority_key=2, fairness_key="gold"),
        }
    )
    await family.observe()


@scenario(
    "command:StartChildWorkflowExecution",
    *options(
        COMMAND,
        "namespace",
        "workflow_execution_timeout",
        "workflow_run_timeout",
        "workflow_task_timeout",
        "retry_policy",
        "memo",
        "search_attributes",
        "header",
        "priority",
        "control",
    ),
)
async def test_a_child_has_all_that_its_parent_gives_it(world: World) -> None:
    family = Family(world)
    family.parent = await world.start()
    command = family.command(
        "parcel",
        namespace=world.client.namespace,
        workflow_execution_timeout=seconds(300),
        workflow_run_timeout=seconds(200),
        workflow_task_timeout=seconds(7),
        retry_policy=RetryPolicy(maximum_attempts=3),
        memo=memo(customer="Ada"),
        search_attributes=attributes(ConformanceKeyword=("Keyword", "blue")),
        header=header(trace="t-1"),
        priority=Priority(priority_key=2, fairness_key="gold", fairness_weight=2.5),
        control="control",
    )
    command.user_metadata.CopyFrom(
        UserMetadata(summary=payload("a parcel"), details=payload("its details"))
    )
    await world.raw.run_workflow_task(command)
    await world.raw.run_workflow_task()
    await family.observe()


@scenario("command:StartChildWorkflowExecution")
async def test_a_child_on_its_parents_task_queue(world: World) -> None:
    family = Family(world)
    family.parent = await world.start()
    await world.raw.run_workflow_task(family.command(task_queue=None))
    first = await world.raw.poll_workflow_task()
    second = await world.raw.poll_workflow_task()
    by_parent = {task.workflow_execution.workflow_id: task for task in (first, second)}
    await world.raw.complete_workflow_task(
        by_parent[family.child.workflow_id], complete_workflow("shipped")
    )
    await world.raw.complete_workflow_task(by_parent[family.parent.workflow_id])
    await world.raw.poll_workflow_task()
    await family.observe()


@scenario("event:StartChildWorkflowExecutionFailed")
async def test_a_child_whose_id_is_taken(world: World) -> None:
    family = Family(world)
    await world.start_apart("child")
    family.parent = await world.start()
    await world.raw.run_workflow_task(family.command("parcel", control="control"))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    world.observe("parent's description", await world.describe(family.parent))


@pytest.mark.parametrize(
    "policy",
    [
        "UNSPECIFIED",
        "ALLOW_DUPLICATE",
        "ALLOW_DUPLICATE_FAILED_ONLY",
        "REJECT_DUPLICATE",
        "TERMINATE_IF_RUNNING",
    ],
)
@pytest.mark.parametrize("end", ["running", "completed", "failed"])
@scenario("event:StartChildWorkflowExecutionFailed", *options(COMMAND, "workflow_id_reuse_policy"))
async def test_a_childs_id_is_used_again(world: World, end: str, policy: str) -> None:
    family = Family(world)
    earlier, worker = await world.start_apart("child")
    if end != "running":
        ending = complete_workflow() if end == "completed" else fail_workflow()
        await worker.run_workflow_task(ending)
    family.parent = await world.start()
    value = WorkflowIdReusePolicy.Value(f"WORKFLOW_ID_REUSE_POLICY_{policy}")
    await world.raw.run_workflow_task(family.command(workflow_id_reuse_policy=value))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await world.observe_history("earlier run", earlier)
    await world.observe_history("latest run", family.child)


@scenario("event:ChildWorkflowExecutionStarted", "event:ChildWorkflowExecutionCompleted")
async def test_news_of_a_child_while_a_task_is_in_flight(world: World) -> None:
    family = Family(world)
    await family.start()
    await world.signal(family.parent, "starts the task")
    task = await world.raw.poll_workflow_task()
    await family.end_child(complete_workflow("shipped"))
    await world.closed(family.child)
    await world.pass_time(0.3)
    await world.signal(family.parent, "after the child")
    await world.observe_history("in flight", family.parent)
    world.observe("in flight, described", await world.describe(family.parent))
    await world.raw.complete_workflow_task(task, start_timer("t", 100))
    await family.observe()


@scenario("event:ChildWorkflowExecutionStarted", "event:ChildWorkflowExecutionFailed")
async def test_a_child_starts_and_ends_while_a_task_is_in_flight(world: World) -> None:
    family = Family(world)
    family.parent = await world.start()
    task = await world.raw.poll_workflow_task()
    response = await world.raw.complete_workflow_task(
        task,
        family.command(),
        force_create_new_workflow_task=True,
        return_new_workflow_task=True,
    )
    await family.end_child(fail_workflow("lost"))
    await world.closed(family.child)
    await world.pass_time(0.3)
    await world.signal(family.parent, "after the child")
    await world.raw.complete_workflow_task(response.workflow_task)
    await family.observe()


@scenario("event:ChildWorkflowExecutionCompleted", "command:ContinueAsNewWorkflowExecution")
async def test_a_child_continues_as_new_and_completes(world: World) -> None:
    family = Family(world)
    await family.start()
    task = await family.child_task()
    await world.pass_time(1.2)
    await family.child_worker.complete_workflow_task(task, continue_as_new("again"))
    await world.observe_history("child's second run", family.child)
    world.observe("parent's description", await world.describe(family.parent))
    await family.end_child(complete_workflow("shipped"))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await family.observe()


@scenario("event:ChildWorkflowExecutionFailed", *options(COMMAND, "retry_policy"))
async def test_a_child_is_retried(world: World) -> None:
    family = Family(world)
    policy = RetryPolicy(initial_interval=seconds(1), maximum_attempts=2)
    await family.start(retry_policy=policy)
    await family.end_child(fail_workflow("first"))
    await family.end_child(fail_workflow("second"))
    world.observe_task("parent's task", await world.raw.poll_workflow_task())
    await family.observe()


@scenario("command:ContinueAsNewWorkflowExecution", "event:ChildWorkflowExecutionStarted")
async def test_a_parent_continues_as_new_with_a_child(world: World) -> None:
    family = Family(world)
    await family.start()
    await world.signal(family.parent)
    task = await world.raw.poll_workflow_task()
    await world.pass_time(1.2)
    await world.raw.complete_workflow_task(task, continue_as_new())
    await world.closed(family.child)
    await world.observe_history("child", family.child)
    await world.observe_history("parent's first run", family.parent)
    await world.observe_history("parent's second run", Run(family.parent.workflow_id))


@scenario("event:WorkflowExecutionStarted")
async def test_a_grandchild_knows_its_root(world: World) -> None:
    family = Family(world)
    await family.start()
    grandchild = Run(world.unique("grandchild"))
    await family.end_child(family.command(workflow_id=grandchild.workflow_id))
    # The child's own task, with the news of the grandchild's start, is on the same queue.
    await family.child_task()
    await family.child_task()
    await world.observe_history("grandchild", grandchild)
    world.observe("grandchild's description", await world.describe(grandchild))


@scenario("command:StartChildWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_parent_cannot_complete_while_the_end_of_a_child_is_buffered(
    world: World,
) -> None:
    family = Family(world)
    await family.start()
    await world.signal(family.parent)
    task = await world.raw.poll_workflow_task()
    await family.end_child(complete_workflow())
    await world.closed(family.child)
    await world.pass_time(0.3)
    await world.observe_error("answer", world.raw.complete_workflow_task(task, complete_workflow()))
    await world.observe_history("parent", family.parent)


BAD: dict[str, dict[str, Any]] = {
    "no id": {"workflow_id": ""},
    "no type": {"workflow_type": WorkflowType()},
    "long id": {"workflow_id": LONG},
    "long type": {"workflow_type": WorkflowType(name=LONG)},
    "long queue": {"task_queue": TaskQueue(name=LONG)},
    "internal queue": {"task_queue": TaskQueue(name="temporal-sys-per-ns-tq")},
    "partition of a queue": {"task_queue": TaskQueue(name="/_sys/x/1")},
    "negative execution timeout": {"workflow_execution_timeout": seconds(-1)},
    "negative run timeout": {"workflow_run_timeout": seconds(-1)},
    "negative task timeout": {"workflow_task_timeout": seconds(-1)},
    "bad retry policy": {"retry_policy": RetryPolicy(maximum_attempts=-1)},
    "bad cron schedule": {"cron_schedule": "never"},
    "unknown search attribute": {"search_attributes": attributes(Zork=("Keyword", "x"))},
    "bad priority": {"priority": Priority(priority_key=-1)},
    "large input": {"input": payloads("x" * (2 * 1024 * 1024))},
    "large memo": {"memo": memo(x="x" * (2 * 1024 * 1024))},
    "large search attribute": {
        "search_attributes": attributes(ConformanceKeyword=("Keyword", "x" * 3000))
    },
    "unknown namespace": {"namespace": "nowhere"},
}


@pytest.mark.parametrize("case", BAD)
@scenario("command:StartChildWorkflowExecution", "event:WorkflowTaskFailed")
async def test_a_child_cannot_start_because_of(world: World, case: str) -> None:
    family = Family(world)
    family.parent = await world.start()
    task = await world.raw.poll_workflow_task()
    command = family.command()
    wanted = command.start_child_workflow_execution_command_attributes
    for field in BAD[case]:
        wanted.ClearField(field)  # type: ignore[arg-type]
    wanted.MergeFrom(StartChildWorkflowExecutionCommandAttributes(**BAD[case]))
    await world.observe_error("answer", world.raw.complete_workflow_task(task, command))
    await world.observe_history("parent", family.parent)


@scenario("command:StartChildWorkflowExecution", "event:WorkflowTaskFailed")
async def test_one_child_too_many_commands_undo_nothing(world: World) -> None:
    family = Family(world)
    family.parent = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.observe_error(
        "answer",
        world.raw.complete_workflow_task(
            task,
            schedule_activity("a", task_queue=world.task_queue, start_to_close=100),
            family.command(),
            Command(command_type=CommandType.COMMAND_TYPE_START_TIMER),
        ),
    )
    await world.observe_history("parent", family.parent)
    await world.observe_error("child", world.describe(family.child))
