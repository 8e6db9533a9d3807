"""Signals to and cancellations of other runs by a workflow."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.api.command.v1 import Command

from tests.conformance.commands import (
    cancel_workflow,
    complete_workflow,
    request_cancel_external,
    signal_external,
    start_timer,
)
from tests.conformance.family import Family
from tests.conformance.payloads import header
from tests.conformance.refusals import LONG
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

UNKNOWN_RUN = "00000000-0000-4000-8000-000000000000"

SIGNAL = "SignalExternalWorkflowExecutionCommandAttributes"
CANCEL = "RequestCancelExternalWorkflowExecutionCommandAttributes"


async def observe_outcome(world: World, run: Run) -> None:
    """Note what the run that has sent something is told of it."""
    world.observe_task("next task", await world.raw.poll_workflow_task())
    world.observe("description", await world.describe(run))


@scenario(
    "command:SignalExternalWorkflowExecution",
    "event:SignalExternalWorkflowExecutionInitiated",
    "event:ExternalWorkflowExecutionSignaled",
    "event:WorkflowExecutionSignaled",
    *options(SIGNAL, "namespace", "execution", "signal_name", "input", "control", "header"),
)
async def test_a_run_signals_another(world: World) -> None:
    target, worker = await world.start_apart("target")
    run = await world.start()
    await world.raw.run_workflow_task(
        signal_external(
            target.workflow_id,
            "approve",
            "Ada",
            1,
            run_id=target.run_id,
            namespace=world.client.namespace,
            control="control",
            header=header(trace="t-1"),
        )
    )
    await observe_outcome(world, run)
    world.observe_task("target's task", await worker.poll_workflow_task())
    world.observe("target's description", await world.describe(target))


@scenario("command:SignalExternalWorkflowExecution", "event:ExternalWorkflowExecutionSignaled")
async def test_a_run_signals_the_latest_run_of_an_id(world: World) -> None:
    target, worker = await world.start_apart("target")
    await world.start()
    await worker.run_workflow_task()
    await world.raw.run_workflow_task(signal_external(target.workflow_id, "hurry"))
    while len((await world.history(target)).events) < 6:
        await world.pass_time(0.05)
    await world.observe_history("target", target)


@scenario("event:ExternalWorkflowExecutionSignaled", *options(SIGNAL, "child_workflow_only"))
async def test_a_parent_signals_its_child(world: World) -> None:
    family = Family(world)
    await family.start()
    await world.signal(family.parent)
    await world.raw.run_workflow_task(
        signal_external(family.child.workflow_id, "hurry", child_workflow_only=True)
    )
    await observe_outcome(world, family.parent)
    await world.observe_history("child", family.child)


@scenario(
    "event:RequestCancelExternalWorkflowExecutionInitiated", *options(CANCEL, "child_workflow_only")
)
async def test_a_parent_cancels_its_child(world: World) -> None:
    family = Family(world)
    await family.start()
    await world.signal(family.parent)
    await world.raw.run_workflow_task(
        request_cancel_external(family.child.workflow_id, child_workflow_only=True)
    )
    await world.raw.run_workflow_task()
    await family.end_child(cancel_workflow())
    await observe_outcome(world, family.parent)
    await world.observe_history("child", family.child)


@scenario(
    "command:RequestCancelExternalWorkflowExecution",
    "event:RequestCancelExternalWorkflowExecutionInitiated",
    "event:ExternalWorkflowExecutionCancelRequested",
    "event:WorkflowExecutionCancelRequested",
    *options(CANCEL, "namespace", "workflow_id", "run_id", "control", "reason"),
)
async def test_a_run_cancels_another(world: World) -> None:
    target, worker = await world.start_apart("target")
    run = await world.start()
    await world.raw.run_workflow_task(
        request_cancel_external(
            target.workflow_id,
            run_id=target.run_id,
            namespace=world.client.namespace,
            control="control",
            reason="no longer needed",
        )
    )
    await observe_outcome(world, run)
    world.observe_task("target's task", await worker.poll_workflow_task())


@scenario("event:ExternalWorkflowExecutionCancelRequested")
async def test_a_run_cancels_another_twice(world: World) -> None:
    target, _ = await world.start_apart("target")
    run = await world.start()
    await world.raw.run_workflow_task(request_cancel_external(target.workflow_id))
    await world.raw.run_workflow_task(request_cancel_external(target.workflow_id))
    await observe_outcome(world, run)
    await world.observe_history("target", target)


async def _nobody(world: World) -> dict[str, Any]:
    return {"workflow_id": world.unique("nobody")}


async def _unknown_run(world: World) -> dict[str, Any]:
    target, _ = await world.start_apart("target")
    return {"workflow_id": target.workflow_id, "run_id": UNKNOWN_RUN}


async def _closed(world: World) -> dict[str, Any]:
    target, worker = await world.start_apart("target")
    await worker.run_workflow_task(complete_workflow())
    return {"workflow_id": target.workflow_id}


async def _closed_run(world: World) -> dict[str, Any]:
    target, worker = await world.start_apart("target")
    await worker.run_workflow_task(complete_workflow())
    return {"workflow_id": target.workflow_id, "run_id": target.run_id}


async def _itself(world: World) -> dict[str, Any]:
    return {"workflow_id": world.unique("order")}


async def _no_child(world: World) -> dict[str, Any]:
    target, _ = await world.start_apart("target")
    return {"workflow_id": target.workflow_id, "child_workflow_only": True}


TARGETS = {
    "nobody": _nobody,
    "an unknown run": _unknown_run,
    "a closed workflow": _closed,
    "a closed run": _closed_run,
    "itself": _itself,
    "what is no child": _no_child,
}


@pytest.mark.parametrize("target", TARGETS)
@scenario("event:SignalExternalWorkflowExecutionFailed")
async def test_a_run_signals(world: World, target: str) -> None:
    fields = await TARGETS[target](world)
    run = await world.start()
    await world.raw.run_workflow_task(
        signal_external(signal_name="approve", **fields, control="control")
    )
    await observe_outcome(world, run)


@pytest.mark.parametrize("target", TARGETS)
@scenario("event:RequestCancelExternalWorkflowExecutionFailed")
async def test_a_run_cancels(world: World, target: str) -> None:
    fields = await TARGETS[target](world)
    run = await world.start()
    await world.raw.run_workflow_task(request_cancel_external(**fields, control="control"))
    await observe_outcome(world, run)


@scenario("event:ExternalWorkflowExecutionSignaled", "event:ActivityTaskCompleted")
async def test_the_outcome_of_a_signal_is_buffered(world: World) -> None:
    target, _ = await world.start_apart("target")
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    response = await world.raw.complete_workflow_task(
        task,
        signal_external(target.workflow_id, "approve"),
        force_create_new_workflow_task=True,
        return_new_workflow_task=True,
    )
    while len((await world.history(target)).events) < 3:
        await world.pass_time(0.05)
    await world.pass_time(0.2)
    await world.signal(run, "after it")
    await world.raw.complete_workflow_task(response.workflow_task, start_timer("t", 100))
    await world.observe_history("history", run)


@scenario("command:SignalExternalWorkflowExecution", "event:WorkflowExecutionCompleted")
async def test_a_run_completes_with_the_command_that_signals(world: World) -> None:
    target, worker = await world.start_apart("target")
    run = await world.start()
    await worker.run_workflow_task()
    await world.raw.run_workflow_task(
        signal_external(target.workflow_id, "goodbye"), complete_workflow()
    )
    await world.pass_time(0.3)
    await world.observe_history("target", target)
    await world.observe_history("history", run)


@scenario("command:RequestCancelExternalWorkflowExecution", "event:WorkflowExecutionCompleted")
async def test_a_run_completes_with_the_command_that_cancels(world: World) -> None:
    target, worker = await world.start_apart("target")
    run = await world.start()
    await worker.run_workflow_task()
    await world.raw.run_workflow_task(
        request_cancel_external(target.workflow_id), complete_workflow()
    )
    await world.pass_time(0.3)
    await world.observe_history("target", target)
    await world.observe_history("history", run)


BAD: dict[str, Command] = {
    "signal: no id": signal_external("", "approve"),
    "signal: no name": signal_external("target", ""),
    "signal: long id": signal_external(LONG, "approve"),
    "signal: run id": signal_external("target", "approve", run_id="no-uuid"),
    "signal: large input": signal_external("target", "approve", "x" * (2 * 1024 * 1024)),
    "signal: unknown namespace": signal_external("target", "approve", namespace="nowhere"),
    "cancel: no id": request_cancel_external(""),
    "cancel: long id": request_cancel_external(LONG),
    "cancel: run id": request_cancel_external("target", run_id="no-uuid"),
    "cancel: unknown namespace": request_cancel_external("target", namespace="nowhere"),
    "signal: no attributes": Command(command_type=signal_external("", "").command_type),
    "cancel: no attributes": Command(command_type=request_cancel_external("").command_type),
}


@pytest.mark.parametrize("case", BAD)
@scenario("event:WorkflowTaskFailed")
async def test_a_command_to_another_run_is_refused(world: World, case: str) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.observe_error("answer", world.raw.complete_workflow_task(task, BAD[case]))
    await world.observe_history("history", run)


@scenario("event:WorkflowTaskFailed")
async def test_a_run_cannot_complete_while_the_outcome_of_a_signal_is_buffered(
    world: World,
) -> None:
    target, _ = await world.start_apart("target")
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    response = await world.raw.complete_workflow_task(
        task,
        signal_external(target.workflow_id, "approve"),
        force_create_new_workflow_task=True,
        return_new_workflow_task=True,
    )
    while len((await world.history(target)).events) < 3:
        await world.pass_time(0.05)
    await world.pass_time(0.2)
    await world.observe_error(
        "answer",
        world.raw.complete_workflow_task(response.workflow_task, complete_workflow()),
    )
    await world.observe_history("history", run)
