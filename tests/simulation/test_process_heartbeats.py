"""An activity in another process, whose last heartbeats a thread of the SDK's passes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.worker import SharedHeartbeatSender, SharedStateManager

from timeskip import Simulation

#: Real seconds that a thread takes for what the activity waits for.
_A_WHILE = 0.2


class Elsewhere(Executor):
    """Stands for another process: no thread pool, as far as the SDK can see."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._threads.submit(fn, *args, **kwargs)


class SlowSharedState(SharedStateManager):
    """Is told by a thread, after a while, that there are no more heartbeats."""

    def new_event(self) -> threading.Event:
        return threading.Event()

    async def register_heartbeater(
        self, task_token: bytes, heartbeat: Callable[..., None]
    ) -> SharedHeartbeatSender:
        return _NoHeartbeats()

    async def unregister_heartbeater(self, task_token: bytes) -> None:
        finished = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Timer(_A_WHILE, lambda: loop.call_soon_threadsafe(finished.set)).start()
        await finished.wait()


class _NoHeartbeats(SharedHeartbeatSender):
    def send_heartbeat(self, task_token: bytes, *details: Any) -> None:
        """The activity has none."""


@activity.defn
def count() -> int:
    return activity.info().attempt


@workflow.defn(sandboxed=False)
class Counts:
    """Returns the attempt that succeeded."""

    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity(
            count,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=20),
        )


@pytest.mark.asyncio
async def test_time_waits_for_the_last_heartbeats(sim: Simulation) -> None:
    async with sim.worker(
        workflows=[Counts],
        activities=[count],
        activity_executor=Elsewhere(),
        shared_state_manager=SlowSharedState(),
    ):
        attempt = await sim.client.execute_workflow(
            Counts.run, id="counts", task_queue=sim.task_queue
        )
    assert attempt == 1
    assert sim.elapsed == timedelta(0)
