"""A command and the event that records it are told in the same words."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError, TemporalError

from timeskip import Simulation
from timeskip.histories.replaying.commands import key_of_command, key_of_event
from timeskip.histories.replaying.core import replay_thread
from timeskip.histories.replaying.examination import examine
from timeskip.histories.replaying.settings import ReplaySettings
from timeskip.histories.replaying.texts import command_text, event_text

pytestmark = pytest.mark.asyncio

SOON = timedelta(seconds=10)
KIND = SearchAttributeKey.for_keyword("Kind")


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow.defn(sandboxed=False)
class Child:
    @workflow.signal
    async def hurry(self, how: str) -> None: ...

    @workflow.run
    async def run(self, name: str) -> str:
        await workflow.sleep(5)
        return name


@workflow.defn(sandboxed=False)
class Everything:
    @workflow.update
    async def change(self, to: str) -> str:
        return to

    @workflow.run
    async def run(self, end: str) -> str:
        workflow.patched("new")
        workflow.upsert_search_attributes([KIND.value_set("all")])
        workflow.upsert_memo({"note": 1})
        nap = asyncio.create_task(workflow.sleep(1000))
        await workflow.execute_activity(greet, "Ada", start_to_close_timeout=SOON)
        nap.cancel()
        await workflow.execute_local_activity(greet, "Bob", start_to_close_timeout=SOON)
        child = await workflow.start_child_workflow(Child.run, "C", id="child")
        await child.signal(Child.hurry, "now")
        stranger = workflow.get_external_workflow_handle("stranger")
        with contextlib.suppress(TemporalError):
            await stranger.signal("hurry", "x")
        with contextlib.suppress(TemporalError):
            await stranger.cancel()
        await child
        if end == "fails":
            raise ApplicationError("enough")
        if end == "continues":
            workflow.continue_as_new("fails")
        return end


@pytest.mark.parametrize("end", ["fails", "continues", "returns"])
async def test_command_and_event_are_told_alike(end: str) -> None:
    workflows = (Everything, Child)
    async with Simulation(lane="direct", search_attributes=[KIND]) as sim:
        async with sim.worker(workflows=workflows, activities=[greet]):
            handle = await sim.client.start_workflow(
                Everything.run, end, id="all", task_queue=sim.task_queue
            )
            await handle.execute_update(Everything.change, "x")
            await sim.sleep(60)
        events = list(sim.runs[0].history.events)
    thread = replay_thread()
    found = thread.run(examine(ReplaySettings(workflows), "all", events, thread))
    assert found.failure is None
    proven = [command for command in found.commands if command.event is not None]
    kinds = {command.asked.WhichOneof("variant") for command in proven}
    assert len(kinds) == 11
    for command in proven:
        assert command.event is not None
        told = command_text(command.asked)
        assert command.places
        if command.asked.HasField("update_response"):
            continue  # only the event knows the update's name
        assert told == event_text(command.event)
        assert key_of_event(command.event) in (key_of_command(command.asked), None)
