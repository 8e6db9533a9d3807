"""What is delayed beyond the timeout of what it is about: the worker goes on, and so does time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from timeskip import Simulation
from timeskip.clock import nanoseconds_of

pytestmark = pytest.mark.asyncio

SECOND = timedelta(seconds=1)


@activity.defn
async def weigh() -> int:
    return activity.info().attempt


@activity.defn
async def label() -> str:
    return "labelled"


@activity.defn
async def carry() -> int:
    for step in range(5):
        activity.heartbeat(step)
        await asyncio.sleep(30)
    return activity.info().attempt


@activity.defn
async def persevere() -> str:
    """Takes no notice of being cancelled."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(600)
    await asyncio.sleep(600)
    return "done at last"


@workflow.defn
class Parcel:
    """Weighs and labels a parcel in local activities, side by side, and has it carried."""

    @workflow.run
    async def run(self, is_carried: bool) -> int:
        """How many attempts it took."""
        if is_carried:
            return await workflow.execute_activity(
                carry, start_to_close_timeout=3600 * SECOND, heartbeat_timeout=60 * SECOND
            )
        attempts, _ = await asyncio.gather(
            workflow.execute_local_activity(
                weigh,
                start_to_close_timeout=10 * SECOND,
                retry_policy=RetryPolicy(maximum_attempts=3),
            ),
            workflow.execute_local_activity(label, start_to_close_timeout=10 * SECOND),
        )
        return attempts


@workflow.defn
class Errand:
    """Leaves an activity behind that goes on."""

    @workflow.run
    async def run(self, is_local: bool) -> None:
        start = workflow.start_local_activity if is_local else workflow.start_activity
        start(persevere, start_to_close_timeout=10 * SECOND)
        await workflow.sleep(60)


async def send(sim: Simulation, *, is_carried: bool) -> int:
    async with sim.worker(workflows=[Parcel], activities=[weigh, label, carry]):
        return await sim.client.execute_workflow(
            Parcel.run, is_carried, id="parcel", task_queue=sim.task_queue
        )


@pytest.mark.parametrize("moment", ["before-start", "before-report"])
@pytest.mark.parametrize(("seconds", "attempts"), [(5, 1), (10, 2), (600, 2)])
async def test_local_activity_that_is_late_is_tried_again(
    moment: str, seconds: int, attempts: int
) -> None:
    """On the wire the SDK's core times local activities by the machine's clock."""
    async with Simulation() as sim:
        sim.faults.delay_response(at=f"local-activity:weigh#1:{moment}", by=seconds * SECOND)
        assert await send(sim, is_carried=False) == attempts


async def test_local_activity_that_is_late_ends_on_the_wire(sim: Simulation) -> None:
    sim.faults.delay_response(at="local-activity:weigh#1:before-start", by=600 * SECOND)
    assert await send(sim, is_carried=False) in (1, 2)


async def test_local_activity_that_is_late_keeps_no_other_waiting() -> None:
    async with Simulation() as sim:
        sim.faults.delay_response(at="local-activity:weigh#1:before-start", by=5 * SECOND)
        labelled = sim.faults.latency(at="local-activity:label#1", by=SECOND, times=1)
        await send(sim, is_carried=False)
        (point,) = labelled.acted_at
        assert point.time == nanoseconds_of(sim.now - sim.elapsed)


@pytest.mark.parametrize("moment", ["before-report", "after-report"])
@pytest.mark.parametrize("seconds", [59, 600])
@pytest.mark.parametrize("verdict", ["delay", "partition"])
async def test_heartbeat_that_is_late_costs_an_attempt_at_most(
    sim: Simulation, verdict: str, moment: str, seconds: int
) -> None:
    at = f"heartbeat:carry#1:2:{moment}"
    if verdict == "delay":
        sim.faults.delay_response(at=at, by=seconds * SECOND)
    else:
        sim.faults.partition(at=at, for_=seconds * SECOND)
    assert await send(sim, is_carried=True) in (1, 2)


@pytest.mark.parametrize("is_local", [True, False], ids=["local", "ordinary"])
async def test_worker_stops_once_an_activity_that_takes_no_notice_has_ended(
    sim: Simulation, is_local: bool
) -> None:
    async with sim.worker(workflows=[Errand], activities=[persevere]):
        await sim.client.execute_workflow(
            Errand.run, is_local, id="errand", task_queue=sim.task_queue
        )
    assert sim.elapsed >= timedelta(minutes=10)
