"""Runs the code of workflows on the event loop of their worker, and interrupts it if it never ends.

The SDK gives every activation to a thread, and takes their answers in the order in which the threads
happen to end. On the loop they end in the order in which they began, which is what makes a history a
matter of the seed alone where all else is on that loop too; and no time is lost between threads.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from types import FrameType
from typing import Any, cast
from weakref import WeakKeyDictionary

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.worker import Worker
from temporalio.worker._workflow import (
    _DeadlockError,
    _InterruptDeadlockError,
    _WorkflowWorker,
)

from timeskip.lanes.awaits import is_of_debugger

#: Seconds between two looks at what is running, and how many looks make a second.
_TICK = 0.1
_LOOKS = 10

#: Seconds that one activation may take, as the SDK has it, if its worker is not known.
_LONGEST = 2

#: After so many times as long as it may take, an activation will never end.
_NEVER = 5

#: Nobody sends it, and it does nothing to a process that does not ask for it. Not on Windows.
_NUDGE = getattr(signal, "SIGURG", None)

#: Whether a task may begin within another's turn.
RUNS_AT_ONCE = sys.version_info < (3, 14)


#: What the first thread is to interrupt when it looks up.
_to_interrupt: list[_Activation] = []


class _Activation:
    """Some code of a workflow that is running."""

    __slots__ = ("deadlock", "finished", "interrupting", "thread_id", "workflow")

    def __init__(self, workflow: Any) -> None:
        self.thread_id = threading.get_ident()
        #: What the SDK keeps of a run.
        self.workflow = workflow
        #: What is wrong, once it was interrupted.
        self.deadlock: Exception | None = None
        self.finished = False
        self.interrupting = False


class ActivationExecutor(Executor):
    """One for all workers of a simulation. It has a thread of its own that only watches.

    `on_stuck`: Told, by that thread, where code stands that no interruption ends.
    """

    def __init__(self, on_stuck: Callable[[Exception], None] | None = None) -> None:
        self._on_stuck = on_stuck
        #: What runs, one on each loop at most.
        self._running: dict[_Activation, None] = {}
        #: Seconds that an activation may take, or None: as long as it likes.
        self._longest: WeakKeyDictionary[_WorkflowWorker, int | None] = WeakKeyDictionary()
        #: How many times as long it may take now.
        self._slowness = 1
        self._ended = threading.Event()
        self._starting = threading.Lock()
        self._watch: threading.Thread | None = None

    @contextmanager
    def slowed(self, times: int) -> Iterator[None]:
        """Let activations take so many times as long: something looks on that makes them slow."""
        self._slowness = times
        try:
            yield
        finally:
            self._slowness = 1

    @staticmethod
    def relieve(worker: Worker) -> None:
        """Spare a worker its own look at the clock, if it is one of these that runs its workflows.

        What runs on the loop has ended when the worker begins to wait for it.
        """
        workflows = worker._workflow_worker
        if workflows is None:
            return
        executor: Executor = workflows._workflow_task_executor
        if isinstance(executor, ActivationExecutor):
            executor._longest[workflows] = workflows._deadlock_timeout_seconds
            workflows._deadlock_timeout_seconds = None

    def submit(
        self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any
    ) -> Future[Any]:
        """Run `function` on the running loop: at once, if a task may begin within another's turn."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        call = partial(function, *arguments, **keywords)
        workflow = getattr(function, "__self__", None)
        # A context of its own, as a thread of its own would have.
        context = Context()
        if RUNS_AT_ONCE:
            context.run(self._run, done, call, workflow)
        else:
            loop.call_soon(self._run, done, call, workflow, context=context)
        # `run_in_executor` passes on what is a future of the loop's already.
        return cast("Future[Any]", done)

    def answer_at_once(self, workflow: Any, activation: Any) -> Any:
        """What the workflow answers, or raise what it raises; see `RUNS_AT_ONCE`."""
        call = partial(workflow.activate, activation)
        return Context().run(self._answer_of, call, workflow)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread."""
        self._ended.set()
        if self._watch is not None:
            self._watch.join()

    def _run(self, done: asyncio.Future[Any], call: Callable[[], Any], workflow: Any) -> None:
        if done.cancelled():
            return
        try:
            answer = self._answer_of(call, workflow)
        except BaseException as error:  # noqa: BLE001 - it is for the one who waits
            if not done.cancelled():
                done.set_exception(error)
        else:
            if not done.cancelled():
                done.set_result(answer)

    def _answer_of(self, call: Callable[[], Any], workflow: Any) -> Any:
        if self._watch is None:
            self._start_watch()
        loop = asyncio.get_running_loop()
        activation = _Activation(workflow)
        self._running[activation] = None
        answer: Any = None
        error: BaseException | None = None
        try:
            try:
                answer = call()
            finally:
                _finish(activation)
        except BaseException as raised:  # noqa: BLE001 - it is for the one who waits
            error = raised
        # The workflow's own loop has run, and has left none.
        asyncio._set_running_loop(loop)
        del self._running[activation]
        if activation.deadlock is not None:
            # Of an eviction the SDK would say only that it takes too long.
            error = asyncio.TimeoutError() if _evicts(call) else activation.deadlock
        if error is not None:
            raise error
        return answer

    def _start_watch(self) -> None:
        _let_nudges_through()
        with self._starting:
            if self._watch is None:
                self._watch = threading.Thread(
                    target=self._look_on, daemon=True, name="timeskip-watch"
                )
                self._watch.start()

    def _look_on(self) -> None:
        looks: dict[_Activation, int] = {}
        while not self._ended.wait(_TICK):
            looks = {running: looks.get(running, -1) + 1 for running in list(self._running)}
            for running, count in looks.items():
                longest = self._longest_of(running) if count else None
                if longest is None:
                    continue
                longest *= self._slowness
                if count % max(longest * _LOOKS, 1) != 0:
                    continue
                _interrupt(running, longest)
                if self._on_stuck is None or running.finished or running.deadlock is None:
                    continue
                if count >= _NEVER * longest * _LOOKS:
                    _take_back_interruption(running.thread_id)
                    self._on_stuck(running.deadlock)

    def _longest_of(self, activation: _Activation) -> int | None:
        """How many seconds it may take: as many as its worker said at first, or has said since."""
        for worker, longest in list(self._longest.items()):
            if activation.workflow in list(worker._running_workflows.values()):
                since: int | None = worker._deadlock_timeout_seconds
                return longest if since is None else since
        return _LONGEST


def _interrupt(activation: _Activation, seconds: int) -> None:
    """Raise an exception in code that does not end within so many seconds, if it still runs."""
    error = _DeadlockError.from_deadlocked_workflow(activation.workflow.instance, seconds)
    if _is_in_debugger(error):
        return
    _leave_out_the_test(error)
    activation.interrupting = True
    if not activation.finished:
        activation.deadlock = error
        if not _nudge(activation):
            activation.workflow.attempt_deadlock_interruption()
    activation.interrupting = False


class _Clearing(Exception):  # noqa: N818 - it is nobody's error
    pass


def _take_back_interruption(thread_id: int) -> None:
    """Leave a thread alone that waits outside of Python, where it does not hear of interruptions.

    While one is on its way to any thread, CPython 3.11 runs no code that is traced, on no thread. The
    mark for that goes only with an interruption that has arrived.
    """
    raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in_thread(ctypes.c_ulong(thread_id), None)
    try:
        raise_in_thread(ctypes.c_ulong(threading.get_ident()), ctypes.py_object(_Clearing))
        for _ in range(100):
            time.sleep(0)
    except _Clearing:
        return


def _let_nudges_through() -> None:
    """Have the first thread look up, even from a lock that it waits for, when it is nudged."""
    if (
        _NUDGE is not None
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(_NUDGE) is signal.SIG_DFL
    ):
        signal.signal(_NUDGE, _nudged)


def _nudge(activation: _Activation) -> bool:
    """Interrupt an activation that the first thread runs; False if it is not one, or cannot be."""
    first = threading.main_thread().ident
    if _NUDGE is None or activation.thread_id != first or signal.getsignal(_NUDGE) is not _nudged:
        return False
    _to_interrupt.append(activation)
    signal.pthread_kill(first, _NUDGE)
    return True


def _nudged(number: int, frame: FrameType | None) -> None:
    while _to_interrupt:
        if not _to_interrupt.pop().finished:
            raise _InterruptDeadlockError


def _evicts(call: Callable[[], Any]) -> bool:
    (activation,) = getattr(call, "args", ()) or (None,)
    return isinstance(activation, WorkflowActivation) and any(
        job.HasField("remove_from_cache") for job in activation.jobs
    )


def _finish(activation: _Activation) -> None:
    """From now on the activation is not interrupted; wait for an interruption that is on its way."""
    activation.finished = True
    while activation.interrupting:
        time.sleep(0)
    if activation.deadlock is not None:
        # The interpreter raises it within a few instructions.
        for _ in range(100):
            time.sleep(0)


def _leave_out_the_test(error: _DeadlockError) -> None:
    """Say where the workflow is, but not who runs the loop that runs it. The innermost comes first."""
    traceback = error._new_tb
    while traceback is not None:
        if traceback.tb_frame.f_code is ActivationExecutor._run.__code__:
            traceback.tb_next = None
        traceback = traceback.tb_next


def _is_in_debugger(error: _DeadlockError) -> bool:
    traceback = error._new_tb
    while traceback is not None:
        if is_of_debugger(traceback.tb_frame):
            return True
        traceback = traceback.tb_next
    return False
