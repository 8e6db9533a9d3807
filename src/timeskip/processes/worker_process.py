"""`sim.worker_process(...)`: a worker in a process of its own, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from timeskip.errors import WorkerRefused
from timeskip.processes.running_worker import RunningWorker

if TYPE_CHECKING:
    from timeskip.processes.worker_processes import WorkerProcesses


class WorkerProcess:
    """A worker in a process of its own, from entry to exit of the context, `async with` or `with`.

    When a fault kills the process another takes its place; `pid` and `identity` are those of the new
    one then.
    """

    def __init__(
        self,
        processes: WorkerProcesses,
        factory: str,
        *,
        task_queue: str,
        identity: str | None,
        arguments: Mapping[str, Any],
        may_crash: bool,
    ) -> None:
        self.factory = factory
        self.task_queue = task_queue
        self.may_crash = may_crash
        #: What its processes call themselves; None: a new name for each.
        self.given_identity = identity
        self.pickled_arguments = _pickled(factory, arguments)
        self._processes = processes
        self._is_wanted = False
        self._running: RunningWorker | None = None

    @property
    def pid(self) -> int:
        """The id of the process, or of the last one if there is none now."""
        return self._last().process.pid

    @property
    def identity(self) -> str:
        """What the worker calls itself."""
        return self._last().identity

    @property
    def is_alive(self) -> bool:
        """Whether there is a process now."""
        return self._running is not None and self._running.process.is_alive

    async def __aenter__(self) -> WorkerProcess:
        await asyncio.wrap_future(self._begin())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await asyncio.wrap_future(self._end(kills=kind is not None))

    def __enter__(self) -> WorkerProcess:
        self._begin().result()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(kills=kind is not None).result()

    def replace(self) -> None:
        """Begin another process, unless the context has been left. Where the clock runs."""
        if self._is_wanted:
            self._running = self._processes.start(self)

    def has(self, running: RunningWorker) -> bool:
        """Whether that is its process, or was its last one."""
        return self._running is running

    def _begin(self) -> Future[None]:
        self._is_wanted = True

        def begin() -> Future[None]:
            self.replace()
            running = self._last()
            running.is_awaited = True
            return running.up

        return self._processes.call(begin)

    def _end(self, *, kills: bool) -> Future[None]:
        def end() -> Future[None]:
            self._is_wanted = False
            running = self._last()
            self._processes.end(running, kills=kills)
            return running.ended

        return self._processes.call(end)

    def _last(self) -> RunningWorker:
        if self._running is None:
            raise RuntimeError(
                f"the worker process of {self.factory} has not been started: use it in a `with` or "
                "`async with` block"
            )
        return self._running


def _pickled(factory: str, arguments: Mapping[str, Any]) -> bytes:
    try:
        return pickle.dumps(dict(arguments))
    except Exception as error:
        raise WorkerRefused(
            f"{', '.join(arguments)} cannot be handed to the worker process of {factory}: {error}. "
            "Hand over plain values, from which the factory makes what it needs."
        ) from error
