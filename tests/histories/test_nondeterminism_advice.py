"""What is said of things that the SDK's sandbox refuses."""

from __future__ import annotations

import random

import pytest
from temporalio import activity, workflow
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from timeskip import Simulation, WorkflowTaskFailed
from timeskip.histories.nondeterminism.advice import way_out_of_refusal


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("random.choice.__call__", "workflow.random()"),
        ("secrets.token_hex.__call__", "workflow.random()"),
        ("uuid.uuid4.__call__", "workflow.uuid4()"),
        ("datetime.datetime.now.__call__", "workflow.now()"),
        ("time.monotonic.__call__", "workflow.time()"),
        ("time.sleep.__call__", "workflow.sleep(...)"),
        ("os.environ.get", "as an argument"),
        ("__builtins__.open.__call__", "in an activity"),
        ("urllib.request.urlopen.__call__", "in an activity"),
    ],
)
def test_way_out_of_a_refusal_is_told(name: str, way_out: str) -> None:
    told = way_out_of_refusal(RestrictedWorkflowAccessError.default_message(name))
    assert told is not None
    assert way_out in told


@pytest.mark.parametrize(
    "message",
    ["no such order", RestrictedWorkflowAccessError.default_message("shop.orders.refused")],
)
def test_no_way_out_is_made_up(message: str) -> None:
    assert way_out_of_refusal(message) is None


@workflow.defn(name="Order")
class Drawing:
    @workflow.run
    async def run(self) -> int:
        return random.randrange(9)


@workflow.defn(name="Order")
class Mistaken:
    @workflow.run
    async def run(self) -> int:
        return activity.info().attempt


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("workflow_class", "told"),
    [(Drawing, r"workflow\.random\(\)"), (Mistaken, r"workflow\.info\(\)")],
)
async def test_refusal_in_a_test_is_told_with_the_way_out(workflow_class: type, told: str) -> None:
    async with Simulation(lane="direct") as sim, sim.worker(workflows=[workflow_class]):
        with pytest.raises(WorkflowTaskFailed, match=told) as failure:
            await sim.client.execute_workflow("Order", id="order-1", task_queue=sim.task_queue)
    assert "Only Temporal's own errors" not in str(failure.value)
