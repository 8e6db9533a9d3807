"""Suites that start the SDK's own environments, run on simulations."""

from __future__ import annotations

import pytest

_SUITE = """
import uuid
from datetime import datetime, timedelta, timezone

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, TypedSearchAttributes, SearchAttributePair
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from workflows import Sleeper

CITY = SearchAttributeKey.for_keyword("City")
SINCE = SearchAttributeKey.for_datetime("Since")


async def sleep_long(client):
    async with Worker(client, task_queue="any", workflows=[Sleeper]):
        return await client.execute_workflow(
            Sleeper.run, 86400.0, id=str(uuid.uuid4()), task_queue="any"
        )


@pytest_asyncio.fixture
async def env():
    env = await WorkflowEnvironment.start_time_skipping(test_server_download_version="any")
    yield env
    await env.shutdown()


@pytest.mark.asyncio
async def test_skips_time(env):
    assert env.supports_time_skipping
    began = await env.get_current_time()
    assert abs(began - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert await sleep_long(env.client) == "awake"
    assert await env.get_current_time() - began >= timedelta(days=1)
    assert datetime.now(timezone.utc) - began < timedelta(minutes=1)


@pytest.mark.asyncio
async def test_local_server_knows_its_search_attributes():
    async with await WorkflowEnvironment.start_local(
        namespace="shop",
        search_attributes=[SINCE],
        dev_server_extra_args=[
            *("--search-attribute", "City=Keyword", "--log-level", "error"),
            *("--dynamic-config-value", "history.maximumSignalsPerExecution=2"),
        ],
    ) as env:
        assert not env.supports_time_skipping
        assert env.client.namespace == "shop"
        given = TypedSearchAttributes(
            [
                SearchAttributePair(CITY, "Ghent"),
                SearchAttributePair(SINCE, datetime(2001, 2, 3, tzinfo=timezone.utc)),
            ]
        )
        handle = await env.client.start_workflow(
            "Any", id="any", task_queue="nobody", search_attributes=given
        )
        assert (await handle.describe()).typed_search_attributes == given
        for _ in range(2):
            await handle.signal("any")
        with pytest.raises(RPCError):
            await handle.signal("any")
        began = datetime.now(timezone.utc)
        assert await sleep_long(env.client) == "awake"
        assert datetime.now(timezone.utc) - began >= timedelta(days=1)
        async with await WorkflowEnvironment.start_time_skipping():
            assert datetime.now(timezone.utc) - began < timedelta(minutes=1)
"""


@pytest.mark.parametrize("lane", ["direct", "wire"])
def test_suite_with_environments_of_its_own_runs_on_simulations(
    project: pytest.Pytester, lane: str
) -> None:
    project.makepyfile(_SUITE)
    project.makeini("[pytest]\ntimeskip_environments = true\n")
    result = project.runpytest_subprocess(f"--timeskip-lane={lane}")
    result.assert_outcomes(passed=2)


def test_environments_are_the_sdks_unless_asked_for(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from temporalio.testing import WorkflowEnvironment

        def test_sdk():
            assert "temporalio" in WorkflowEnvironment.start_local.__module__
        """
    )
    project.makeini("[pytest]\ntimeskip_environments = true\n")
    project.runpytest_subprocess().assert_outcomes(failed=1)
    project.runpytest_subprocess("--timeskip-environments=no").assert_outcomes(passed=1)


def test_workflow_task_that_fails_is_tried_again_there(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from temporalio import workflow
        from temporalio.testing import WorkflowEnvironment
        from temporalio.worker import Worker

        tries = []

        @workflow.defn(sandboxed=False)
        class Second:
            @workflow.run
            async def run(self) -> int:
                tries.append(1)
                if len(tries) == 1:
                    raise RuntimeError("the first one fails")
                return len(tries)

        @pytest.mark.asyncio
        async def test_second():
            async with await WorkflowEnvironment.start_local() as env:
                async with Worker(env.client, task_queue="any", workflows=[Second]):
                    assert await env.client.execute_workflow(
                        Second.run, id="any", task_queue="any"
                    ) == 2
        """
    )
    project.runpytest_subprocess("--timeskip-environments=yes").assert_outcomes(passed=1)


def test_bug_that_nobody_hears_of_is_told_with_its_own_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import asyncio
        import pytest
        import pytest_asyncio
        from temporalio.worker import Worker
        from timeskip import Simulation
        from workflows import Broken, Sleeper

        pytestmark = pytest.mark.asyncio(loop_scope="session")

        @pytest_asyncio.fixture(scope="session", loop_scope="session")
        async def client():
            async with Simulation() as simulation:
                yield simulation.client

        async def leave_broken(client):
            async with Worker(client, task_queue="any", workflows=[Broken]):
                await client.start_workflow("Broken", id="broken", task_queue="any")
                for _ in range(100):
                    await asyncio.sleep(0)

        async def test_leaves_it_unheard(client):
            await leave_broken(client)

        async def test_waits(client):
            async with Worker(client, task_queue="any", workflows=[Sleeper]):
                await client.execute_workflow("Sleeper", 1.0, id="sleeper", task_queue="any")

        async def test_fails_for_another_reason(client):
            await client.get_workflow_handle("broken").terminate()
            await leave_broken(client)
            assert False

        async def test_waits_again(client):
            async with Worker(client, task_queue="any", workflows=[Sleeper]):
                await client.execute_workflow("Sleeper", 1.0, id="sleeper", task_queue="any")
        """
    )
    result = project.runpytest_subprocess("-v")
    result.assert_outcomes(passed=2, failed=2, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*test_leaves_it_unheard FAILED*",
            "*test_fails_for_another_reason FAILED*",
            "*RuntimeError: a bug in the workflow*",
            "*PytestWarning: *test_fails_for_another_reason: WorkflowTaskFailed: *",
        ]
    )


_NONDETERMINISTIC = """
import pytest
from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

begun = []

@workflow.defn(sandboxed=False)
class Forgetful:
    @workflow.run
    async def run(self) -> None:
        begun.append(self)
        await workflow.sleep(1 if len(begun) % 2 else 2)
        if len(begun) % 2:
            await workflow.sleep(3)

async def forget():
    begun.clear()
    async with await WorkflowEnvironment.start_local() as env:
        async with Worker(env.client, task_queue="any", workflows=[Forgetful]):
            await env.client.execute_workflow(Forgetful.run, id="any", task_queue="any")

@pytest.mark.asyncio
async def test_forgetful():
    await forget()

@pytest.mark.asyncio
@pytest.mark.timeskip(auto_replay=False)
async def test_forgetful_as_it_may_be():
    await forget()
"""


def test_runs_there_are_replayed_if_that_was_asked_for(project: pytest.Pytester) -> None:
    project.makepyfile(_NONDETERMINISTIC)
    yes = "--timeskip-environments=yes"
    project.runpytest_subprocess(yes).assert_outcomes(passed=2)
    asked = project.runpytest_subprocess(yes, "--timeskip-auto-replay=yes")
    asked.assert_outcomes(passed=1, failed=1)
    asked.stdout.fnmatch_lines(["*WorkflowNotDeterministic: workflow 'any'*"])
