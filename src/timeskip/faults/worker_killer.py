"""Kills the workers of this process, without killing the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import Context
from datetime import timedelta
from functools import partial

from timeskip.activity_time import ActivityTime
from timeskip.clock import duration_nanoseconds
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.lanes.worker_registry import Running, Supervisor, WorkerRegistry


class WorkerKiller:
    """Implements `timeskip.faults.killers.Killer` for the workers that use a simulation's client.

    What a worker of this process holds in memory is what the SDK's worker holds: the workflows that
    it has cached, and the activities that it runs. The code of these stops where it is and never
    goes on, not even to its `except` and `finally` blocks. An activity in a thread stops when it
    next sleeps or heartbeats; what it returns is dropped.

    Objects that the test has made and given to the worker live on, as what is outside of a process
    would: module globals, `self` of activities that are methods, instances of interceptors. What is
    to be as new in each worker is made by `fresh` of `Simulation.worker`.
    """

    def __init__(
        self,
        keeper: TimeKeeper,
        registry: WorkerRegistry,
        activity_time: ActivityTime,
        soon: Callable[[Callable[[], None]], None],
    ) -> None:
        self._keeper = keeper
        self._registry = registry
        self._activity_time = activity_time
        self._soon = soon
        self._tasks: set[asyncio.Task[None]] = set()

    def workers(self) -> list[str]:
        """The identities of the workers that live, the oldest first."""
        return list(dict.fromkeys(running.identity for running in self._registry.living()))

    def kill(
        self, identity: str, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        """Kill all workers of that name: they stand for one process."""
        left = 0

        def one_is_done() -> None:
            nonlocal left
            left -= 1
            if not left:
                done()

        killed = [running for running in self._registry.living() if running.identity == identity]
        left = len(killed)
        for running in killed:
            on_loop(running.loop, partial(self._kill, running, restart_after, one_is_done))

    def evict(self, identity: str, run_id: str) -> None:
        """Have the workers of that name forget a workflow."""
        for running in self._registry.living():
            if running.identity == identity:
                running.evict(run_id)

    def _kill(
        self, running: Running, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        owners = running.die(self._activity_time.kill)
        self._soon(lambda: self._call_off(owners))
        task = Context().run(
            running.loop.create_task, self._take_down(running, restart_after, done)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call_off(self, owners: list[object]) -> None:
        """End the calls that code was waiting for which does not go on."""
        for owner in owners:
            for hold in self._keeper.holds.of(owner):
                if hold.call_off is not None:
                    hold.call_off()
                hold.release()

    async def _take_down(
        self, running: Running, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        try:
            await running.take_down()
            supervisor = self._registry.supervisors.pop(running.worker, None)
            if supervisor is None or restart_after is None:
                return
            self._registry.forget_killed(running)
            if restart_after:
                self._soon(partial(self._replace_later, supervisor, running.loop, restart_after))
            else:
                supervisor.replace()
        finally:
            done()

    def _replace_later(
        self, supervisor: Supervisor, loop: asyncio.AbstractEventLoop, after: timedelta
    ) -> None:
        due = self._keeper.clock.now() + duration_nanoseconds(after)
        self._keeper.clock.schedule(due, partial(self._replace, supervisor, loop), in_order=True)

    def _replace(self, supervisor: Supervisor, loop: asyncio.AbstractEventLoop) -> None:
        hold = self._keeper.holds.take("a worker takes the place of one that was killed")

        def replace() -> None:
            supervisor.replace()
            self._soon(hold.release)

        on_loop(loop, replace)


def on_loop(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Call `action` on a loop: at once, if that is the running one."""
    try:
        is_here = asyncio.get_running_loop() is loop
    except RuntimeError:
        is_here = False
    if is_here:
        action()
    else:
        with contextlib.suppress(RuntimeError):  # it is closed, and everything on it is gone
            # Not in the context of an activity, which may be one that is killed.
            loop.call_soon_threadsafe(action, context=Context())
