"""`sim.worker(...)`: a real worker with less to write."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import inspect
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from temporalio.worker import Worker

if TYPE_CHECKING:
    from timeskip.simulation import Simulation

#: Threads for synchronous activities; as many may sleep at one time.
_THREADS = 100


class SimulatedWorker:
    """A `temporalio.worker.Worker` on a simulation's client, from entry to exit of the context."""

    def __init__(
        self,
        simulation: Simulation,
        *,
        task_queue: str,
        workflows: Sequence[type],
        activities: Sequence[Callable[..., Any]],
        options: dict[str, Any],
    ) -> None:
        self._simulation = simulation
        self._task_queue = task_queue
        self._workflows = workflows
        self._activities = activities
        self._options = options
        self._threads: _ActivityThreads | None = None
        self._worker: Worker | None = None
        #: The event loop that it runs on, between entry and exit.
        self.loop: asyncio.AbstractEventLoop | None = None

    @property
    def task_queue(self) -> str:
        return self._task_queue

    async def __aenter__(self) -> Worker:
        options = dict(self._options)
        if "activity_executor" not in options and not all(map(_is_async, self._activities)):
            self._threads = _ActivityThreads(_THREADS, thread_name_prefix="timeskip-activity")
            options["activity_executor"] = self._threads
        self._worker = Worker(
            self._simulation.client,
            task_queue=self._task_queue,
            workflows=self._workflows,
            activities=self._activities,
            **options,
        )
        self.loop = asyncio.get_running_loop()
        return await self._worker.__aenter__()

    async def __aexit__(self, *exception: Any) -> None:
        self.loop = None
        worker, self._worker = self._worker, None
        try:
            if worker is not None:
                await worker.__aexit__(*exception)
        finally:
            if self._threads is not None:
                self._threads.leave()
                self._threads = None

    def __enter__(self) -> Worker:
        """For synchronous tests: the worker runs on the simulation's own event loop."""
        return self._simulation.portal.run(self.__aenter__())

    def __exit__(self, *exception: Any) -> None:
        self._simulation.portal.run(self.__aexit__(*exception))


class _ActivityThreads(ThreadPoolExecutor):
    """Threads that keep nobody waiting, not even the interpreter when it ends.

    An activity may block its thread for ever, and then no one can end it. The test that this
    happens in fails; the others must go on.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        # A new thread is a daemon if the one that starts it is.
        thread: Any = threading.current_thread()
        daemonic, thread._daemonic = thread._daemonic, True
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            thread._daemonic = daemonic

    def leave(self) -> None:
        """Accept no more; whatever still runs is left to itself."""
        self.shutdown(wait=False)
        joined_at_exit: Any = concurrent.futures.thread._threads_queues
        for thread in self._threads:
            joined_at_exit.pop(thread, None)


def _is_async(activity: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(activity) or inspect.iscoroutinefunction(
        getattr(activity, "__call__", None)  # noqa: B004 - of an object with such a method
    )
