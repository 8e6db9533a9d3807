"""Calls that attempts hand to process pools, on virtual time.

What runs in another process is out of reach: its sleeps, and its waits for what the worker shares
with it, would take real time, and nothing would tell that they wait for nothing else. So each call
gets a line to this process, where a thread stands in for it: it sleeps and waits in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from timeskip.activity_time import thread_sleep
from timeskip.activity_time.attempt import Attempt, current_attempt
from timeskip.activity_time.process_line import Line, Pause, PauseOver, open_line
from timeskip.activity_time.shared_state import HeardHeartbeats, SentHeartbeats, SharedEvent
from timeskip.activity_time.thread_sleep import (
    ThreadPause,
    VirtualSleepInterruptedError,
    WorkerKilledError,
)
from timeskip.activity_time.threads import Job, queue_of, runs_in_threads

#: Real seconds between two looks whether a call has ended that says nothing.
_LOOK_SECONDS = 0.1


def run_in_process(
    attempt: Attempt,
    run_in_executor: Callable[..., asyncio.Future[Any]],
    pool: ProcessPoolExecutor,
    call: Callable[..., Any],
    args: tuple[Any, ...],
) -> asyncio.Future[Any]:
    """What `loop.run_in_executor` does for an attempt; `run_in_executor` is the loop's own."""
    here, there = Pipe()
    stand_in = StandIn(Job(attempt), pool, here, there, args)
    stand_in.begin()
    try:
        future = run_in_executor(
            _Submission(pool, stand_in.call_ended), DistantCall(there, call), *args
        )
    except BaseException:
        stand_in.call_ended()
        stand_in.settle()
        raise
    future.add_done_callback(lambda _: stand_in.settle())
    return future


class DistantCall:
    """The call, in the other process."""

    def __init__(self, connection: Connection[Any, Any], call: Callable[..., Any]) -> None:
        self._connection = connection
        self._call = call

    def __call__(self, *args: Any) -> Any:
        if time.sleep is not thread_sleep.sleep:
            thread_sleep.real_sleep = time.sleep
            time.sleep = thread_sleep.sleep
        line = Line(self._connection)
        token = open_line.set(line)
        try:
            return self._call(*args)
        finally:
            open_line.reset(token)
            line.close()


class StandIn:
    """A thread that waits in the place of a call in another process."""

    def __init__(
        self,
        job: Job,
        pool: ProcessPoolExecutor,
        here: Connection[Any, Any],
        there: Connection[Any, Any],
        args: tuple[Any, ...],
    ) -> None:
        self.job = job
        self._pool = pool
        self._queue = queue_of(pool)
        self._line = here
        self._other_end = there
        self._events = {arg.number: arg for arg in args if isinstance(arg, SharedEvent)}
        self._heard: list[HeardHeartbeats] = [
            arg.heard for arg in args if isinstance(arg, SentHeartbeats)
        ]
        self._lock = threading.Lock()
        self._has_ended = False
        self._result_known = False
        self._thread = threading.Thread(target=self._run, name="timeskip-process", daemon=True)

    def begin(self) -> None:
        """The call is handed to the pool. It holds the clock as soon as a process is free for it."""
        self._queue.enter(self.job)
        self._thread.start()

    def call_ended(self) -> None:
        """The call has returned, was withdrawn, or its process is gone. From any thread."""
        with self._lock:
            self._has_ended = True
            result_known = self._result_known
        self._queue.leave(self.job)
        if result_known:
            self.job.asleep()

    def settle(self) -> None:
        """The event loop knows the result, or waits for it no more."""
        with self._lock:
            self._result_known = True
            has_ended = self._has_ended
        if has_ended:
            self.job.asleep()

    def leave_pool(self, thread: threading.Thread) -> None:
        """The attempt was killed. Its code ends where it next waits, for the pool's sake."""
        error = WorkerKilledError(f"{self.job.attempt.running}: its worker was killed")
        with contextlib.suppress(OSError):
            self._line.send(PauseOver(error))

    def give_up(self) -> bool:
        # Python would wait for the pool, and the pool for its processes.
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        return True

    def _run(self) -> None:
        current_attempt.set(self.job.attempt)
        runs_in_threads[self._thread] = self
        try:
            # The other side is gone, or what it sent was cut off.
            with contextlib.suppress(EOFError, OSError):
                while (pause := self._next()) is not None:
                    self._line.send(self._answer(pause))
        finally:
            del runs_in_threads[self._thread]
            self._line.close()
            self._other_end.close()

    def _next(self) -> Pause | None:
        # A process that has died does not close the line if another one was forked from this one.
        while not self._line.poll(_LOOK_SECONDS):
            if self._has_ended:
                return None
        pause: Pause = self._line.recv()
        return pause

    def _answer(self, pause: Pause) -> PauseOver:
        attempt = self.job.attempt
        for heard in self._heard:
            heard.wait_for(pause.heartbeats)
        event = self._events.get(pause.event or 0)
        try:
            if event is not None:
                event.wait(None if pause.delay_ns is None else pause.delay_ns / 1e9)
            elif attempt.clock.closed:
                thread_sleep.real_sleep((pause.delay_ns or 0) / 1e9)
            else:
                ThreadPause(attempt).last(pause.delay_ns)
        except (VirtualSleepInterruptedError, WorkerKilledError) as error:
            return PauseOver(error)
        return PauseOver()


class _Submission(Executor):
    """A pool, but that it is told when the call is over that is handed to it."""

    def __init__(self, pool: ProcessPoolExecutor, on_end: Callable[[], None]) -> None:
        self._pool = pool
        self._on_end = on_end

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self._pool.submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self._on_end())
        return future
