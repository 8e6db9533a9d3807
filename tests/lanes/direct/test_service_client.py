"""What clients of the direct lane can ask for besides workflows."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.api.cloud.cloudservice.v1 import GetUsersRequest
from temporalio.service import RPCError, RPCStatusCode

from timeskip import Simulation


def test_service_says_that_it_is_healthy() -> None:
    async def run() -> bool:
        async with Simulation(lane="direct") as sim:
            return await sim.client.service_client.check_health()

    assert asyncio.run(run())


def test_service_that_is_not_simulated_is_refused() -> None:
    async def run() -> None:
        async with Simulation(lane="direct") as sim:
            await sim.client.service_client.cloud_service.get_users(GetUsersRequest())

    with pytest.raises(RPCError, match="not implemented by timeskip") as caught:
        asyncio.run(run())
    assert caught.value.status == RPCStatusCode.UNIMPLEMENTED
