"""Clients that a suite connects itself, by the address of the first one or around its service client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.worker import Worker

from tests import sdk
from timeskip import Simulation, SimulationClosed
from timeskip.lanes.selection import LaneName

pytestmark = [pytest.mark.asyncio, pytest.mark.both_lanes]

ONE_DAY = timedelta(days=1)


@activity.defn
async def nap() -> str:
    await asyncio.sleep(ONE_DAY.total_seconds())
    return "rested"


@workflow.defn(sandboxed=False)
class Rest:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(nap, start_to_close_timeout=2 * ONE_DAY)


class Base64(PayloadCodec):
    async def encode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"base64"}, data=base64.b64encode(p.SerializeToString()))
            for p in payloads
        ]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        return [Payload.FromString(base64.b64decode(p.data)) for p in payloads]


ENCODED = replace(DataConverter.default, payload_codec=Base64())


def address_of(sim: Simulation) -> str:
    return sim.client.service_client.config.target_host


async def rest(client: Client) -> str:
    async with Worker(client, task_queue="rest", workflows=[Rest], activities=[nap]):
        return await client.execute_workflow(Rest.run, id="rest", task_queue="rest")


async def test_client_connected_by_address_has_virtual_time_and_its_own_converter(
    sim: Simulation,
) -> None:
    client = await Client.connect(address_of(sim), data_converter=ENCODED, identity="guest")
    assert await rest(client) == "rested"
    assert ONE_DAY <= sim.elapsed < 2 * ONE_DAY
    started, *_, completed = (await client.get_workflow_handle("rest").fetch_history()).events
    result = completed.workflow_execution_completed_event_attributes.result.payloads[0]
    assert result.metadata["encoding"] == b"base64"
    assert started.workflow_execution_started_event_attributes.identity == "guest"


async def test_client_around_the_service_client_has_virtual_time(sim: Simulation) -> None:
    assert await rest(Client(sim.client.service_client)) == "rested"
    assert ONE_DAY <= sim.elapsed < 2 * ONE_DAY


async def test_client_without_the_plugins_of_the_first_one_has_virtual_time(
    sim: Simulation,
) -> None:
    config = sim.client.config()
    config["plugins"] = []
    assert await rest(Client(**config)) == "rested"
    assert ONE_DAY <= sim.elapsed < 2 * ONE_DAY


async def test_lazy_client_connects_with_its_first_call(sim: Simulation) -> None:
    client = await Client.connect(address_of(sim), lazy=True)
    bridge = client.service_client.worker_service_client
    assert bridge._bridge_client is None
    with pytest.raises(RPCError):
        await client.get_workflow_handle("nobody").describe()
    assert bridge._bridge_client is not None


async def test_client_of_another_namespace_sees_only_that(lane: LaneName) -> None:
    async with Simulation(lane=lane, namespace="other") as sim:
        client = await Client.connect(address_of(sim))
        await client.start_workflow("Any", id="here", task_queue="any")
        with pytest.raises(RPCError):
            await sim.client.get_workflow_handle("here").describe()


async def test_address_of_a_simulation_that_has_ended_says_so() -> None:
    async with Simulation() as sim:
        address = address_of(sim)
    with pytest.raises(SimulationClosed, match="has ended"):
        await Client.connect(address)


async def test_context_of_a_running_simulation_ends_it(lane: LaneName) -> None:
    running = Simulation(lane=lane).start()
    async with running as sim:
        assert sim is running
        await sim.client.start_workflow("Any", id="here", task_queue="any")
    with pytest.raises(SimulationClosed):
        sim.client  # noqa: B018


@pytest.mark.parametrize(
    "names_runtime",
    [True, pytest.param(False, marks=sdk.needs("1.35", "the same runtime had to be named"))],
)
async def test_worker_changes_to_another_client_of_the_simulation(
    sim: Simulation, names_runtime: bool
) -> None:
    runtime = Runtime.default() if names_runtime else None
    client = await sim.connect_client(identity="another", runtime=runtime)
    async with Worker(sim.client, task_queue="rest", workflows=[Rest], activities=[nap]) as worker:
        worker.client = client
        assert await client.execute_workflow(Rest.run, id="rest", task_queue="rest") == "rested"
