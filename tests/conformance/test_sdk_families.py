"""Children, chains and external workflows run by the SDK's own worker, as users have them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from temporalio.common import RetryPolicy
from temporalio.worker import Worker
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from tests.conformance import families
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import VIRTUAL, observe_outcome, run_of, start
from tests.conformance.world import Run, World

WORKFLOWS: list[type] = [
    families.Shipping,
    families.StubbornShipping,
    families.Shop,
    families.HurriedShop,
    families.StubbornShop,
    families.ChangedMind,
    families.Leaving,
    families.Countdown,
    families.Canceller,
    families.Patient,
]


def worker(world: World) -> AbstractAsyncContextManager[Worker]:
    return world.worker(workflows=WORKFLOWS)


@scenario("command:ContinueAsNewWorkflowExecution", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_chain_of_runs(world: World) -> None:
    async with worker(world):
        handle = await start(world, families.Countdown.run, 2)
        await observe_outcome(world, handle)
        await world.observe_history("last run", Run(handle.id))
        first = world.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        await world.observe_error("first run alone", first.result(follow_runs=False))
        world.observe("result by id", await world.client.get_workflow_handle(handle.id).result())


@scenario("command:ContinueAsNewWorkflowExecution", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_chain_of_runs_with_a_retry_policy(world: World) -> None:
    async with worker(world):
        handle = await start(
            world, families.Countdown.run, 1, retry_policy=RetryPolicy(maximum_attempts=3)
        )
        await observe_outcome(world, handle)
        await world.observe_history("last run", Run(handle.id))


@scenario("event:ChildWorkflowExecutionCompleted", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_child_completes_or_fails(world: World) -> None:
    child = Run(world.unique("child"))
    async with worker(world):
        handle = await start(
            world, families.Shop.run, child.workflow_id, ["books", "nothing", "shoes"]
        )
        world.observe("result", await handle.result())
        await world.observe_history("child", child)


@scenario("event:StartChildWorkflowExecutionFailed", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_child_whose_id_is_taken(world: World) -> None:
    child = world.unique("child")
    async with worker(world):
        await world.client.start_workflow(
            families.Shipping.run, "slowly", id=child, task_queue=world.task_queue
        )
        handle = await start(world, families.Shop.run, child, ["books"])
        await world.observe_error("result", handle.result())


@scenario("event:ExternalWorkflowExecutionSignaled", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_child_is_signalled(world: World) -> None:
    async with worker(world):
        handle = await start(world, families.HurriedShop.run, world.unique("child"))
        world.observe("result", await handle.result())


@scenario("event:ChildWorkflowExecutionCompleted", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_child_is_retried(world: World) -> None:
    async with worker(world):
        handle = await start(world, families.StubbornShop.run, world.unique("child"))
        world.observe("result", await handle.result())


@pytest.mark.parametrize("cancellation", [member.name for member in ChildWorkflowCancellationType])
@scenario("event:ChildWorkflowExecutionCanceled", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_child_is_cancelled(world: World, cancellation: str) -> None:
    child = Run(world.unique("child"))
    async with worker(world):
        value = ChildWorkflowCancellationType[cancellation].value
        handle = await start(world, families.ChangedMind.run, child.workflow_id, value)
        await world.observe_error("outcome", handle.result())
        world.observe("result", await handle.result())


@pytest.mark.parametrize("policy", ["TERMINATE", "REQUEST_CANCEL"])
@scenario("event:WorkflowExecutionTerminated", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_parent_closes(world: World, policy: str) -> None:
    child = world.unique("child")
    async with worker(world):
        handle = await start(world, families.Leaving.run, child, ParentClosePolicy[policy].value)
        await handle.result()
        await world.observe_error("child", world.client.get_workflow_handle(child).result())


@scenario("event:WorkflowExecutionStarted", clock="virtual", differs=VIRTUAL)
async def test_sdk_an_abandoned_child_goes_on(world: World) -> None:
    child = world.unique("child")
    async with worker(world):
        handle = await start(world, families.Leaving.run, child, ParentClosePolicy.ABANDON.value)
        await handle.result()
        abandoned = world.client.get_workflow_handle(child)
        await abandoned.signal(families.Shipping.hurry, "a client")
        world.observe("child", await abandoned.result())
        await world.observe_history("parent", run_of(handle))


@scenario("command:RequestCancelExternalWorkflowExecution", clock="virtual", differs=VIRTUAL)
async def test_sdk_a_workflow_cancels_another(world: World) -> None:
    async with worker(world):
        other = await start(world, families.Patient.run, name="other")
        handle = await start(world, families.Canceller.run, other.id)
        await observe_outcome(world, handle, "canceller")
        world.observe("other", await other.result())
        nobody = await start(world, families.Canceller.run, world.unique("nobody"), name="vain")
        await observe_outcome(world, nobody, "in vain")
