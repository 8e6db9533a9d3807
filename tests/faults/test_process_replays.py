"""Runs of worker processes are replayed at the end of a test, in a process that has nothing of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.process_workers import Forgetful, Naps, NapsLonger
from timeskip import ReplayFailed, ReplayWarning, Simulation, WorkflowNotDeterministic

pytestmark = pytest.mark.asyncio

_WORKERS = "tests.faults.process_workers"


async def test_run_of_a_killed_process_that_does_something_else_is_explained(
    tmp_path: Path,
) -> None:
    world = str(tmp_path / "world")
    async with Simulation(lane="wire", auto_replay=False) as sim:
        sim.faults.kill_worker(at="activity:charge#1:before-report", restart_after=None)
        async with sim.worker_process(f"{_WORKERS}:build"):
            await sim.client.start_workflow(Forgetful.run, world, id="w", task_queue=sim.task_queue)
            await sim.sleep(timedelta(minutes=1))
        with pytest.raises(WorkflowNotDeterministic, match=r"'w' \(Forgetful\)") as failure:
            sim.check_replays()
    explanation = failure.value.explanation
    assert explanation is not None
    assert explanation.recorded is not None
    assert explanation.recorded.startswith("activity charge")
    assert explanation.cause.kind == "state outside of the workflow"
    assert explanation.asked_place is not None
    assert explanation.asked_place.function == "Forgetful.run"


async def test_run_is_replayed_as_the_last_worker_would_wherever_that_was() -> None:
    async with Simulation(lane="wire") as sim:
        async with sim.worker(workflows=[Naps]):
            for name in ("a", "b"):
                await sim.client.start_workflow(Naps.run, id=name, task_queue=sim.task_queue)
            await sim.sleep(1)
        async with sim.worker_process(f"{_WORKERS}:build_next_version"):
            assert await sim.client.get_workflow_handle("a").result() == "late"
            await sim.client.start_workflow(Naps.run, id="c", task_queue=sim.task_queue)
            await sim.sleep(4000)
            recorded = await sim.history("c")
            assert sim.replay_failure(recorded) is None
        async with sim.worker(workflows=[NapsLonger]):
            assert await sim.client.get_workflow_handle("c").result() == "late"


@pytest.mark.slow
@pytest.mark.parametrize("may_crash", [False, True])
async def test_worker_that_cannot_be_made_again_is_told(tmp_path: Path, may_crash: bool) -> None:
    world = str(tmp_path / "world")
    async with Simulation(lane="wire", auto_replay=False) as sim:
        async with sim.worker_process(f"{_WORKERS}:build_once", may_crash=may_crash, world=world):
            await sim.client.execute_workflow(Naps.run, id="n", task_queue=sim.task_queue)
        if may_crash:
            with pytest.warns(ReplayWarning, match="there is one already"):
                sim.check_replays()
        else:
            with pytest.raises(ReplayFailed, match="there is one already"):
                sim.check_replays()
