"""A test that waits for something else than time: it goes on all the same, or is told why not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

import timeskip.lanes.news
from tests.simulation.workflows import Greeter, greet
from timeskip import Simulation, SimulationStuck, WorkflowTaskFailed

#: For guards that never matter if all is well.
LONG = 60.0

#: What the activities tell the tests by.
news: asyncio.Event


@activity.defn
async def ship(days: int) -> None:
    await asyncio.sleep(days * 86_400)
    news.set()


@workflow.defn(sandboxed=False)
class Shipment:
    def __init__(self) -> None:
        self._status = "packing"

    @workflow.run
    async def run(self, days: int) -> str:
        await workflow.sleep(timedelta(milliseconds=300))
        self._status = "on its way"
        await workflow.execute_activity(ship, days, start_to_close_timeout=timedelta(days=days + 1))
        await workflow.sleep(timedelta(days=1))
        self._status = "delivered"
        return self._status

    @workflow.query
    def status(self) -> str:
        return self._status


@workflow.defn(sandboxed=False)
class Parked:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn(sandboxed=False)
class Broken:
    @workflow.run
    async def run(self) -> None:
        raise ValueError("not yet written")


@pytest.fixture(autouse=True)
def _no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    global news
    news = asyncio.Event()
    # Those of other tests, which may still hang about in this process.
    monkeypatch.setattr(timeskip.lanes.news, "_other_threads_work", lambda: False)


async def shipment(sim: Simulation, days: int = 30) -> WorkflowHandle[Shipment, str]:
    return await sim.client.start_workflow(
        Shipment.run, days, id="shipment-1", task_queue=sim.task_queue
    )


async def test_asking_without_a_pause_lets_a_workflow_go_on(sim: Simulation) -> None:
    async with sim.worker(workflows=[Greeter], activities=[greet]):
        handle = await sim.client.start_workflow(
            Greeter.run, "Ada", id="greeter-1", task_queue=sim.task_queue
        )
        while (await handle.describe()).status != WorkflowExecutionStatus.COMPLETED:
            pass


async def eventually(condition: Callable[[], Awaitable[bool]], interval: float = 0.05) -> None:
    """As in many suites that were written for a real server."""
    deadline = asyncio.get_running_loop().time() + LONG
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(interval)


@pytest.mark.both_lanes
async def test_event_that_an_activity_sets_after_a_month(sim: Simulation) -> None:
    async with sim.worker(workflows=[Shipment], activities=[ship]):
        handle = await shipment(sim)
        await news.wait()
        assert sim.elapsed == timedelta(days=30, milliseconds=300)
        assert await handle.query(Shipment.status) == "on its way"
        assert await handle.result() == "delivered"


@pytest.mark.both_lanes
async def test_task_of_the_test_waits_for_the_event(sim: Simulation) -> None:
    async def wait() -> timedelta:
        await news.wait()
        return sim.elapsed

    async with sim.worker(workflows=[Shipment], activities=[ship]):
        await shipment(sim)
        (elapsed,) = await asyncio.gather(wait())
        assert elapsed == timedelta(days=30, milliseconds=300)


@pytest.mark.both_lanes
def test_synchronous_test_waits_for_the_event(sim: Simulation) -> None:
    with sim.worker(workflows=[Shipment], activities=[ship]):
        sim.run(shipment(sim))
        sim.run(news.wait())
        assert sim.elapsed == timedelta(days=30, milliseconds=300)


@pytest.mark.both_lanes
async def test_time_goes_along_with_a_test_that_looks_again_and_again(sim: Simulation) -> None:
    async with sim.worker(workflows=[Shipment], activities=[ship]):
        handle = await shipment(sim)

        async def is_on_its_way() -> bool:
            return await handle.query(Shipment.status) == "on its way"

        await eventually(is_on_its_way)
        assert sim.elapsed == timedelta(milliseconds=300)


@pytest.mark.both_lanes
async def test_time_does_not_run_ahead_of_a_sleep_of_the_test(sim: Simulation) -> None:
    async with sim.worker(workflows=[Shipment], activities=[ship]):
        handle = await shipment(sim)
        for _ in range(3):
            await asyncio.sleep(0.05)
        assert await handle.query(Shipment.status) == "packing"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(news.wait(), 0.5)
        assert await handle.query(Shipment.status) == "on its way"
        assert sim.elapsed == timedelta(milliseconds=300)


@pytest.mark.both_lanes
async def test_time_stands_still_while_the_test_computes(sim: Simulation) -> None:
    async with sim.worker(workflows=[Shipment], activities=[ship]):
        handle = await shipment(sim)
        computed = threading.Event()
        threading.Timer(0.5, computed.set).start()
        computed.wait()
        assert await handle.query(Shipment.status) == "packing"
        assert sim.elapsed == timedelta(0)


@pytest.mark.both_lanes
async def test_thread_may_have_news_before_virtual_time_does(sim: Simulation) -> None:
    """It takes real time, in which no virtual month passes."""
    told = threading.Event()
    threading.Timer(0.3, told.set).start()
    async with sim.worker(workflows=[Shipment], activities=[ship]):
        await shipment(sim)
        await asyncio.to_thread(told.wait)
        assert sim.elapsed < timedelta(days=1)
        await news.wait()
        assert sim.elapsed > timedelta(days=30)


@pytest.mark.both_lanes
@pytest.mark.timeskip(clock="manual")
async def test_manual_clock_moves_by_hand_only(sim: Simulation) -> None:
    async with sim.worker(workflows=[Shipment], activities=[ship]):
        handle = await shipment(sim)
        await asyncio.sleep(0.4)
        assert await handle.query(Shipment.status) == "packing"
        assert sim.elapsed == timedelta(0)


async def test_event_that_nothing_can_set_any_more(sim: Simulation) -> None:
    async with sim.worker(workflows=[Parked]):
        await sim.client.start_workflow(Parked.run, id="parked-1", task_queue=sim.task_queue)
        with pytest.raises(SimulationStuck) as stuck:
            await news.wait()
    text = str(stuck.value)
    assert "test_idle_tests.py" in text
    assert "in test_event_that_nothing_can_set_any_more: await news.wait()" in text
    assert "nothing can happen any more that would end this" in text
    assert "'parked-1' (Parked)" in text


async def test_events_of_which_none_can_be_set_any_more(sim: Simulation) -> None:
    async with sim.worker(workflows=[Parked]):
        await sim.client.start_workflow(Parked.run, id="parked-1", task_queue=sim.task_queue)
        with pytest.raises(SimulationStuck, match=r"await asyncio\.gather"):
            await asyncio.gather(news.wait(), asyncio.Queue[None]().get())


def test_synchronous_test_is_told_as_well(sim: Simulation) -> None:
    with sim.worker(workflows=[Parked]):
        sim.run(sim.client.start_workflow(Parked.run, id="parked-1", task_queue=sim.task_queue))
        # The simulation comes to rest before the test waits.
        threading.Event().wait(0.2)
        with pytest.raises(SimulationStuck, match="in test_synchronous_test_is_told_as_well"):
            sim.run(news.wait())


@pytest.mark.both_lanes
async def test_failed_workflow_task_ends_the_wait_for_an_event(sim: Simulation) -> None:
    async with sim.worker(workflows=[Broken]):
        await sim.client.start_workflow(Broken.run, id="broken-1", task_queue=sim.task_queue)
        with pytest.raises(WorkflowTaskFailed, match="not yet written"):
            await news.wait()


@pytest.mark.both_lanes
async def test_call_with_a_timeout_of_its_own_is_not_stuck_before(sim: Simulation) -> None:
    async with sim.worker(workflows=[Parked]):
        handle = await sim.client.start_workflow(
            Parked.run, id="parked-1", task_queue=sim.task_queue
        )
        await sim.sleep(1)
    with pytest.raises(RPCError) as timeout:
        await handle.query("nobody's", rpc_timeout=timedelta(seconds=0.3))
    assert timeout.value.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


@pytest.mark.timeskip(lane="wire")
async def test_wire_lane_may_be_waiting_for_another_process(sim: Simulation) -> None:
    """Somebody may yet call its server, so the wait goes on."""
    async with sim.worker(workflows=[Parked]):
        await sim.client.start_workflow(Parked.run, id="parked-1", task_queue=sim.task_queue)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(news.wait(), 0.3)


@pytest.mark.both_lanes
async def test_call_of_a_simulation_that_has_ended_holds_up_no_test(sim: Simulation) -> None:
    ended = Simulation(lane=sim.lane)
    async with ended:
        # As by a thread that the test has left behind.
        lane = ended._server
        assert lane is not None
        left = lane.keeper.holds.take("a call that nobody ends")
    async with sim.worker(workflows=[Shipment], activities=[ship]):
        await shipment(sim)
        await news.wait()
        assert sim.elapsed == timedelta(days=30, milliseconds=300)
    left.release()
