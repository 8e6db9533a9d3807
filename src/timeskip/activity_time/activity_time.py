"""The activities and Nexus handlers of one simulation, in all its workers in this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import temporalio.activity
import temporalio.nexus
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkerConfig

from timeskip.activity_time.activity_clock import ActivityClock
from timeskip.activity_time.attempt import Attempt
from timeskip.activity_time.event_loop import unwatch_loop, watch_loop
from timeskip.activity_time.execution import ActivityExecution, Execution
from timeskip.activity_time.interceptor import ActivityTimeInterceptor
from timeskip.activity_time.machine_pace import Step
from timeskip.activity_time.repeated_failures import attempt_begins
from timeskip.activity_time.shared_state import WatchedSharedState
from timeskip.activity_time.thread_sleep import free_loop
from timeskip.activity_time.threads import bury_threads, threads_of
from timeskip.activity_time.unwatched_loop import UnwatchedLoop
from timeskip.activity_time.virtual_time import AttemptListener, RunningAttempt, VirtualTime
from timeskip.clock import duration_nanoseconds

QUIET_PERIOD = timedelta(milliseconds=250)
"""Real time after which an attempt counts as parked whose waits may or may not be real work."""


_LAST_WORDS = timedelta(seconds=1)
"""Real time that an attempt has to end once its simulation was closed."""


class ActivityTime(SimplePlugin):
    """A client or worker plugin that runs activities on `clock` and tells `listener` about them.

    `nexus_token_of` knows the token of the Nexus task that a worker handles in a task; handlers of
    which nothing is known stay on the machine's time. `time_out` is called with the token of an attempt
    that its worker is to tell that it has run out of time; None if the worker knows by itself.
    `install()` must have been called before. Call `close` when the simulation ends.
    """

    def __init__(
        self,
        clock: VirtualTime,
        listener: AttemptListener,
        nexus_token_of: Callable[[asyncio.Task[Any]], bytes | None] = lambda task: None,
        *,
        time_out: Callable[[bytes], None] | None = None,
        quiet_period: timedelta = QUIET_PERIOD,
    ) -> None:
        super().__init__("timeskip.ActivityTime")
        self._time_out = time_out
        self._clock = ActivityClock(clock)
        self._listener = listener
        self._quiet_seconds = quiet_period.total_seconds()
        self._lock = threading.Lock()
        self._executions: set[Execution] = set()
        self._worked: set[Execution] = set()
        self._loops: dict[asyncio.AbstractEventLoop, UnwatchedLoop] = {}
        self._buried: list[asyncio.Task[Any]] = []
        self._nexus_token_of = nexus_token_of

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Add what this needs to the options of a worker."""
        config = super().configure_worker(config)
        # The outermost, so that the users' own interceptors run on virtual time too.
        config["interceptors"] = [
            ActivityTimeInterceptor(self._begin, self._begin_handler, self._end),
            *(config.get("interceptors") or []),
        ]
        manager = config.get("shared_state_manager")
        if manager is not None:
            config["shared_state_manager"] = WatchedSharedState(manager)
        # Heartbeats are thinned by `heartbeats`, which knows when the server has heard one.
        config["max_heartbeat_throttle_interval"] = timedelta(0)
        config["default_heartbeat_throttle_interval"] = timedelta(0)
        return config

    def heartbeat_answered(self, token: bytes, *, cancels: bool) -> None:
        """The server has answered a heartbeat of the attempt with this task token.

        To be called once for each `RecordActivityTaskHeartbeat`, from any thread, just before the
        answer is sent. `cancels`: the answer makes a worker cancel the activity, because it says
        that a cancellation was requested, or that the activity is paused or reset, or is NOT_FOUND.
        """
        for execution in self._running():
            if isinstance(execution, ActivityExecution) and (
                execution.attempt.running.token == token
            ):
                execution.heartbeat_answered(cancels=cancels)

    @property
    def real_work_seen(self) -> bool:
        """Whether an activity ever did anything whose end is not a matter of virtual time alone."""
        return self._clock.real_work_seen

    def heartbeat_is_late(self, token: bytes) -> None:
        """A fault has delayed a heartbeat of the attempt with this task token, or its answer.

        Until it is answered it does not keep time from passing. From any thread.
        """
        for execution in self._running():
            if isinstance(execution, ActivityExecution) and (
                execution.attempt.running.token == token
            ):
                execution.heartbeat_is_late()

    def working(self) -> dict[RunningAttempt, str]:
        """What each attempt does that is not parked, in words."""
        attempts = [execution.attempt for execution in self._running()]
        work = {attempt.running: attempt.working_on() for attempt in attempts}
        return {running: text for running, text in work.items() if text is not None}

    def running(self) -> list[RunningAttempt]:
        """The attempts that have not ended."""
        return [execution.attempt.running for execution in self._running()]

    def let_pass_for_work(self, span: timedelta) -> bool:
        """Let time pass although attempts really work, if they did so when this was last asked.

        Whether time may pass so.
        """
        working = {each for each in self._running() if each.attempt.working_on() is not None}
        lasting, self._worked = working & self._worked, working
        for execution in lasting:
            Step(execution.attempt, self._clock).take(duration_nanoseconds(span))
        return bool(lasting)

    def are_parked(self, roots: Sequence[asyncio.Task[Any]]) -> bool:
        """Whether the attempts of which these are the main tasks all wait for virtual time alone."""
        attempts = [execution.attempt for execution in self._running()]
        parked = [attempt.waits.root for attempt in attempts if attempt.working_on() is None]
        return all(root in parked for root in roots)

    def task_and_threads(
        self, running: RunningAttempt
    ) -> tuple[asyncio.Task[Any] | None, list[int]]:
        """What runs an attempt's code: its main task, and the ids of its threads."""
        for execution in self._running():
            attempt = execution.attempt
            if attempt.running is running:
                return attempt.waits.root, threads_of(attempt)
        return None, []

    def kill(self, root: asyncio.Task[Any]) -> Attempt | None:
        """Let the code of the attempt whose main task is `root` never go on; None if there is none.

        For the thread of its event loop.
        """
        for execution in self._running():
            attempt = execution.attempt
            if attempt.waits.root is root:
                self._end(execution)
                self._buried += map(_buried, attempt.kill())
                # Later, when all that dies together is dead: the pool then begins other threads.
                attempt.loop.call_soon(partial(bury_threads, attempt))
                return attempt
        return None

    def doom(self, root: asyncio.Task[Any]) -> None:
        """The attempt whose main task is `root` will be killed: it must not block its event loop."""
        for execution in self._running():
            if execution.attempt.waits.root is root:
                execution.attempt.doomed = True
                free_loop(execution.attempt)

    def cancellation_comes(self, root: asyncio.Task[Any]) -> None:
        """The worker is about to cancel the attempt whose main task is `root`: no time passes before."""
        for execution in self._running():
            if isinstance(execution, ActivityExecution) and execution.attempt.waits.root is root:
                execution.cancellation_comes()

    def tell_end(self, root: asyncio.Task[Any], on_end: Callable[[], None]) -> bool:
        """Have `on_end` called when the code of the attempt whose main task is `root` has ended.

        That is before anybody hears of its outcome. False if none runs.
        """
        for execution in self._running():
            if execution.attempt.waits.root is root:
                execution.on_end.append(on_end)
                return True
        return False

    def end(self, root: asyncio.Task[Any]) -> None:
        """End the attempt whose main task is `root`, and that takes its time about it. For any thread."""
        for execution in self._running():
            if execution.attempt.waits.root is root:
                execution.attempt.loop.call_soon_threadsafe(partial(_end, execution.attempt))

    def close(self) -> None:
        """End virtual time: cancel what still runs, wake what sleeps, let go of the event loops.

        What still runs a second of real time later, cancelled as it is, ends where it stands.

        A thread that sleeps gets `VirtualSleepInterruptedError`.
        """
        for execution in self._running():
            execution.cancel("the simulation was closed")
            execution.attempt.loop.call_soon_threadsafe(partial(_insist, execution.attempt))
            bury_threads(execution.attempt)
        self._clock.close()
        with self._lock:
            loops, self._loops = self._loops, {}
        for loop in loops:
            unwatch_loop(loop)
        _forget(self._buried)
        self._buried = []

    def _begin(self, send_heartbeat: Callable[..., None]) -> ActivityExecution:
        info = temporalio.activity.info()
        attempt_begins(info.attempt)
        running = RunningAttempt(
            token=info.task_token,
            is_local=info.is_local,
            activity_type=info.activity_type,
            activity_id=info.activity_id,
            number=info.attempt,
            workflow_id=info.workflow_id,
            workflow_run_id=info.workflow_run_id,
        )
        execution = ActivityExecution(
            self._attempt(running), send_heartbeat, info.heartbeat_timeout
        )
        if self._time_out is not None and not info.is_local:
            execution.keep_timeouts(
                info.start_to_close_timeout, info.heartbeat_timeout, self._time_out
            )
        with self._lock:
            self._executions.add(execution)
        return execution

    def _begin_handler(self, operation: str) -> Execution | None:
        """A handler of a Nexus operation begins; None if nobody knows what it is about."""
        task = asyncio.current_task()
        token = self._nexus_token_of(task) if task is not None else None
        if token is None:
            return None
        execution = Execution(self._attempt(RunningAttempt.of_nexus_task(token, operation)))
        with self._lock:
            self._executions.add(execution)
        return execution

    def _attempt(self, running: RunningAttempt) -> Attempt:
        return Attempt(
            running,
            self._clock,
            self._listener,
            self._watch(asyncio.get_running_loop()),
            quiet_seconds=self._quiet_seconds,
        )

    def _end(self, execution: Execution) -> None:
        with self._lock:
            self._executions.discard(execution)
        for tell in execution.on_end:
            tell()

    def _running(self) -> list[Execution]:
        with self._lock:
            return list(self._executions)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> UnwatchedLoop:
        with self._lock:
            if loop not in self._loops:
                self._loops[loop] = watch_loop(loop)
            return self._loops[loop]


def _insist(attempt: Attempt) -> None:
    """Give code that was cancelled a while of real time to end; then it ends where it is.

    Whoever closes the event loop would wait for it, for good if it takes no notice.
    """
    attempt.loop.call_later(_LAST_WORDS.total_seconds(), partial(_end, attempt))


def _end(attempt: Attempt) -> None:
    bury_threads(attempt)
    for task in attempt.waits.unfinished():
        coroutine = task.get_coro()
        if coroutine is not None:
            # What it raises now is of no interest, not even that it would go on all the same.
            with contextlib.suppress(Exception):
                coroutine.close()
        task.cancel()


def _buried(task: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Hide a task that will never go on from those who would wait for its end."""
    asyncio.tasks._unregister_task(task)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    return task


def _forget(tasks: list[asyncio.Task[Any]]) -> None:
    """Let go of tasks that will never go on. Python does not let a coroutine go without a word."""
    loggers = [logging.getLogger(each.__name__) for each in (temporalio.activity, temporalio.nexus)]
    disabled = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        for task in tasks:
            coroutine = task.get_coro()
            # What it does now, on no event loop, is nobody's business: its worker is long gone.
            with contextlib.suppress(Exception):
                coroutine.close()
    finally:
        for logger, was_disabled in zip(loggers, disabled, strict=True):
            logger.disabled = was_disabled
