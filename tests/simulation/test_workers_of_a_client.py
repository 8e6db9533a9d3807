"""Which workers a client takes beside each other: the same in both lanes, as the SDK's core has it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    Worker,
    WorkerDeploymentConfig,
)

from tests import sdk
from timeskip import Simulation
from timeskip.lanes.selection import LaneName

pytestmark = [pytest.mark.both_lanes, pytest.mark.asyncio]


@activity.defn
async def pack() -> str:
    await asyncio.sleep(60)
    return activity.info().task_queue


@activity.defn
async def ship() -> None: ...


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, queue: str | None) -> str:
        return await workflow.execute_activity(
            pack, task_queue=queue, start_to_close_timeout=timedelta(minutes=2)
        )


@workflow.defn(sandboxed=False)
class Refund:
    @workflow.run
    async def run(self) -> None: ...


@nexusrpc.service
class Stock:
    count: nexusrpc.Operation[None, int]


@nexusrpc.handler.service_handler(service=Stock)
class StockHandler:
    @nexusrpc.handler.sync_operation
    async def count(self, _: nexusrpc.handler.StartOperationContext, __: None) -> int:
        return 1


def version(build_id: str, deployment: str = "shop") -> dict[str, Any]:
    return {
        "deployment_config": WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(deployment, build_id), use_worker_versioning=False
        )
    }


ORDERS: dict[str, Any] = {"workflows": [Order]}


def refusal(client: Client, **options: Any) -> str:
    """What is said to a worker on the queue "shop" that cannot be made."""
    with pytest.raises(RuntimeError, match="overlapping worker task types") as refused:
        Worker(client, task_queue="shop", **options)
    # What else is said: another hint in one lane, perhaps Rust's stack in the other.
    headline, cause = str(refused.value).split("\n\n")[:2]
    text, _, _key = cause.rpartition(": ")
    return f"{headline}\n{text}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ORDERS, {"workflows": [Refund]}),
        ({"activities": [pack]}, {"activities": [ship]}),
        (ORDERS | {"activities": [pack]}, {"activities": [ship]}),
        (
            {"nexus_service_handlers": [StockHandler()]},
            {"nexus_service_handlers": [StockHandler()]},
        ),
        (ORDERS | {"build_id": "1"}, ORDERS | {"build_id": "2"}),
        (ORDERS | version("1"), ORDERS | version("1", "other shop")),
    ],
)
async def test_client_takes_one_worker_for_each_kind_of_task(
    sim: Simulation, first: dict[str, Any], second: dict[str, Any]
) -> None:
    Worker(sim.client, task_queue="shop", **first)
    in_other_lane = await _refusal_in_other_lane(sim, first, second)
    assert refusal(sim.client, **second) == in_other_lane
    # It is neither the queue alone nor the process alone.
    Worker(sim.client, task_queue="warehouse", **second)
    Worker(await sim.connect_client(), task_queue="shop", **second)


async def _refusal_in_other_lane(
    sim: Simulation, first: dict[str, Any], second: dict[str, Any]
) -> str:
    lane: LaneName = "direct" if sim.lane == "wire" else "wire"
    async with Simulation(lane=lane) as other:
        Worker(other.client, task_queue="shop", **first)
        return refusal(other.client, **second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ORDERS, {"activities": [pack]}),
        (ORDERS | {"activities": [pack], "no_remote_activities": True}, {"activities": [ship]}),
        (ORDERS, {"nexus_service_handlers": [StockHandler()]}),
        (ORDERS | version("1"), ORDERS | version("2")),
        (ORDERS | version("1"), ORDERS | {"build_id": "1"}),
    ],
)
async def test_client_takes_workers_for_other_tasks(
    sim: Simulation, first: dict[str, Any], second: dict[str, Any]
) -> None:
    async with (
        Worker(sim.client, task_queue="shop", **first),
        Worker(sim.client, task_queue="shop", **second),
    ):
        pass


async def test_client_takes_a_worker_once_the_one_before_stops(sim: Simulation) -> None:
    async with Worker(sim.client, task_queue="shop", workflows=[Order]):
        # A client that was made of the same connection is the same to the core.
        refusal(Client(**sim.client.config()), workflows=[Order])
    async with Worker(sim.client, task_queue="shop", workflows=[Order]):
        pass


async def test_worker_that_never_ran_is_in_the_way(sim: Simulation) -> None:
    Worker(sim.client, task_queue="shop", workflows=[Order])
    refusal(sim.client, workflows=[Order])


@sdk.needs("1.35", "only clients that name their runtime could take the place of others")
async def test_worker_that_changes_its_client_makes_room(sim: Simulation) -> None:
    other = await sim.connect_client()
    worker = Worker(sim.client, task_queue="shop", workflows=[Order])
    worker.client = other
    refusal(other, workflows=[Order])
    async with worker, Worker(sim.client, task_queue="shop", workflows=[Order]) as second:
        with pytest.raises(ValueError, match=r"Failed replacing client: .* overlapping"):
            second.client = other
        # It has left the one and has not come to the other.
        async with Worker(sim.client, task_queue="shop", workflows=[Order]):
            with pytest.raises(ValueError, match="Failed replacing client: Worker not in"):
                second.client = sim.client


async def test_workers_of_a_simulation_stand_for_processes(sim: Simulation) -> None:
    options: dict[str, Any] = {"activities": [pack], "max_concurrent_activities": 1}
    async with (
        sim.worker(workflows=[Order]) as orders,
        sim.worker(task_queue="shop", **options) as first,
        sim.worker(task_queue="shop", **options) as second,
    ):
        assert orders.client is first.client is sim.client
        assert second.client is not sim.client
        await asyncio.gather(
            *(
                sim.client.execute_workflow(Order.run, "shop", id=name, task_queue=sim.task_queue)
                for name in ("a", "b")
            )
        )
    assert sim.elapsed == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_concurrent_workflow_task_polls": 1}, "requires `workflow_task_poller_behavior`"),
        ({"activity_task_poller_behavior": PollerBehaviorSimpleMaximum(0)}, "must be at least 1"),
        ({"nexus_task_poller_behavior": PollerBehaviorSimpleMaximum(0)}, "must be at least 1"),
        (
            {"workflow_task_poller_behavior": PollerBehaviorAutoscaling(minimum=0)},
            "Autoscaling minimum",
        ),
        (
            {"workflow_task_poller_behavior": PollerBehaviorAutoscaling(minimum=3, maximum=2)},
            "Autoscaling maximum",
        ),
        (
            {"workflow_task_poller_behavior": PollerBehaviorAutoscaling(minimum=6, initial=5)},
            "Autoscaling initial",
        ),
        ({"max_cached_workflows": -1}, "field WorkerConfig.max_cached_workflows"),
        ({"max_concurrent_activities": -1}, "field WorkerConfig.tuner"),
        (
            {"graceful_shutdown_timeout": -timedelta(seconds=1)},
            "field WorkerConfig.graceful_shutdown_period_millis",
        ),
        (
            {"max_concurrent_workflow_task_polls": -1},
            "field WorkerConfig.workflow_task_poller_behavior",
        ),
        ({"identity": ""}, "Client identity cannot be empty"),
    ],
)
async def test_worker_that_the_core_refuses(
    sim: Simulation, options: dict[str, Any], said: str
) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError), match=said):
        Worker(sim.client, task_queue="shop", workflows=[Order], **options)
