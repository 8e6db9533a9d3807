"""Test environments of the SDKs, which lock and unlock the time of a test server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

from temporalio.client import Client
from temporalio.testing._workflow import _V1WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.cli.serving import serving
from tests.cli.workflows import Nap


async def skip(address: str) -> tuple[timedelta, timedelta, timedelta]:
    """Nap for a year and then sleep for a day in the environment of `start_time_skipping`.

    How long the nap was, and how much time has passed for the environment after either.
    """
    client = await Client.connect(address)
    environment = _V1WorkflowEnvironment(client, cast(Any, None))
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


def test_environment_of_the_sdk_skips_the_time_of_a_served_port() -> None:
    with serving() as served:
        nap, around_nap, sleep = asyncio.run(skip(served.address))
    assert nap == timedelta(days=365)
    assert timedelta(0) <= around_nap - nap < timedelta(minutes=1)
    assert timedelta(0) <= sleep - timedelta(days=1) < timedelta(minutes=1)
