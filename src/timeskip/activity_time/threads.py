"""The threads of an attempt: what executors run for it, and `time.sleep` in any of them.

A call that the attempt hands to an executor is real work and holds the clock until it returns,
except while its thread is in a virtual sleep, or while it waits for a thread because all threads of
the pool are taken. A sync activity is itself such a call. (For process pools: `process_calls`.)

Any other thread counts only if it runs in the attempt's context and sleeps in it: from its first
sleep on, it holds the clock while it is awake, until it ends.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from timeskip.activity_time.attempt import Attempt, current_attempt


class Job:
    """A call that runs, or will run, in another thread or process for an attempt."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt

    def awake(self) -> None:
        self.attempt.clock.real_work_seen = True
        self.attempt.hold(self, is_work=True)

    def asleep(self) -> None:
        self.attempt.release(self)

    def __str__(self) -> str:
        return "a call in another thread or process runs"


class PoolQueue:
    """The calls of attempts in one thread pool, in the order in which it will run them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._taken = 0
        self._waiting: deque[Job] = deque()

    def enter(self, job: Job) -> None:
        """The job is handed to the pool. It holds the clock as soon as a thread is free for it."""
        with self._lock:
            if self._taken < self._size:
                self._taken += 1
                job.awake()
            else:
                self._waiting.append(job)

    def leave(self, job: Job) -> None:
        """The job has returned or was withdrawn. Whoever gets its thread next takes over."""
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
            elif self._waiting:
                self._waiting.popleft().awake()
            else:
                self._taken -= 1


_queues: WeakKeyDictionary[Executor, PoolQueue] = WeakKeyDictionary()


class ThreadRun(Protocol):
    """What a thread does for an attempt."""

    @property
    def job(self) -> Job: ...

    def leave_pool(self, thread: threading.Thread) -> None:
        """Nobody shall wait for it any more: the attempt was killed."""
        ...

    def give_up(self) -> bool:
        """The program is over: end the call if that can be. Whether Python will not wait for it."""
        ...


runs_in_threads: dict[threading.Thread, ThreadRun] = {}
"""What each thread is doing that does something for an attempt."""


_jobs: set[Job] = set()


def leftover_jobs() -> bool:
    """Whether calls go on, or are about to begin, whose activities have ended without them."""
    return any(job.attempt.finished and not job.attempt.killed for job in list(_jobs))


def threads_of(attempt: Attempt) -> list[int]:
    """The ids of the threads that run something for an attempt right now."""
    return list(jobs_of(attempt))


def jobs_of(attempt: Attempt) -> dict[int, Job]:
    """What runs for an attempt right now, by the ids of the threads that run it."""
    return {thread.ident: run.job for thread, run in _runs_for(attempt) if thread.ident is not None}


def bury_threads(attempt: Attempt) -> None:
    """The attempt is over: let nobody wait for its threads, which may be blocked for good."""
    for thread, run in _runs_for(attempt):
        run.leave_pool(thread)


def _runs_for(attempt: Attempt) -> list[tuple[threading.Thread, ThreadRun]]:
    runs = list(runs_in_threads.items())
    return [(thread, run) for thread, run in runs if run.job.attempt is attempt]


def run_in_thread(
    attempt: Attempt,
    run_in_executor: Callable[..., asyncio.Future[Any]],
    pool: ThreadPoolExecutor | ThreadForEachCall,
    executor: Executor,
    call: Callable[..., Any],
    args: tuple[Any, ...],
) -> asyncio.Future[Any]:
    """Have an executor that uses `pool` run a call; `run_in_executor` is the loop's own."""
    job = Job(attempt)
    queue = queue_of(pool)
    run = JobRun(job, queue, pool)
    queue.enter(job)
    try:
        future = run_in_executor(executor, run, call, args)
    except BaseException:
        run.withdraw()
        raise
    future.add_done_callback(run.settle)
    return future


class ThreadForEachCall(Executor):
    """What `asyncio.to_thread` uses in an activity.

    A call that blocks for ever keeps nobody waiting here: not the event loop, which waits for its
    default executor when it is closed, and not the interpreter.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin the call."""
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                future.set_exception(error)

        threading.Thread(target=run, name="timeskip-activity", daemon=True).start()
        return future


OWN_THREADS = ThreadForEachCall()


def queue_of(
    executor: ThreadPoolExecutor | ProcessPoolExecutor | ThreadForEachCall,
) -> PoolQueue:
    """What stands in line for an executor."""
    if isinstance(executor, ThreadForEachCall):
        return PoolQueue(1)
    if executor not in _queues:
        # One that keeps its threads elsewhere, as trio-asyncio's, does not say when it is full.
        size: int = vars(executor).get("_max_workers", sys.maxsize)
        _queues[executor] = PoolQueue(size)
    return _queues[executor]


class JobRun:
    """Runs a job in its thread, in the attempt's name: executors do not pass contexts on.

    The job holds the clock until it has left its thread and the event loop knows of its result.
    """

    def __init__(
        self, job: Job, queue: PoolQueue, executor: ThreadPoolExecutor | ThreadForEachCall
    ) -> None:
        self.job = job
        self._queue = queue
        self._executor = executor
        self._lock = threading.Lock()
        self._begun = False
        self._left = False
        _jobs.add(job)
        self._result_known = False

    def __call__(self, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        with self._lock:
            self._begun = True
        thread = threading.current_thread()
        runs_in_threads[thread] = self
        token = current_attempt.set(self.job.attempt)
        try:
            # Whoever kills the attempt from here on finds the thread.
            return None if self.job.attempt.killed else call(*args)
        finally:
            current_attempt.reset(token)
            del runs_in_threads[thread]
            self._leave()

    def settle(self, future: asyncio.Future[Any]) -> None:
        """The event loop knows the result, or has cancelled the job, which may run nevertheless."""
        with self._lock:
            self._result_known = True
            withdrawn = future.cancelled() and not self._begun
            left = self._left
        if withdrawn:
            self._leave()
        elif left:
            self.job.asleep()

    def withdraw(self) -> None:
        """It will not be run."""
        self._leave()
        self.job.asleep()

    def leave_pool(self, thread: threading.Thread) -> None:
        """Let the pool begin another thread instead of this one, and wait for this one no more."""
        if "_threads" in vars(self._executor):
            pool: Any = self._executor
            pool._threads.discard(thread)
            self._leave()
            with pool._shutdown_lock:
                if not pool._shutdown and pool._work_queue.qsize():
                    pool._adjust_thread_count()

    def give_up(self) -> bool:
        return isinstance(self._executor, ThreadForEachCall)

    def _leave(self) -> None:
        with self._lock:
            if self._left:
                return
            self._left = True
            result_known = self._result_known
        _jobs.discard(self.job)
        self._queue.leave(self.job)
        if result_known:
            self.job.asleep()


class StrayThread(Job):
    """A thread that no executor runs, but that sleeps in the attempt's context."""

    POLL_SECONDS = 0.01

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt)
        self.thread = threading.current_thread()

    def awake(self) -> None:
        super().awake()
        self.attempt.loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        """Nobody says when a thread ends, so it has to be asked."""
        if not self.thread.is_alive():
            self.asleep()
        elif self.attempt.is_held_by(self):
            self.attempt.loop.call_later(self.POLL_SECONDS, self._look)


_strays: WeakKeyDictionary[threading.Thread, StrayThread] = WeakKeyDictionary()


def job_of_this_thread(attempt: Attempt) -> Job:
    """Whatever runs in this thread for the attempt."""
    thread = threading.current_thread()
    run = runs_in_threads.get(thread)
    if run is not None and run.job.attempt is attempt:
        return run.job
    stray = _strays.get(thread)
    if stray is None or stray.attempt is not attempt:
        stray = _strays[thread] = StrayThread(attempt)
    return stray
