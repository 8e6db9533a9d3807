"""The `sim` fixture: in async tests under each async plugin or none, and in plain tests."""

from __future__ import annotations

import pytest

_ASYNC = """
    import pytest
    from workflows import Sleeper
    {mark}
    async def test_sleeps(sim):
        async with sim.worker(workflows=[Sleeper]):
            result = await sim.client.execute_workflow(
                Sleeper.run, 86400.0, id="s", task_queue=sim.task_queue
            )
        assert result == "awake"
        assert sim.elapsed.days == 1
"""


@pytest.mark.parametrize(
    ("mark", "arguments"),
    [
        pytest.param("", ["-p", "no:asyncio", "-p", "no:anyio"], id="no-plugin"),
        pytest.param("", [], id="asyncio-strict-unmarked"),
        pytest.param("@pytest.mark.asyncio", [], id="asyncio-strict"),
        pytest.param("", ["--asyncio-mode=auto"], id="asyncio-auto"),
        pytest.param("@pytest.mark.anyio", ["-p", "no:asyncio"], id="anyio"),
    ],
)
@pytest.mark.parametrize("lane", ["wire", "direct"])
def test_runs_async_tests(
    project: pytest.Pytester, mark: str, arguments: list[str], lane: str
) -> None:
    project.makepyfile(_ASYNC.format(mark=mark))
    if "anyio" in mark:
        project.makeconftest(
            "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
        )
    result = project.runpytest_subprocess(f"--timeskip-lane={lane}", *arguments)
    result.assert_outcomes(passed=1)


def test_serves_plain_tests(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from workflows import Sleeper

        def test_sleeps(sim):
            async def main():
                async with sim.worker(workflows=[Sleeper]):
                    return await sim.client.execute_workflow(
                        Sleeper.run, 3600.0, id="s", task_queue=sim.task_queue
                    )
            assert sim.run(main()) == "awake"
            assert sim.elapsed.total_seconds() == 3600
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_each_test_has_a_simulation_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from workflows import Sleeper

        @pytest.mark.parametrize("number", range(3))
        async def test_the_same_id_again(sim, number):
            assert sim.elapsed.total_seconds() == 0
            async with sim.worker(workflows=[Sleeper]):
                await sim.client.execute_workflow(
                    Sleeper.run, 60.0, id="same", task_queue=sim.task_queue
                )
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_tests_run_side_by_side_in_processes(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from workflows import Sleeper

        @pytest.mark.parametrize("number", range(6))
        async def test_sleeps(sim, number):
            async with sim.worker(workflows=[Sleeper]):
                await sim.client.execute_workflow(
                    Sleeper.run, 60.0, id="same", task_queue=sim.task_queue
                )
        """
    )
    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=6)
