"""One simulation for a whole session, used by tests on event loops of different scopes."""

from __future__ import annotations

import pytest

_SHARED = """
    from datetime import timedelta
    import pytest, pytest_asyncio
    from timeskip import Simulation
    from workflows import Sleeper

    @pytest.fixture(scope="session")
    def shared():
        with Simulation(lane="{lane}", stall_timeout=timedelta(seconds=1)) as sim:
            yield sim

    @pytest_asyncio.fixture(loop_scope="session", scope="session")
    async def served(shared):
        async with shared.worker(workflows=[Sleeper]):
            yield shared
"""

_TESTS = """
    import pytest
    from timeskip import SimulationStalled
    from workflows import Sleeper

    async def sleep(sim, id):
        return await sim.client.execute_workflow(
            Sleeper.run, 3600.0, id=id, task_queue=sim.task_queue
        )

    async def sleep_with_a_worker_of_its_own(sim, id):
        async with sim.worker(workflows=[Sleeper], task_queue=id):
            return await sim.client.execute_workflow(Sleeper.run, 60.0, id=id, task_queue=id)

    @pytest.mark.asyncio(loop_scope="session")
    async def test_on_the_sessions_loop(served):
        assert await sleep(served, "first") == "awake"

    @pytest.mark.asyncio
    @pytest.mark.parametrize("number", range(3))
    async def test_on_a_loop_of_its_own(shared, number):
        assert await sleep_with_a_worker_of_its_own(shared, f"own-{number}") == "awake"

    def test_on_no_loop(shared):
        assert shared.run(sleep_with_a_worker_of_its_own(shared, "plain")) == "awake"

    @pytest.mark.asyncio(loop_scope="session")
    async def test_on_the_sessions_loop_again(served):
        assert await sleep(served, "second") == "awake"

    @pytest.mark.asyncio
    async def test_away_from_its_worker(served):
        with pytest.raises(SimulationStalled) as stalled:
            await sleep(served, "away")
        assert "event loop of the worker on 'timeskip' does not run" in str(stalled.value)
        assert "`loop_scope`" in str(stalled.value)

    @pytest.mark.asyncio(loop_scope="session")
    async def test_on_the_sessions_loop_after_all(served):
        assert await sleep(served, "third") == "awake"
"""


@pytest.mark.parametrize("lane", ["direct", "wire"])
def test_simulation_of_a_session_serves_every_loop(project: pytest.Pytester, lane: str) -> None:
    project.makeconftest(_SHARED.format(lane=lane))
    project.makepyfile(_TESTS)
    project.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    project.runpytest_subprocess().assert_outcomes(passed=8)
