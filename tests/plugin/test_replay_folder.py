"""One line of a test module replays a folder of histories."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from temporalio import workflow

from timeskip import Simulation
from timeskip.histories import History


@workflow.defn(sandboxed=False)
class Sleeper:
    """As the project has it."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "awake"


async def recorded(sim: Simulation, folder: Path) -> History:
    """A history in a file of the folder, and the same as a value."""
    async with sim.worker(workflows=[Sleeper]):
        handle = await sim.client.start_workflow(
            Sleeper.run, 60, id="nap", task_queue=sim.task_queue
        )
        await handle.result()
    history = await sim.history(handle)
    history.save(folder / "good.json")
    return history


def test_each_history_is_a_test_of_its_own(project: pytest.Pytester, sim: Simulation) -> None:
    folder = project.mkdir("corpus")
    history = sim.run(recorded(sim, folder))
    changed = json.loads(history.to_json())
    for event in changed["events"]:
        if event.pop("timerStartedEventAttributes", None):
            event["eventType"] = "EVENT_TYPE_MARKER_RECORDED"
            event["markerRecordedEventAttributes"] = {"markerName": "invented"}
    (folder / "deeper").mkdir()
    (folder / "deeper/changed.json").write_text(json.dumps(changed))
    (folder / "broken.json").write_text("[")
    project.makepyfile(
        """
        from pytest_timeskip import replay_folder
        from workflows import Sleeper

        test_production = replay_folder("corpus", workflows=[Sleeper])
        """
    )
    result = project.runpytest_subprocess("-v", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*::test_production[[]good[]] PASSED*",
            "*::test_production[[]broken[]] FAILED*",
            "*::test_production[[]deeper/changed[]] FAILED*",
            "broken: *broken.json: this is not JSON*",
            "deeper/changed: workflow 'nap' (Sleeper) is not deterministic*",
        ]
    )


@pytest.mark.slow
def test_folder_that_is_missing_fails_the_collection(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from pytest_timeskip import replay_folder
        from workflows import Sleeper

        test_production = replay_folder("nowhere", workflows=[Sleeper])
        """
    )
    result = project.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*HistoryUnreadable: *nowhere: there is no such folder"])
