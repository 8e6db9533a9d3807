"""What becomes of children when their parent closes."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import ParentClosePolicy

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    continue_as_new,
    fail_workflow,
    seconds,
)
from tests.conformance.family import Family
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

ABANDON = ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON
REQUEST_CANCEL = ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL
TERMINATE = ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE

POLICY = options("StartChildWorkflowExecutionCommandAttributes", "parent_close_policy")


async def observe_child(family: Family, policy: ParentClosePolicy.ValueType) -> None:
    """Note what has become of the child, once something has if something must."""
    world = family.world
    if policy == TERMINATE:
        await world.closed(family.child)
    elif policy == REQUEST_CANCEL:
        while not (await world.describe(family.child)).workflow_extended_info.cancel_requested:
            await world.pass_time(0.05)
    else:
        await world.pass_time(0.3)
    await world.observe_history("child", family.child)
    await world.observe_history("parent", family.parent)
    world.observe("parent's description", await world.describe(family.parent))


ENDINGS = {
    "completes": complete_workflow(),
    "fails": fail_workflow(),
    "is cancelled": cancel_workflow(),
    "continues as new": continue_as_new(),
}


@pytest.mark.parametrize("policy", ["ABANDON", "REQUEST_CANCEL", "TERMINATE"])
@pytest.mark.parametrize("ending", ENDINGS)
@scenario("event:WorkflowExecutionTerminated", "event:WorkflowExecutionCancelRequested", *POLICY)
async def test_a_parent_with_a_child(world: World, ending: str, policy: str) -> None:
    family = Family(world)
    value = ParentClosePolicy.Value(f"PARENT_CLOSE_POLICY_{policy}")
    await family.start(parent_close_policy=value)
    await world.signal(family.parent)
    await world.raw.run_workflow_task(ENDINGS[ending])
    await observe_child(family, value)


@pytest.mark.parametrize("policy", ["ABANDON", "REQUEST_CANCEL", "TERMINATE"])
@scenario("rpc:TerminateWorkflowExecution", *POLICY)
async def test_a_parent_with_a_child_is_terminated(world: World, policy: str) -> None:
    family = Family(world)
    value = ParentClosePolicy.Value(f"PARENT_CLOSE_POLICY_{policy}")
    await family.start(parent_close_policy=value)
    await world.terminate(family.parent)
    await observe_child(family, value)


@scenario("event:WorkflowExecutionTimedOut", *POLICY)
async def test_a_parent_with_a_child_times_out(world: World) -> None:
    family = Family(world)
    await family.start(parent={"workflow_run_timeout": seconds(1)}, parent_close_policy=TERMINATE)
    await observe_child(family, TERMINATE)


@scenario("event:WorkflowExecutionTerminated", *POLICY)
async def test_a_child_is_terminated_while_its_task_is_in_flight(world: World) -> None:
    family = Family(world)
    await family.start()
    task = await family.child_task()
    await world.signal(family.child, "buffered")
    await world.terminate(family.parent)
    await observe_child(family, TERMINATE)
    await world.observe_error(
        "late answer", family.child_worker.complete_workflow_task(task, complete_workflow())
    )


@scenario("event:WorkflowExecutionCancelRequested", *POLICY)
async def test_a_child_that_was_to_be_cancelled_cancels_itself(world: World) -> None:
    family = Family(world)
    await family.start(parent_close_policy=REQUEST_CANCEL)
    await family.child_worker.run_workflow_task()
    await world.terminate(family.parent)
    await family.end_child(cancel_workflow())
    await world.observe_history("child", family.child)
    await world.observe_history("parent", family.parent)


@scenario("event:WorkflowExecutionTerminated", *POLICY)
async def test_a_child_that_has_continued_as_new_is_terminated(world: World) -> None:
    family = Family(world)
    await family.start()
    task = await family.child_task()
    await world.pass_time(1.2)
    await family.child_worker.complete_workflow_task(task, continue_as_new())
    await world.terminate(family.parent)
    await observe_child(family, TERMINATE)


@scenario("event:WorkflowExecutionTerminated", *POLICY)
async def test_another_run_with_the_childs_id_is_left_alone(world: World) -> None:
    family = Family(world)
    await family.start()
    await family.end_child(complete_workflow())
    other, _ = await world.start_apart("child")
    await world.terminate(family.parent)
    await world.pass_time(0.3)
    await world.observe_history("other", other)


@pytest.mark.parametrize("policy", ["ABANDON", "REQUEST_CANCEL", "TERMINATE"])
@scenario("command:StartChildWorkflowExecution", *POLICY)
async def test_a_parent_closes_with_the_command_that_starts_a_child(
    world: World, policy: str
) -> None:
    family = Family(world)
    family.parent = await world.start()
    value = ParentClosePolicy.Value(f"PARENT_CLOSE_POLICY_{policy}")
    await world.raw.run_workflow_task(
        family.command(parent_close_policy=value), complete_workflow()
    )
    await world.pass_time(0.5)
    await world.observe_error("child", world.describe(family.child))
    world.observe("parent's description", await world.describe(family.parent))
    await world.observe_history("parent", family.parent)


@scenario("event:WorkflowExecutionTerminated", *POLICY)
async def test_a_grandparent_is_terminated(world: World) -> None:
    family = Family(world)
    await family.start()
    grandchild = Run(world.unique("grandchild"))
    await family.end_child(family.command(workflow_id=grandchild.workflow_id))
    while not (await world.describe(family.child)).pending_children[0].run_id:
        await world.pass_time(0.05)
    await world.terminate(family.parent)
    await world.closed(grandchild)
    await world.observe_history("grandchild", grandchild)
