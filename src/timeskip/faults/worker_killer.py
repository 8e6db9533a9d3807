"""Kills the workers of this process, without killing the process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import Context
from datetime import timedelta
from functools import partial
from typing import Any

from timeskip.activity_time import ActivityTime
from timeskip.clock import duration_nanoseconds
from timeskip.lanes.holds import Hold
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
        killed = [running for running in self._registry.living() if running.identity == identity]
        done = _the_last_time(done, len(killed))
        for running in killed:
            running.is_killed = True
            for activity in running.activities():
                self._activity_time.doom(activity)
            on_loop(running.loop, partial(self._kill, running, restart_after, done))

    def stop(self, identity: str) -> bool:
        """What runs in this process cannot be stopped without the test that is to go on."""
        return False

    def go_on(self, identity: str) -> None:
        """Nothing was stopped."""

    def terminate(
        self, identity: str, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        """Shut all workers of that name down."""
        leaving = [running for running in self._registry.living() if running.identity == identity]
        done = _the_last_time(done, len(leaving))
        for running in leaving:
            hold = self._keeper.holds.take(f"worker {identity!r} shuts down")
            on_loop(running.loop, partial(self._terminate, running, restart_after, hold, done))

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

    def _terminate(
        self,
        running: Running,
        restart_after: timedelta | None,
        hold: Hold,
        done: Callable[[], None],
    ) -> None:
        task = Context().run(
            running.loop.create_task, self._shut_down(running, restart_after, hold, done)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shut_down(
        self,
        running: Running,
        restart_after: timedelta | None,
        hold: Hold,
        done: Callable[[], None],
    ) -> None:
        try:
            supervisor = self._registry.supervisors.get(running.worker)
            if not running.gives_grace:
                for activity in running.activities():
                    self._activity_time.cancellation_comes(activity)
            await running.begin_to_shut_down()
            self._let_activities_take_time(running, hold)
            await running.end()
            done()
            if supervisor is not None and restart_after is not None:
                self._registry.forget_killed(running)
                self._replace_at_its_end(supervisor, running.loop, restart_after)
        finally:
            self._soon(hold.release)

    def _let_activities_take_time(self, running: Running, hold: Hold) -> None:
        """Nothing else of the end of a worker takes virtual time."""
        left = set(running.activities())

        def has_ended(activity: asyncio.Task[Any]) -> None:
            left.discard(activity)
            if not left:
                hold.resume()

        hold.park()
        for activity in list(left):
            if not self._activity_time.tell_end(activity, partial(has_ended, activity)):
                has_ended(activity)
        if not left:
            hold.resume()

    def _replace_at_its_end(
        self,
        supervisor: Supervisor,
        loop: asyncio.AbstractEventLoop,
        restart_after: timedelta | None,
    ) -> None:
        if restart_after:
            self._soon(partial(self._replace_later, supervisor, loop, restart_after))
        elif restart_after is not None:
            supervisor.replace()

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
            self._replace_at_its_end(supervisor, running.loop, restart_after)
        finally:
            done()

    def _replace_later(
        self, supervisor: Supervisor, loop: asyncio.AbstractEventLoop, after: timedelta
    ) -> None:
        due = self._keeper.clock.now() + duration_nanoseconds(after)
        self._keeper.returns_of_workers += 1
        self._keeper.clock.schedule(due, partial(self._replace, supervisor, loop), in_order=True)

    def _replace(self, supervisor: Supervisor, loop: asyncio.AbstractEventLoop) -> None:
        self._keeper.returns_of_workers -= 1
        hold = self._keeper.holds.take("a worker takes the place of one that was killed")

        def replace() -> None:
            supervisor.replace()
            self._soon(hold.release)

        on_loop(loop, replace)


def _the_last_time(action: Callable[[], None], times: int) -> Callable[[], None]:
    """What is to be called so many times, and then calls `action`."""

    def once_more() -> None:
        nonlocal times
        times -= 1
        if not times:
            action()

    return once_more


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
