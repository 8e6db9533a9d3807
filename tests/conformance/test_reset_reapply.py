"""What a run that is reset is told again of what has happened since, and what other runs notice of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.api.enums.v1 import (
    EventType,
    ParentClosePolicy,
    ResetReapplyExcludeType,
    ResetReapplyType,
    WorkflowIdConflictPolicy,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import (
    OnConflictOptions,
)

from tests.conformance import updates
from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    continue_as_new,
    fail_workflow,
    request_cancel_external,
    signal_external,
    start_child,
)
from tests.conformance.family import Family
from tests.conformance.raw_worker import RawWorker
from tests.conformance.resets import finished_task, observe_run, reset
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

REQUEST = "ResetWorkflowExecutionRequest"

EXCLUDE_SIGNALS = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL
EXCLUDE_UPDATES = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE


# --- what is asked again


REAPPLIED: Mapping[str, dict[str, Any]] = {
    "unspecified": {},
    "signals": {"reset_reapply_type": ResetReapplyType.RESET_REAPPLY_TYPE_SIGNAL},
    "nothing": {"reset_reapply_type": ResetReapplyType.RESET_REAPPLY_TYPE_NONE},
    "everything": {"reset_reapply_type": ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE},
    "no signals": {"reset_reapply_exclude_types": [EXCLUDE_SIGNALS]},
    "no updates": {"reset_reapply_exclude_types": [EXCLUDE_UPDATES]},
    "neither": {"reset_reapply_exclude_types": [EXCLUDE_SIGNALS, EXCLUDE_UPDATES]},
    "no cancel request": {
        "reset_reapply_exclude_types": [
            ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_CANCEL_REQUEST
        ]
    },
    "no nexus": {
        "reset_reapply_exclude_types": [ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_NEXUS]
    },
    "unknown": {"reset_reapply_exclude_types": [0, 99]},
    "signals but no signals": {
        "reset_reapply_type": ResetReapplyType.RESET_REAPPLY_TYPE_SIGNAL,
        "reset_reapply_exclude_types": [EXCLUDE_SIGNALS],
    },
    "nothing and no signals": {
        "reset_reapply_type": ResetReapplyType.RESET_REAPPLY_TYPE_NONE,
        "reset_reapply_exclude_types": [EXCLUDE_SIGNALS],
    },
}


@pytest.mark.parametrize("case", REAPPLIED)
@scenario(
    "event:WorkflowExecutionSignaled",
    "event:WorkflowExecutionUpdateAdmitted",
    *options(REQUEST, "reset_reapply_type", "reset_reapply_exclude_types"),
)
async def test_what_is_asked_again_is_chosen(world: World, case: str) -> None:
    family = Family(world)
    await family.start()
    run = family.parent
    reset_point = await finished_task(world, run, -1)
    await world.signal(run, "sign", 1)
    await world.raw.run_workflow_task()
    call = await updates.begun(updates.update(world, run, "first", 1))
    task = await world.raw.poll_workflow_task()
    await updates.answer(world, task, updates.accept(task.messages[0]))
    await world.start_with(
        world.start_request(
            "parent",
            request_id="attached",
            workflow_id_conflict_policy=(
                WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
            ),
            on_conflict_options=OnConflictOptions(attach_request_id=True),
        )
    )
    await family.end_child(complete_workflow("grown up"))
    await world.until_event(run, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
    await world.request_cancel(run)
    new = await reset(world, run, reset_point, **REAPPLIED[case])
    await world.observe_error("update", call)
    await observe_run(world, "new", new)


@scenario("event:WorkflowExecutionUpdateAdmitted", "rpc:PollWorkflowExecutionUpdate")
async def test_updates_are_asked_again(world: World) -> None:
    run = await updates.idle_run(world)
    first = await updates.begun(updates.update(world, run, "first", 1))
    task = await world.raw.poll_workflow_task()
    await updates.answer(world, task, updates.accept(task.messages[0]))
    second = await updates.begun(updates.update(world, run, "second", 2))
    task = await world.raw.poll_workflow_task()
    message = task.messages[0]
    await updates.answer(world, task, updates.accept(message), updates.respond(message, "done"))
    third = await updates.begun(updates.update(world, run, "third", 3))
    new = await reset(world, run, 4)
    for label, call in {"first": first, "second": second, "third": third}.items():
        await world.observe_error(label, call)
        await world.observe_error(
            f"{label} again",
            updates.poll_update(world, new, label, stage=updates.ADMITTED),
        )
    await observe_run(world, "old", run)
    await observe_run(world, "new", new)
    world.observe_task("task", await world.raw.poll_workflow_task())


@scenario("event:WorkflowExecutionUpdateAdmitted", "event:WorkflowExecutionUpdateAccepted")
async def test_an_update_that_was_asked_again_is_answered(world: World) -> None:
    run = await updates.idle_run(world)
    call = await updates.begun(updates.update(world, run, "first", 1))
    task = await world.raw.poll_workflow_task()
    message = task.messages[0]
    await updates.answer(world, task, updates.accept(message))
    new = await reset(world, run, 4)
    await call
    again = await updates.begun(updates.update(world, new, "first", 1))
    task = await world.raw.poll_workflow_task()
    await updates.answer(world, task, updates.accept(message), updates.respond(message, "done"))
    await world.observe_error("again", again)
    await observe_run(world, "new", new)
    newer = await reset(world, new, 4)
    await observe_run(world, "newer", newer)


@scenario("event:WorkflowExecutionUpdateAccepted")
async def test_an_update_that_was_accepted_before_the_reset_point_stays_so(world: World) -> None:
    run = await updates.idle_run(world)
    call = await updates.begun(updates.update(world, run, "first", 1))
    task = await world.raw.poll_workflow_task()
    message = task.messages[0]
    await updates.answer(world, task, updates.accept(message))
    await world.signal(run)
    await world.raw.run_workflow_task(
        *updates.carry(updates.respond(message, "done")),
        messages=[updates.respond(message, "done")],
    )
    await call
    new = await reset(world, run, await finished_task(world, run, -1))
    again = await updates.begun(updates.update(world, new, "first", 1))
    await world.raw.run_workflow_task(
        *updates.carry(updates.respond(message, "better")),
        messages=[updates.respond(message, "better")],
    )
    await world.observe_error("again", again)
    await observe_run(world, "new", new)


@scenario("event:WorkflowExecutionOptionsUpdated")
async def test_attached_request_ids_are_taken_along(world: World) -> None:
    run = await updates.idle_run(world)
    request = world.start_request(
        workflow_id_conflict_policy=(
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        ),
        on_conflict_options=OnConflictOptions(attach_request_id=True),
    )
    await world.start_with(request)
    new = await reset(world, run, 4)
    world.observe("start again", await world.start_with(request))
    await observe_run(world, "new", new)


# --- other runs


@scenario("event:ChildWorkflowExecutionCompleted")
async def test_a_child_reports_to_the_run_that_has_taken_its_parents_place(world: World) -> None:
    family = Family(world)
    await family.start()
    await world.signal(family.parent)
    await world.raw.run_workflow_task()
    new = await reset(world, family.parent, await finished_task(world, family.parent, -1))
    await world.pass_time(0.3)
    await observe_run(world, "child", family.child)
    await observe_run(world, "new", new)
    newer = await reset(world, new, await finished_task(world, family.parent, -1))
    await world.raw.run_workflow_task()
    await family.end_child(complete_workflow("grown up"))
    await world.until_event(newer, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
    await world.observe_history("newer", newer)


@scenario("event:ChildWorkflowExecutionStarted")
async def test_a_child_is_told_of_that_was_started_after_the_reset_point(world: World) -> None:
    run = await world.start()
    _, worker = await world.start_apart("other")
    child = Run(world.unique("child"))
    response = await world.raw.complete_workflow_task(
        await world.raw.poll_workflow_task(),
        start_child(child.workflow_id, task_queue=TaskQueue(name=worker.task_queue)),
        force_create_new_workflow_task=True,
        return_new_workflow_task=True,
    )
    await world.pass_time(0.3)
    await world.raw.complete_workflow_task(response.workflow_task)
    new = await reset(world, run, await finished_task(world, run, 2))
    await world.pass_time(0.3)
    await observe_run(world, "new", new)
    await world.observe_history("child", child)


@pytest.mark.parametrize("policy", ParentClosePolicy.keys()[1:])
@scenario("option:StartChildWorkflowExecutionCommandAttributes.parent_close_policy")
async def test_a_child_that_the_new_run_does_not_know(world: World, policy: str) -> None:
    run = await world.start()
    child = Run(world.unique("child"))
    again = start_child(
        child.workflow_id,
        task_queue=TaskQueue(name=world.unique("children")),
        parent_close_policy=ParentClosePolicy.Value(policy),
    )
    await world.raw.run_workflow_task(again)
    await world.raw.run_workflow_task()
    new = await reset(world, run, 4)
    await world.pass_time(0.3)
    await world.observe_history("child", child)
    await world.raw.run_workflow_task(again)
    await world.raw.run_workflow_task()
    await observe_run(world, "new", new)


@scenario("event:ChildWorkflowExecutionTerminated")
async def test_a_child_is_reset(world: World) -> None:
    family = Family(world)
    await family.start()
    await family.child_worker.run_workflow_task()
    new = await reset(world, family.child, 4)
    await world.pass_time(0.3)
    await world.observe_history("parent", family.parent)
    await observe_run(world, "child", new)
    await family.end_child(complete_workflow("grown up"))
    await world.until_event(family.parent, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
    await world.observe_history("parent", family.parent)


@scenario("event:ExternalWorkflowExecutionSignaled")
async def test_a_signal_to_another_run_is_sent_again(world: World) -> None:
    target, _ = await world.start_apart("target")
    run = await world.start()
    response = await world.raw.complete_workflow_task(
        await world.raw.poll_workflow_task(),
        signal_external(target.workflow_id, "hello"),
        force_create_new_workflow_task=True,
        return_new_workflow_task=True,
    )
    await world.until_event(target, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
    await world.pass_time(0.2)
    await world.raw.complete_workflow_task(response.workflow_task)
    new = await reset(world, run, await finished_task(world, run, 2))
    await world.until_event(new, EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED)
    await world.observe_history("new", new)
    await world.observe_history("target", target)


@scenario("event:ExternalWorkflowExecutionCancelRequested")
async def test_a_cancel_of_another_run_is_requested_again(world: World) -> None:
    target, _ = await world.start_apart("target")
    run = await world.start()
    response = await world.raw.complete_workflow_task(
        await world.raw.poll_workflow_task(),
        request_cancel_external(target.workflow_id),
        force_create_new_workflow_task=True,
        return_new_workflow_task=True,
    )
    await world.until_event(target, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
    await world.pass_time(0.2)
    await world.raw.complete_workflow_task(response.workflow_task)
    new = await reset(world, run, await finished_task(world, run, 2))
    await world.until_event(new, EventType.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
    await world.observe_history("new", new)
    await world.observe_history("target", target)


@pytest.mark.parametrize("policy", ParentClosePolicy.keys()[1:])
@scenario("option:StartChildWorkflowExecutionCommandAttributes.parent_close_policy")
async def test_a_reset_run_completes_before_its_child(world: World, policy: str) -> None:
    family = Family(world)
    await family.start(parent_close_policy=ParentClosePolicy.Value(policy))
    await family.child_worker.run_workflow_task()
    new = await reset(world, family.parent, await finished_task(world, family.parent, -1))
    await world.raw.run_workflow_task(complete_workflow())
    await world.pass_time(0.5)
    await world.observe_history("child", family.child)
    await world.observe_history("new", new)


@pytest.mark.parametrize("child_only", [False, True])
@scenario(
    "option:SignalExternalWorkflowExecutionCommandAttributes.child_workflow_only",
    "option:RequestCancelExternalWorkflowExecutionCommandAttributes.child_workflow_only",
)
async def test_a_reset_run_signals_and_cancels_its_child(world: World, child_only: bool) -> None:
    family = Family(world)
    await family.start()
    new = await reset(world, family.parent, await finished_task(world, family.parent, -1))
    child = family.child.workflow_id
    await world.raw.run_workflow_task(
        signal_external(child, "hello", child_workflow_only=child_only)
    )
    await world.raw.run_workflow_task(
        request_cancel_external(child, child_workflow_only=child_only)
    )
    await world.pass_time(0.3)
    await world.observe_history("child", family.child)
    await world.observe_history("new", new)


ENDS = {
    "completed": complete_workflow("done"),
    "failed": fail_workflow(),
    "cancelled": cancel_workflow(),
}


@pytest.mark.parametrize("end", ENDS)
@scenario("event:ChildWorkflowExecutionCompleted", "event:ChildWorkflowExecutionFailed")
async def test_a_child_that_ended_is_reset(world: World, end: str) -> None:
    """Its parent has been told of the end, and hears nothing of the other one."""
    family = Family(world)
    await family.start()
    await family.end_child(ENDS[end])
    await world.raw.run_workflow_task()
    new = await reset(world, family.child, 4)
    await family.end_child(complete_workflow("again"))
    await world.pass_time(0.3)
    await world.observe_history("parent", family.parent)
    await observe_run(world, "child", new)


@scenario("event:ChildWorkflowExecutionCompleted")
async def test_a_parent_and_its_child_are_reset(world: World) -> None:
    family = Family(world)
    await family.start()
    await family.child_worker.run_workflow_task()
    parent = await reset(world, family.parent, await finished_task(world, family.parent, -1))
    child = await reset(world, family.child, 4)
    await world.raw.run_workflow_task()
    await family.end_child(complete_workflow("grown up"))
    await world.until_event(parent, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
    await observe_run(world, "parent", parent)
    await observe_run(world, "child", child)


@scenario("event:ChildWorkflowExecutionTerminated")
async def test_a_child_continues_as_new_below_a_reset_run(world: World) -> None:
    family = Family(world)
    await family.start()
    await family.child_worker.run_workflow_task()
    parent = await reset(world, family.parent, await finished_task(world, family.parent, -1))
    await world.raw.run_workflow_task()
    await world.pass_time(1)
    await world.signal(family.child)
    await family.child_worker.run_workflow_task(continue_as_new())
    await family.end_child(complete_workflow("grown up"))
    await world.until_event(parent, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)
    await world.observe_history("parent", parent)


@scenario("event:ChildWorkflowExecutionCompleted", "event:WorkflowExecutionContinuedAsNew")
async def test_children_of_the_next_run_are_taken_for_those_of_the_reset_one(
    world: World,
) -> None:
    """Both were initiated by events of the same id, and the real server looks at nothing else."""
    family = Family(world)
    await family.start(parent_close_policy=ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON)
    first = family.parent
    reset_point = await finished_task(world, first, -1)
    await world.pass_time(1)
    await world.signal(first)
    await world.raw.run_workflow_task(continue_as_new())
    other = Family(world)
    await world.raw.run_workflow_task(
        other.command(
            workflow_id=world.unique("other child"),
            task_queue=TaskQueue(name=world.unique("other children")),
        )
    )
    worker = RawWorker(world.client, world.unique("other children"))
    await world.raw.run_workflow_task()
    await worker.run_workflow_task(complete_workflow("other"))
    await world.raw.run_workflow_task()
    new = await reset(world, first, reset_point)
    await world.pass_time(0.2)
    await observe_run(world, "new", new)
