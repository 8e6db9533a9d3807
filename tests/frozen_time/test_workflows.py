"""Workflows in the sandbox and the SDK's conversion of datetimes are unharmed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

import timeskip
from tests.frozen_time.clock_workflow import ClockWorkflow, read_clocks

pytestmark = pytest.mark.asyncio


async def test_clocks_of_a_simulation_agree() -> None:
    async with timeskip.Simulation() as sim:
        started = datetime.now(timezone.utc)
        assert started == sim.now
        async with sim.worker(workflows=[ClockWorkflow], activities=[read_clocks]):
            readings = await sim.client.execute_workflow(
                ClockWorkflow.run, id="clocks", task_queue=sim.task_queue
            )
        day, minute = 86_400, 60
        offsets = [reading - started.timestamp() for reading in readings]
        # Each step of a workflow takes a little virtual time.
        assert offsets == pytest.approx([day, *[day + minute] * 3], abs=1)
        assert datetime.now(timezone.utc) == sim.now
    assert datetime.now(timezone.utc) > started + timedelta(days=300)
