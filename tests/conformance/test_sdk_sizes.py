"""What the SDK's own worker does with payloads that are larger than the server takes."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType

from tests.conformance import bulky_orders
from tests.conformance.scenario import scenario
from tests.conformance.test_sdk_workers import observe_outcome, run_of, start
from tests.conformance.world import World


@pytest.mark.parametrize("name", ["too_much", "beat_too_much"])
@scenario("event:ActivityTaskFailed", "rpc:RespondActivityTaskFailed", clock="virtual")
async def test_sdk_an_activity_says_too_much(world: World, name: str) -> None:
    async with world.worker(workflows=bulky_orders.WORKFLOWS, activities=bulky_orders.ACTIVITIES):
        await observe_outcome(world, await start(world, bulky_orders.BulkyActivity.run, name))


@pytest.mark.parametrize("where", ["result", "activity", "local activity", "memo"])
@scenario("event:WorkflowTaskFailed", "rpc:RespondWorkflowTaskFailed", clock="virtual")
async def test_sdk_a_workflow_says_too_much(world: World, where: str) -> None:
    async with world.worker(workflows=bulky_orders.WORKFLOWS, activities=bulky_orders.ACTIVITIES):
        handle = await start(world, bulky_orders.BulkyWorkflow.run, where)
        await world.until_event(run_of(handle), EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
        await handle.terminate()
        await observe_outcome(world, handle)


@scenario("rpc:QueryWorkflow", clock="virtual")
async def test_sdk_an_answer_says_too_much(world: World) -> None:
    async with world.worker(workflows=bulky_orders.WORKFLOWS):
        handle = await start(world, bulky_orders.BulkyWorkflow.run, "query")
        await handle.result()
        await world.observe_error("answer", handle.query("answer"))
