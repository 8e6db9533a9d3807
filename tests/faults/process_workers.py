"""What worker processes of the tests run."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

_SOON = timedelta(seconds=10)
_RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=1)


def note(world: str, entry: str) -> None:
    """Write to a file, which stands for the world outside of all processes."""
    with Path(world).open("a") as file:
        file.write(f"{entry}\n")


@activity.defn
async def charge(world: str) -> int:
    """Says which process has done it."""
    note(world, "charged")
    print("charged", flush=True)
    return os.getpid()


@activity.defn
async def nap(world: str, seconds: float) -> float:
    """How long it has taken by the clock on the wall; so do its likes."""
    note(world, "lies down")
    before = datetime.now(timezone.utc)
    await asyncio.sleep(seconds)
    note(world, "gets up")
    return (datetime.now(timezone.utc) - before).total_seconds()


@activity.defn
def nap_in_thread(world: str, seconds: float) -> float:
    note(world, "lies down")
    before = time.time()
    time.sleep(seconds)
    note(world, "gets up")
    return time.time() - before


@activity.defn
async def nap_on_loop(world: str, seconds: float) -> float:
    note(world, "lies down")
    before = time.time()
    time.sleep(seconds)  # noqa: ASYNC251 - as people do
    note(world, "gets up")
    return time.time() - before


@activity.defn
async def count(world: str, until: int) -> list[int]:
    """Counts minutes, and tells them: what each attempt has come to."""
    details = activity.info().heartbeat_details
    counted = [*details[0], details[0][-1]] if details else [0]
    while counted[-1] < until:
        await asyncio.sleep(60)
        counted[-1] += 1
        activity.heartbeat(counted)
    return counted


@activity.defn
async def begin_to_count(world: str) -> str:
    """Heartbeats before it sleeps."""
    activity.heartbeat()
    await asyncio.sleep(60)
    return "begun"


@activity.defn
async def wait_for_nap(world: str) -> str:
    """Calls the service, and waits for the answer for an hour."""
    info = activity.info()
    return await activity.client().execute_workflow(
        Naps.run, id="waited-for", task_queue=info.task_queue
    )


@activity.defn
async def crash(world: str) -> int:
    """The first time, the process ends."""
    if activity.info().attempt == 1:
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return activity.info().attempt


@workflow.defn
class Does:
    """Runs an activity, given by its name."""

    @workflow.run
    async def run(self, name: str, arguments: list[Any], locally: bool) -> Any:
        options: dict[str, Any] = {
            "args": arguments,
            "start_to_close_timeout": timedelta(hours=2),
            "retry_policy": _RETRIES,
        }
        if locally:
            return await workflow.execute_local_activity(name, **options)
        if "count" in name:
            options["heartbeat_timeout"] = timedelta(minutes=2)
        return await workflow.execute_activity(name, **options)


@workflow.defn
class Naps:
    """Sleeps for an hour."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(3600)
        return "awake"

    @workflow.query
    def state(self) -> str:
        return "asleep"


@workflow.defn
class Fails:
    """Every workflow task of it fails, until the test has put things right."""

    @workflow.run
    async def run(self, world: str) -> str:
        if not os.path.exists(world):  # noqa: ASYNC240 - no workflow should, but this one does
            raise RuntimeError("nothing there")
        return "there"


begun = itertools.count()


@workflow.defn(sandboxed=False)
class Forgetful:
    """Does something else as soon as its process has run another one."""

    @workflow.run
    async def run(self, world: str) -> None:
        if next(begun) == 0:
            await workflow.execute_activity(charge, world, start_to_close_timeout=_SOON)
        await workflow.sleep(1)


@workflow.defn(name="Naps")
class NapsLonger:
    """The next version of `Naps`."""

    @workflow.run
    async def run(self) -> str:
        await asyncio.sleep(3600)
        if workflow.patched("longer"):
            await asyncio.sleep(3600)
        return "late"


WORKFLOWS = [Does, Fails, Forgetful, Naps]
ACTIVITIES: list[Callable[..., Any]] = [
    begin_to_count,
    charge,
    count,
    crash,
    nap,
    nap_in_thread,
    nap_on_loop,
    wait_for_nap,
]


def build(client: Client, task_queue: str, **options: Any) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        activity_executor=ThreadPoolExecutor(10),
        workflow_runner=UnsandboxedWorkflowRunner(),
        **options,
    )


async def build_several(client: Client, queues: list[str]) -> list[Worker]:
    return [build(client, queue) for queue in queues]


def build_next_version(client: Client, task_queue: str) -> Worker:
    return Worker(client, task_queue=task_queue, workflows=[NapsLonger])


def build_once(client: Client, task_queue: str, world: str) -> Worker:
    if os.path.exists(world):
        raise RuntimeError("there is one already")
    note(world, "built")
    return build(client, task_queue)


def build_nothing(client: Client) -> str:
    return "nothing"


def build_without_settings(client: Client) -> Worker:
    raise RuntimeError("there are no settings")


def build_for_ever(client: Client) -> Worker:
    print("begun", flush=True)
    time.sleep(3600)
    raise AssertionError


def stop_at_once(client: Client) -> Worker:
    os._exit(3)
