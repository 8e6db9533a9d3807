"""Replays of histories from anywhere: objects, files, folders of earlier versions."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.api.history.v1 import History as Recorded
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from timeskip import HistoryUnreadable, ReplayFailed, Simulation, WorkflowNotDeterministic
from timeskip.histories import (
    BrokenHistory,
    History,
    HistoryFolder,
    Replayable,
    explain,
    replay,
    replay_eras,
)

pytestmark = pytest.mark.asyncio


@workflow.defn(name="Nap")
class Nap:
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("twice"):
            await workflow.sleep(1)
        await workflow.sleep(1)


@workflow.defn(name="Nap", sandboxed=False)
class FirstNap:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(1)


@workflow.defn(name="Nap", sandboxed=False)
class NoNap:
    @workflow.run
    async def run(self) -> None:
        return


async def history_of(workflow: type, *absent: str) -> History:
    nap: type[Nap] = workflow
    async with Simulation(lane="direct") as sim:
        with sim.patches(absent=absent):
            async with sim.worker(workflows=[nap]):
                handle = await sim.client.start_workflow(
                    nap.run, id="nap", task_queue=sim.task_queue
                )
                await handle.result()
                return await sim.history(handle)


async def test_history_is_taken_in_every_form(tmp_path: Path) -> None:
    history = await history_of(Nap)
    file = tmp_path / "nap.json"
    history.save(file)
    forms: list[Replayable] = [history, history.recorded, history.for_replay, file, str(file)]
    for form in forms:
        replay(form, workflows=[Nap])
        with pytest.raises(WorkflowNotDeterministic, match="workflow 'nap'"):
            replay(form, workflows=[NoNap])


async def test_explanation_of_a_history_that_replays_is_none() -> None:
    history = await history_of(FirstNap)
    assert explain(history, workflows=[Nap]) is None
    explanation = explain(history, workflows=[NoNap])
    assert explanation is not None
    assert explanation.event_id == 5
    assert explanation.recorded == "timer of 1 s"
    assert explanation.asked == "end of the workflow"


async def test_replay_works_outside_of_an_event_loop() -> None:
    import asyncio

    history = await history_of(Nap)
    await asyncio.to_thread(replay, history, workflows=[Nap])


def numbered(*events: HistoryEvent) -> list[HistoryEvent]:
    """Copies that are numbered without a gap."""
    copies = Recorded(events=events).events
    for number, event in enumerate(copies, 1):
        event.event_id = number
    return list(copies)


async def test_broken_history_is_told() -> None:
    events = (await history_of(Nap)).for_replay.events
    for broken, why in (
        ([], "does not begin"),
        (events[1:], "does not begin"),
        (events[:2], "ends before any workflow task"),
        ([*events[:4], *events[5:]], "goes from event 4 to event 6"),
        (numbered(*events[:3], *events[4:]), "event 4 is not the end of it"),
    ):
        with pytest.raises(BrokenHistory, match=why):
            replay(WorkflowHistory("nap", broken), workflows=[Nap])


async def test_history_that_lacks_what_the_core_needs_is_told() -> None:
    whole = (await history_of(Nap)).recorded
    started = whole.events[0].workflow_execution_started_event_attributes
    started.ClearField("task_queue")
    with pytest.raises(BrokenHistory, match="does not say its task queue"):
        replay(whole, workflows=[Nap])
    started.ClearField("workflow_type")
    with pytest.raises(BrokenHistory, match="does not say of what type it is"):
        replay(whole, workflows=[Nap])
    started.ClearField("original_execution_run_id")
    with pytest.raises(BrokenHistory, match="does not say its run id"):
        replay(whole, workflows=[Nap])


async def test_history_without_times_is_told() -> None:
    whole = (await history_of(Nap)).recorded
    whole.events[2].ClearField("event_time")
    with pytest.raises(BrokenHistory, match="does not say when event 3 was"):
        replay(whole, workflows=[Nap])


async def test_event_of_a_later_release_is_left_to_the_core() -> None:
    first, *others = (await history_of(Nap)).for_replay.events
    later = HistoryEvent(event_type=9999)  # type: ignore[arg-type]
    with pytest.raises(ReplayFailed):
        replay(WorkflowHistory("nap", numbered(first, later, *others)), workflows=[Nap])


async def test_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError):
        replay(await history_of(Nap), workflows=[Nap], workflow_runer=None)


async def test_eras_are_replayed_all_and_named(tmp_path: Path) -> None:
    """Each branch of a patch has its own era."""
    eras: dict[str, Replayable | list[Replayable]] = {}
    eras |= {"v1": await history_of(FirstNap), "v2": [await history_of(Nap)]}
    replay_eras(eras, workflows=[Nap])
    with pytest.raises(ReplayFailed) as failure:
        replay_eras(eras, workflows=[NoNap])
    assert str(failure.value).count("is not deterministic") == 2
    assert "of v1: workflow 'nap'" in str(failure.value)
    assert "of v2: workflow 'nap'" in str(failure.value)


async def test_eras_of_a_folder_are_named_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (await history_of(FirstNap)).save(tmp_path / "v1" / "nap.json")
    replay_eras(tmp_path, workflows=[Nap])
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ReplayFailed, match=r"of broken\.json: .*broken\.json"):
        replay_eras(tmp_path, workflows=[Nap])


async def test_folder_without_histories_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replay_eras(tmp_path, workflows=[Nap])
    with pytest.raises(HistoryUnreadable):
        replay(tmp_path / "none.json", workflows=[Nap])


class Idle:
    @workflow.run
    async def run(self) -> None:
        return


def named(name: str) -> type:
    return workflow.defn(name=name, sandboxed=False)(type("Idle", (Idle,), {}))


async def test_folder_names_the_nearest_of_many_workflows(tmp_path: Path) -> None:
    (await history_of(Nap)).save(tmp_path / "nap.json")
    others = [named(f"Order{number}") for number in range(9)]
    folder = HistoryFolder(tmp_path, [named("Naps"), *others])
    assert folder.replay("nap").message == "there is no workflow 'Nap'; there are: Naps and 9 more"


async def test_folder_has_each_file_that_may_be_a_history(tmp_path: Path) -> None:
    """And nothing else."""
    (await history_of(Nap)).save(tmp_path / "nap.json")
    (tmp_path / "nap.json.gz").write_bytes(gzip.compress((tmp_path / "nap.json").read_bytes()))
    for other in (".venv", "deeper.json"):
        (tmp_path / other).mkdir()
        (tmp_path / other / "nap.json").write_text("{}")
    (tmp_path / "gone.json").symlink_to("nowhere")
    folder = HistoryFolder(tmp_path, [Nap])
    assert {name: folder.replay(name).verdict.name for name in folder.names} == {
        "deeper.json/nap": "BROKEN",
        "gone": "BROKEN",
        "nap": "REPLAYED",
        "nap.gz": "REPLAYED",
    }
