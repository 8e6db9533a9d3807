"""`sim.worker(...)`: a real worker with less to write."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any

from temporalio.client import Client
from temporalio.worker import Worker

from timeskip.lanes.daemon_threads import DaemonThreads

if TYPE_CHECKING:
    from timeskip.simulation import Simulation

#: Threads for synchronous activities; as many may sleep at one time.
_THREADS = 100


class SimulatedWorker:
    """A `temporalio.worker.Worker` on a simulation's client, from entry to exit of the context.

    One that is killed by a fault is replaced by another of the same kind.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        task_queue: str,
        workflows: Sequence[type],
        activities: Sequence[Callable[..., Any]],
        options: dict[str, Any],
        fresh: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._simulation = simulation
        self._task_queue = task_queue
        self._workflows = workflows
        self._activities = activities
        self._options = options
        self._fresh = fresh
        self._threads: DaemonThreads | None = None
        self._worker: Worker | None = None
        self._replacement: Worker | None = None
        self._run: asyncio.Task[None] | None = None
        #: The event loop that it runs on, between entry and exit.
        self.loop: asyncio.AbstractEventLoop | None = None

    @property
    def task_queue(self) -> str:
        return self._task_queue

    async def __aenter__(self) -> Worker:
        self._worker = self._make()
        self.loop = asyncio.get_running_loop()
        return await self._worker.__aenter__()

    async def __aexit__(self, *exception: Any) -> None:
        self.loop = None
        worker, self._worker = self._worker, None
        try:
            if self._replacement is not None and self._run is not None:
                await self._replacement.shutdown()
                await asyncio.wait({self._run})
            if worker is not None:
                await worker.__aexit__(*exception)
        finally:
            self._leave_threads()

    def replace(self) -> None:
        """The worker was killed: begin another, unless the context has been left."""
        self._leave_threads()
        if self.loop is None:
            return
        self._replacement = self._make()
        # Not a part of whatever runs now, least of all of an activity.
        self._run = Context().run(self.loop.create_task, self._replacement.run())
        self._run.add_done_callback(self._ended)
        self._simulation._keeper.expect_poller(self._task_queue)

    def _ended(self, run: asyncio.Task[None]) -> None:
        """Nobody waits for the run of a replacement; so its error is everybody's."""
        error = None if run.cancelled() else run.exception()
        if isinstance(error, Exception):
            self._simulation._raise_everywhere(error)

    def _make(self) -> Worker:
        simulation = self._simulation
        options = {
            "workflows": self._workflows,
            "activities": self._activities,
            **self._options,
            **(self._fresh() if self._fresh is not None else {}),
        }
        if "activity_executor" not in options and not all(map(_is_async, options["activities"])):
            self._threads = DaemonThreads(_THREADS, thread_name_prefix="timeskip-activity")
            options["activity_executor"] = self._threads
        if not options.get("identity"):
            options["identity"] = simulation._workers.new_identity(simulation.client.identity)
        worker = Worker(self._client(options), task_queue=self._task_queue, **options)
        simulation._workers.supervisors[worker] = self
        return worker

    def _client(self, options: Mapping[str, Any]) -> Client:
        """The simulation's, or one like it if a worker beside this one has that already.

        A connection has one worker at most for tasks of a kind on a queue. Workers that are in each
        other's way there are in processes of their own, and so with a connection each.
        """
        simulation = self._simulation
        client = simulation.client
        has_company = any(
            beside.client is client
            and beside.task_queue == self._task_queue
            and _kinds_of_tasks(beside.config()) & _kinds_of_tasks(options)
            for beside in simulation._workers.supervisors
        )
        return simulation._clients.another(client) if has_company else client

    def _leave_threads(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.leave()

    def __enter__(self) -> Worker:
        """For synchronous tests: the worker runs on the simulation's own event loop."""
        return self._simulation.portal.run(self.__aenter__())

    def __exit__(self, *exception: Any) -> None:
        self._simulation.portal.run(self.__aexit__(*exception))


def _kinds_of_tasks(options: Mapping[str, Any]) -> set[str]:
    """The options of a worker that have it take tasks, each of a kind."""
    return {
        kind for kind in ("workflows", "activities", "nexus_service_handlers") if options.get(kind)
    }


def _is_async(activity: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(activity) or inspect.iscoroutinefunction(
        getattr(activity, "__call__", None)  # noqa: B004 - of an object with such a method
    )
