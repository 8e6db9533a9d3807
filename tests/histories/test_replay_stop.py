"""Replays that stop at an event, and what can be asked there."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from timeskip import ReplayFailed, Simulation, WorkflowNotDeterministic
from timeskip.histories import BrokenHistory, History, explain, replay_to
from timeskip.histories.replaying import stop

pytestmark = pytest.mark.asyncio

SOON = timedelta(seconds=10)


@activity.defn
async def pack(item: str) -> str:
    return f"packed {item}"


@workflow.defn
class Parcel:
    def __init__(self) -> None:
        self.packed: list[str] = []
        self.sealed = False

    @workflow.query
    def contents(self, separator: str) -> str:
        return separator.join(self.packed)

    @workflow.query
    def broken(self) -> None:
        raise ApplicationError("no answer")

    @workflow.signal
    async def seal(self) -> None:
        self.sealed = True

    @workflow.run
    async def run(self, items: list[str]) -> int:
        for item in items:
            await workflow.execute_activity(pack, item, start_to_close_timeout=SOON)
            self.packed.append(item)
        await workflow.wait_condition(lambda: self.sealed)
        return len(self.packed)


@workflow.defn(name="Parcel", sandboxed=False)
class Debugged:
    @workflow.run
    async def run(self, items: list[str]) -> int:
        await workflow.execute_activity(pack, items[0], start_to_close_timeout=SOON)
        breakpoint()
        return 0


@workflow.defn(name="Parcel", sandboxed=False)
class Emptied:
    @workflow.run
    async def run(self, items: list[str]) -> int:
        return 0


@workflow.defn(name="Parcel", sandboxed=False)
class Broken:
    @workflow.run
    async def run(self, items: list[str]) -> int:
        raise RuntimeError("a bug")


@workflow.defn(name="Parcel", sandboxed=False)
class Stubborn:
    @workflow.run
    async def run(self, items: list[str]) -> None:
        try:
            await workflow.execute_activity(pack, items[0], start_to_close_timeout=SOON)
        except BaseException:  # noqa: BLE001 - that is what is wrong with it
            await asyncio.get_running_loop().create_future()


async def history_of(*, sealed: bool = True) -> History:
    async with Simulation(lane="direct") as sim, sim.worker(workflows=[Parcel], activities=[pack]):
        handle = await sim.client.start_workflow(
            Parcel.run, ["tea", "cups"], id="parcel-1", task_queue=sim.task_queue
        )
        await sim.sleep(60)
        if sealed:
            await handle.signal(Parcel.seal)
            assert await handle.result() == 2
        return await sim.history(handle)


#: By event: what the workflow has done when the last task that was started by then is over.
STATES = {
    1: None,
    2: None,
    3: [],
    4: [],
    5: [],
    8: [],
    9: ["tea"],
    11: ["tea"],
    14: ["tea"],
    15: ["tea", "cups"],
    16: ["tea", "cups"],
}


@pytest.mark.parametrize("event_id", STATES)
async def test_state_is_that_of_the_last_task_started_by_then(event_id: int) -> None:
    history = await history_of()
    state = STATES[event_id]
    if state is None:
        with pytest.raises(ValueError, match="has not done anything by event"):
            async with replay_to(history, event_id, workflows=[Parcel]):
                pytest.fail("there is no workflow yet")
        return
    async with replay_to(history, event_id, workflows=[Parcel]) as replayed:
        assert replayed.workflow.packed == state
        assert await replayed.query(Parcel.contents, "+") == "+".join(state)
        assert replayed.event_id <= event_id
        assert not replayed.is_closed


async def test_whole_history_leads_to_the_result() -> None:
    async with replay_to(await history_of(), workflows=[Parcel]) as replayed:
        assert replayed.is_closed
        assert await replayed.result() == 2
        assert await replayed.query("contents", ", ") == "tea, cups"
        assert replayed.commands[-1].startswith("end of the workflow with 2, at ")


async def test_open_run_stands_where_it_waits() -> None:
    async with replay_to(await history_of(sealed=False), workflows=[Parcel]) as replayed:
        assert not replayed.is_closed
        ((line,),) = replayed.awaits
        assert "await workflow.wait_condition(lambda: self.sealed)" in line
        assert "execute_activity(pack" not in line
        first = replayed.commands[0]
        assert first.startswith('activity pack("tea"), at ')
        assert first.endswith("in Parcel.run")
        with pytest.raises(LookupError):
            await replayed.result()


async def test_query_that_fails_raises_its_error() -> None:
    async with replay_to(await history_of(), workflows=[Parcel]) as replayed:
        with pytest.raises(ApplicationError, match="no answer"):
            await replayed.query(Parcel.broken)
        with pytest.raises(ValueError, match="is no query"):
            await replayed.query(Parcel.seal)


async def test_debugger_stops_in_the_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    stops = []
    monkeypatch.setattr(
        "temporalio.worker._debugger._temporal_workflow_breakpoint_hook",
        lambda: stops.append(sys._getframe(1).f_code.co_name),
    )
    monkeypatch.setattr("sys.breakpointhook", sys.breakpointhook)
    history = await history_of(sealed=False)
    async with replay_to(history, 9, workflows=[Debugged], debug_mode=True) as replayed:
        assert await replayed.result() == 0
    assert stops == ["run"]


async def test_other_code_is_explained() -> None:
    history = await history_of()
    with pytest.raises(WorkflowNotDeterministic, match="Likely cause: changed code"):
        async with replay_to(history, workflows=[Emptied]):
            pytest.fail("the replay broke off")


async def test_error_of_the_code_is_told() -> None:
    history = await history_of()
    with pytest.raises(ReplayFailed, match="RuntimeError: a bug"):
        async with replay_to(history, workflows=[Broken]):
            pytest.fail("the replay broke off")


async def test_workflow_that_does_not_let_go_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop, "_FAREWELL_SECONDS", 0.05)
    history = await history_of()
    with pytest.raises(ReplayFailed, match="not `BaseException`"):
        async with replay_to(history, 3, workflows=[Stubborn]):
            pass


async def test_ids_that_the_whole_history_lets_pass_do_so_in_a_part_of_it() -> None:
    """An old worker has not written that it compares them."""
    recorded = (await history_of()).recorded
    for event in recorded.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            event.workflow_task_completed_event_attributes.ClearField("sdk_metadata")
        if event.HasField("activity_task_scheduled_event_attributes"):
            event.activity_task_scheduled_event_attributes.activity_id += "0"
    assert explain(recorded, workflows=[Parcel]) is None
    for event_id in range(3, len(recorded.events)):
        async with replay_to(recorded, event_id, workflows=[Parcel]):
            pass


async def test_history_with_a_gap_is_not_replayed() -> None:
    recorded = (await history_of()).recorded
    del recorded.events[4]
    with pytest.raises(BrokenHistory, match="goes from event 4 to event 6"):
        async with replay_to(recorded, 4, workflows=[Parcel]):
            pass
