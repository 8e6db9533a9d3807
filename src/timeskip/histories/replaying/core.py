"""Replays by the SDK's own core, many of them, at little cost.

To make a `Replayer` ready costs as much as to replay a history. So each worker configuration has
one that stays, fed with histories one after the other, on an event loop and a thread that all of
them share. Nothing of a test gets there but the histories: no context variable, and so none of its
virtual time.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, wait
from contextvars import Context, ContextVar
from functools import partial
from itertools import pairwise
from pathlib import Path
from traceback import StackSummary, extract_tb
from typing import Any, TypeVar

from temporalio.api.enums.v1 import EventType
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.client import WorkflowHistory
from temporalio.runtime import Runtime, TelemetryConfig

from timeskip.errors import ReplayFailed
from timeskip.histories.replaying.breakpoints import pass_breakpoints
from timeskip.histories.replaying.bridges import use_bridge
from timeskip.histories.replaying.local_timeouts import (
    AS_THE_CORE_TELLS,
    Timeouts,
    tell_as_at_first,
)
from timeskip.histories.replaying.loop import WokenLoop
from timeskip.histories.replaying.places import is_of_user
from timeskip.histories.replaying.prompt_bridge import prompt_bridge
from timeskip.histories.replaying.settings import ReplaySettings, Spares, as_thread_pool
from timeskip.lanes.activation_executor import ActivationExecutor
from timeskip.sdk_exit import guard_exit
from timeskip.sdk_shortcuts import take_shortcuts

Result = TypeVar("Result")

#: In what the thread of replays runs.
thread_surroundings: list[Callable[[], contextlib.AbstractContextManager[None]]] = []

#: Worker configurations whose `Replayer` stays ready.
_MOST_KEPT = 8

#: Of the fields that Linux tells of a thread after its name, the one with its processor.
_PROCESSOR = 36

#: What the core takes for the end of a workflow task.
_AFTER_TASK_START = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
    }
)

#: Real seconds between two looks at whether the core does anything. Nothing of its own takes as long.
_PATIENCE = 20.0

#: Real seconds that a `Replayer` may take to end.
_FAREWELL_SECONDS = 2.0


#: Whoever waits for what is being done on the thread.
_waiting: ContextVar[Future[Any]] = ContextVar("_waiting")


class BrokenHistory(ValueError):  # noqa: N818 - says what is the matter
    """A history that no worker could have been given."""


class ReplayThread:
    """An event loop on a thread of its own, with the `Replayer`s that are ready."""

    def __init__(self) -> None:
        self.executor = ActivationExecutor(self._give_up)
        self.loop = WokenLoop()
        #: The workflow whose history is being replayed.
        self.workflow_id = ""
        self._awaited: set[Future[Any]] = set()
        self._awaiting = threading.Lock()
        self._lost: ReplayFailed | None = None
        self._thread = threading.Thread(target=self._live, name="timeskip-replay", daemon=True)
        self._is_ready = threading.Event()
        self._thread.start()
        self._is_ready.wait()
        self._ready: list[_ReadyReplayer] = []
        self._closing: set[asyncio.Task[None]] = set()

    def _live(self) -> None:
        try:
            _stay_on_one_processor()
            # Without the core's own log: it tells each failure, in Rust's notation.
            self.runtime = Runtime(telemetry=TelemetryConfig(logging=None, metrics=None))
        finally:
            self._is_ready.set()
        with contextlib.ExitStack() as surroundings:
            for surrounding in thread_surroundings:
                surroundings.enter_context(surrounding())
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - as of a workflow that ends its program
                self._give_up(error)

    @property
    def is_lost(self) -> bool:
        """Whether code of a workflow has ended the thread, or will never give it back."""
        return self._lost is not None

    def _give_up(self, reason: BaseException) -> None:
        """Tell all who wait that nothing comes of it."""
        with self._awaiting:
            self._lost = ReplayFailed(
                f"workflow {self.workflow_id!r} breaks off the replay of its history: "
                f"{_told(reason)}",
                workflow_id=self.workflow_id,
            )
            for future in self._awaited:
                if not future.done():
                    future.set_exception(self._lost)

    def run(
        self, coroutine: Coroutine[Any, Any, Result], *, timeout: float | None = None
    ) -> Result:
        """The coroutine's result. Blocks the thread that calls, for at most `timeout` seconds.

        If that is interrupted, by Ctrl-C say, no further history is replayed for it.

        Raises `ReplayFailed` if that is not to be had, because the thread `is_lost`, and
        `BrokenHistory` if the core waits for something that its history does not have.
        """
        future: Future[Result] = Future()
        context = Context()
        context.run(_waiting.set, future)

        def start() -> None:
            task = self.loop.create_task(coroutine)
            task.add_done_callback(lambda done: self._hand_over(done, future))

        with self._awaiting:
            if self._lost is not None:
                coroutine.close()
                raise self._lost
            self._awaited.add(future)
        try:
            self.loop.call_soon_threadsafe(start, context=context)
            if timeout is None:
                self._wait(future)
            return future.result(timeout)
        finally:
            with self._awaiting:
                self._awaited.discard(future)
                future.cancel()

    def _wait(self, future: Future[Any]) -> None:
        """Until it is done. What the core does nothing about any more is given up."""
        before = None
        while not wait([future], _PATIENCE).done:
            now = self.loop.idle_turn
            if now is not None and now == before:
                self.loop.call_soon_threadsafe(self._leave_stuck_histories)
            before = now

    def _leave_stuck_histories(self) -> None:
        for replayer in self._ready:
            replayer.leave_stuck_history()

    async def verdicts(
        self,
        settings: ReplaySettings,
        histories: Sequence[WorkflowHistory],
        timeouts: Timeouts = AS_THE_CORE_TELLS,
    ) -> list[Exception | None]:
        """For each history what the core holds against it, if anything.

        `timeouts`: what the workflow is told of local activities that timed out.

        Raises `BrokenHistory` for one that the core could not even begin with.
        """
        for history in histories:
            require_sound(history)
        replayer = self._replayer(settings)
        async with replayer.lock:
            replayer.spares.update(settings.spares)
            settings.spares.clear()
            replayer.timeouts = timeouts
            try:
                with without_the_sdks_log():
                    verdicts = []
                    for history in histories:
                        if _waiting.get().cancelled():
                            raise asyncio.CancelledError
                        self.workflow_id = history.workflow_id
                        verdicts.append(await replayer.verdict(history))
                    return verdicts
            finally:
                replayer.spares.clear()

    def _replayer(self, settings: ReplaySettings) -> _ReadyReplayer:
        found = next((one for one in self._ready if one.settings.is_like(settings)), None)
        if found is None or found.has_ended:
            found = _ReadyReplayer(settings, self)
        self._ready = [one for one in self._ready if one is not found and not one.has_ended]
        self._ready.append(found)
        while len(self._ready) > _MOST_KEPT:
            closing = self.loop.create_task(self._ready.pop(0).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return found

    def _hand_over(self, done: asyncio.Task[Result], future: Future[Result]) -> None:
        with self._awaiting:
            if future.done():
                return  # it was given up
            error = done.exception()
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(done.result())

    def close(self) -> None:
        """End it all."""
        self.run(self._close_replayers())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self.executor.shutdown()

    async def _close_replayers(self) -> None:
        closing = [one.close() for one in self._ready]
        self._ready.clear()
        await asyncio.gather(*closing, *self._closing)
        # What the SDK has left of a replay that was given up.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.loop.shutdown_asyncgens()


def _stay_on_one_processor() -> None:
    """Keep this thread, and those that the core will start for it, on the processor it is on.

    They take turns: one wakes the next, five times for each activation. From one processor to another
    that takes longer than what they do in between. Of several processes that replay at once two might
    choose the same one, and they have all of them to do at any rate.
    """
    if sys.platform != "linux" or multiprocessing.parent_process() is not None:
        return
    with contextlib.suppress(OSError):  # of a system that hides what it has
        fields = Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()
        os.sched_setaffinity(0, {int(fields[_PROCESSOR])})


class _ReadyReplayer:
    """A `Replayer` that waits for histories."""

    def __init__(self, settings: ReplaySettings, thread: ReplayThread) -> None:
        self.settings = settings
        self._loop = thread.loop
        self.spares: Spares = {}
        self.timeouts = AS_THE_CORE_TELLS
        #: For whoever has histories replayed, until all of them are.
        self.lock = asyncio.Lock()
        self._histories: asyncio.Queue[WorkflowHistory | None] = asyncio.Queue()
        self._verdict: asyncio.Future[Exception | None] | None = None
        self._workflow_id = ""
        self._is_stuck = False
        replayer = settings.replayer(
            as_thread_pool(thread.executor), thread.runtime, pass_breakpoints, self.spares
        )
        self._task = asyncio.ensure_future(self._serve(replayer))
        self._task.add_done_callback(self._ended)

    @property
    def has_ended(self) -> bool:
        return self._task.done() or self._is_stuck

    def leave_stuck_history(self) -> None:
        """Let go of a history with which the core does not get on."""
        if self._verdict is None or self._verdict.done():
            return
        self._is_stuck = True
        self._verdict.set_exception(
            BrokenHistory(
                f"the history of workflow {self._workflow_id!r} cannot be replayed: the SDK's core waits"
                " for an event that is not in it. Are its events all there, in their order?"
            )
        )
        self._task.cancel()

    async def verdict(self, history: WorkflowHistory) -> Exception | None:
        """What the core holds against the history, if anything."""
        self._verdict = asyncio.get_running_loop().create_future()
        self._workflow_id = history.workflow_id
        self._histories.put_nowait(history)
        return await self._verdict

    def _activates(self, activation: WorkflowActivation) -> None:
        if self.timeouts:
            tell_as_at_first(activation, self.timeouts)

    def _has_failed(self, error: BaseException) -> None:
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_exception(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whoever waits for a verdict will not get one."""
        if self._verdict is not None and not self._verdict.done():
            error = None if task.cancelled() else task.exception()
            self._verdict.set_exception(error or RuntimeError("the SDK's Replayer has ended"))

    async def close(self) -> None:
        """Let go of the core's worker."""
        async with self.lock:
            self._histories.put_nowait(None)
        await asyncio.wait({self._task}, timeout=_FAREWELL_SECONDS)
        if not self._task.done():
            # Once in a while the core does not notice that there are no more histories to come. The
            # SDK then waits for that without end, but shuts the core's worker down if cancelled.
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_FAREWELL_SECONDS)
        if self._task.done() and not self._task.cancelled():
            self._task.exception()  # it was told when it happened

    async def _serve(self, replayer: Any) -> None:
        take_shortcuts()
        use_bridge(partial(prompt_bridge, self._loop, self._has_failed, self._activates))
        async with replayer.workflow_replay_iterator(self._fed()) as results:
            async for result in results:
                if self._verdict is not None:
                    self._verdict.set_result(result.replay_failure)

    async def _fed(self) -> AsyncIterator[WorkflowHistory]:
        while (history := await self._histories.get()) is not None:
            yield history


def require_sound(history: WorkflowHistory) -> None:
    """Raise `BrokenHistory` for what the core would wait for without end, or can do nothing with."""
    events = history.events
    named = f"the history of workflow {history.workflow_id!r}"
    if not events or events[0].event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
        raise BrokenHistory(f"{named} does not begin with WorkflowExecutionStarted")
    started = events[0].workflow_execution_started_event_attributes
    if not started.original_execution_run_id:
        raise BrokenHistory(f"{named} does not say its run id (`originalExecutionRunId`)")
    if not started.HasField("workflow_type"):
        raise BrokenHistory(f"{named} does not say of what type it is (`workflowType`)")
    if not started.HasField("task_queue"):
        raise BrokenHistory(f"{named} does not say its task queue (`taskQueue`)")
    for event, expected in zip(events, range(1, len(events) + 1), strict=True):
        if event.event_id != expected:
            raise BrokenHistory(f"{named} goes from event {expected - 1} to event {event.event_id}")
        if _is_task_start(event) and not event.HasField("event_time"):
            raise BrokenHistory(f"{named} does not say when event {expected} was (`eventTime`)")
    for event, following in pairwise(events):
        if _is_task_start(event) and following.event_type not in _AFTER_TASK_START:
            raise BrokenHistory(
                f"{named} does not say what became of the workflow task of event {event.event_id}:"
                f" event {following.event_id} is not the end of it"
            )
    if not any(_is_task_start(event) for event in events):
        raise BrokenHistory(f"{named} ends before any workflow task was started")


def _is_task_start(event: Any) -> bool:
    return bool(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)


# -- one for the process --------------------------------------------------------------------------

_thread: ReplayThread | None = None
_lock = threading.Lock()


def replay_thread() -> ReplayThread:
    """The process's own."""
    global _thread
    with _lock:
        if _thread is None or _thread.is_lost:
            _thread = ReplayThread()
            # What is registered last is called first.
            guard_exit()
            atexit.register(close_replay_thread)
        return _thread


def _forget_replay_thread() -> None:
    """A process that was forked has not got the thread."""
    global _thread
    if _thread is not None:
        _thread = None
        atexit.unregister(close_replay_thread)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_replay_thread)


def close_replay_thread() -> None:
    """End the process's own, if there is one; the next use makes another."""
    global _thread
    with _lock:
        thread, _thread = _thread, None
    if thread is not None:
        atexit.unregister(close_replay_thread)
        if not thread.is_lost:
            thread.close()


def _told(reason: BaseException) -> str:
    """What has ended a replay, and at which lines of the user's code."""
    # Where another thread stands the SDK keeps beside the error's own traceback.
    traceback = getattr(reason, "_new_tb", None) or reason.__traceback__
    frames = [frame for frame in extract_tb(traceback) if is_of_user(frame.filename)]
    lines = "".join(StackSummary.from_list(frames).format())
    return (
        f"{type(reason).__name__}: {reason}\n\nTraceback (most recent call last):\n{lines}".rstrip()
    )


@contextlib.contextmanager
def without_the_sdks_log() -> Iterator[None]:
    """What the SDK would log of a failure is told by whoever asked for the replay.

    Of this thread: workers of other threads go on logging.
    """
    here = threading.get_ident()

    def is_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    loggers = [
        logging.getLogger(f"temporalio.worker.{name}")
        for name in ("_workflow", "_workflow_instance")
    ]
    for logger in loggers:
        logger.addFilter(is_elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_elsewhere)
