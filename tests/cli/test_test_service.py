"""Test environments of the SDKs, which lock and unlock the time of a test server."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests import time_skipping_environment
from tests.cli.serving import serving
from tests.cli.workflows import Nap

#: How often the SDK may try to start a server, and seconds of a processor in which that has to be up.
_TRIES = 5
_ENOUGH = 3.0


async def skip(address: str) -> tuple[timedelta, timedelta, timedelta]:
    """Nap for a year and then sleep for a day in the environment of `start_time_skipping`.

    How long the nap was, and how much time has passed for the environment after either.
    """
    client = await Client.connect(address)
    environment = time_skipping_environment.around(client)
    before = await environment.get_current_time()
    async with Worker(
        environment.client,
        task_queue="naps",
        workflows=[Nap],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        nap = await environment.client.start_workflow(
            Nap.run, timedelta(days=365).total_seconds(), id="nap", task_queue="naps"
        )
        began, ended = await nap.result()
    after_nap = await environment.get_current_time()
    await environment.sleep(timedelta(days=1))
    after_sleep = await environment.get_current_time()
    return ended - began, after_nap - before, after_sleep - after_nap


async def started_by_sdk(program: Path) -> WorkflowEnvironment:
    """An environment of `start_time_skipping`.

    The SDK waits for five seconds of real time, in which a program gets nowhere if the machine is busy.
    Then the test is skipped; but not if the program has had the time, and has not made use of it.
    """
    for _ in range(_TRIES):
        before = cpu_seconds_of_children()
        try:
            return await WorkflowEnvironment.start_time_skipping(
                test_server_existing_path=str(program)
            )
        except RuntimeError as error:
            is_ours = cpu_seconds_of_children() - before > _ENOUGH
            if is_ours or "did not start within" not in str(error):
                raise
    pytest.skip("the machine is so busy that the SDK does not wait long enough for a test server")


def cpu_seconds_of_children() -> float:
    """For how long processors have run processes of this one that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def skip_by_itself(program: Path) -> tuple[datetime, timedelta, timedelta]:
    """Let the SDK start this program as its test server, nap for a year and sleep for a day.

    When that began, and how much time had passed for the environment after either.
    """
    async with (
        await started_by_sdk(program) as environment,
        Worker(
            environment.client,
            task_queue="naps",
            workflows=[Nap],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        before = await environment.get_current_time()
        await environment.client.execute_workflow(
            Nap.run, timedelta(days=365).total_seconds(), id="nap", task_queue="naps"
        )
        after_nap = await environment.get_current_time()
        await environment.sleep(timedelta(days=1))
        return before, after_nap - before, await environment.get_current_time() - after_nap


def test_sdk_starts_the_program_as_its_test_server(tmp_path: Path) -> None:
    program = tmp_path / "timeskip-test-server"
    program.write_text(
        f"#!{sys.executable}\nfrom timeskip.cli import test_server\n\ntest_server()\n"
    )
    program.chmod(0o755)
    before = datetime.now(timezone.utc)
    began, nap, sleep = asyncio.run(skip_by_itself(program))
    after = datetime.now(timezone.utc)
    assert before <= began <= after
    assert timedelta(0) <= nap - timedelta(days=365) <= after - before
    assert timedelta(0) <= sleep - timedelta(days=1) <= after - before


def test_environment_of_the_sdk_skips_the_time_of_a_served_port() -> None:
    before = time.monotonic()
    with serving() as served:
        nap, around_nap, sleep = asyncio.run(skip(served.address))
    took = timedelta(seconds=time.monotonic() - before)
    assert nap == timedelta(days=365)
    assert timedelta(0) <= around_nap - nap <= took
    assert timedelta(0) <= sleep - timedelta(days=1) <= took
