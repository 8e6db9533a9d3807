"""What may wake an event loop that has nothing to do: timers, files, threads, other code's futures."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import os
import queue
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import temporalio.bridge

from timeskip.lanes.awaits import chain_of, frames_of, is_installed, is_of_test
from timeskip.lanes.idle_tests import Idleness

#: Loops of other threads than the first, while a test waits for what runs there.
_awaited: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, int] = weakref.WeakKeyDictionary()

#: Functions that wait for a timer of the loop, for its tasks, or for what one of these does. They
#: are known by their file.
_ASYNCIO = Path(asyncio.__file__).parent
#: Where a thread of asyncio's waits for a program to end.
_PROGRAMS = str(_ASYNCIO / "unix_events.py")
_INSIDE = frozenset(
    str(_ASYNCIO / name)
    for name in ("locks.py", "queues.py", "tasks.py", "taskgroups.py", "timeouts.py")
)
#: What `asyncio.sleep` has its timer do. uvloop does not tell.
_SLEPT = getattr(asyncio.futures, "_set_result_unless_cancelled", None)
#: Their variables that hold such a timer.
_TIMERS = frozenset({"h", "timeout_handle"})
#: Waits for the network with asyncio's events, and for threads that are seen otherwise.
_ANYIO = str(Path("anyio", "_backends", "_asyncio.py"))
_OURS = str(Path(__file__).parents[1]) + os.sep
#: Where the SDK waits for its core, and where it waits for itself.
_BRIDGE = str(Path(temporalio.bridge.__file__ or "").parent) + os.sep
_SDK = str(Path(temporalio.bridge.__file__ or "").parents[1]) + os.sep
#: What the threads of executors do; those of anyio take their jobs from a `queue.Queue`.
_POOL = concurrent.futures.thread._worker.__code__

#: Where a thread stands that has just been started.
_BEGINNINGS = tuple(
    getattr(threading.Thread, name).__code__ for name in ("_bootstrap", "_bootstrap_inner", "run")
)

#: What the SDK's worker awaits while its core has nothing for it.
_POLLS = frozenset({"poll_workflow_activation", "poll_activity_task", "poll_nexus_task"})


@contextmanager
def awaited(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """A test waits for what runs on the loop of another thread."""
    _awaited[loop] = _awaited.get(loop, 0) + 1
    try:
        yield
    finally:
        _awaited[loop] -= 1


def idleness_of(loop: asyncio.AbstractEventLoop) -> list[Idleness]:
    """How a test waits on this loop, which is that of the calling thread.

    Empty if the loop has something to do after all, or if the test may be doing something else
    meanwhile, on a thread of its own.
    """
    is_first = threading.current_thread() is threading.main_thread()
    if getattr(loop, "_ready", ()) or not (is_first or _awaited.get(loop)):
        return []
    tasks = asyncio.all_tasks(loop)
    if not tasks:  # the test has just ended
        return []
    threads_work = _has_busy_threads(loop) or _other_threads_work()
    idleness = Idleness(
        loop=loop,
        now=loop.time(),
        next_timer=_next_of(_timers_of_tests(loop)),
        may_have_news=threads_work or _watches_files(loop) or any(map(_waits_for_others, tasks)),
        next_sleep=_next_of(filter(_ends_sleep, _timers_of_tests(loop))),
        threads_work=threads_work,
    )
    return [idleness]


def may_have_news(loop: asyncio.AbstractEventLoop, within: float) -> bool:
    """Whether something else than a simulation may wake a quiet loop within so many real seconds.

    A timer, a socket or pipe, a thread, a program that is about to end.
    """
    # In this order: a thread is busy until it has woken the loop.
    if _has_busy_threads(loop) or _other_threads_work():
        return True
    if getattr(loop, "_ready", False) or _watches_files(loop):
        return True
    timer = _next_of(_timers_of_tests(loop))
    return timer is not None and timer.when() - loop.time() < within


def _timers_of_tests(loop: asyncio.AbstractEventLoop) -> list[asyncio.TimerHandle]:
    """The loop's timers, but for those of simulations.

    A loop that does not tell, such as uvloop's, has those that its tasks sleep by.
    """
    scheduled = getattr(loop, "_scheduled", None)
    if scheduled is None:
        scheduled = [timer for task in asyncio.all_tasks(loop) for timer in _timers_of(task)]
    return [
        handle for handle in scheduled if not handle.cancelled() and not _is_simulations(handle)
    ]


def _next_of(timers: Iterable[asyncio.TimerHandle]) -> asyncio.TimerHandle | None:
    return min(timers, key=lambda timer: timer.when(), default=None)


def _ends_sleep(timer: asyncio.TimerHandle) -> bool:
    """Whether it is that of an `asyncio.sleep`, not the limit of a wait for something else."""
    return getattr(timer, "_callback", None) is _SLEPT


def _timers_of(task: asyncio.Task[Any]) -> Iterator[asyncio.TimerHandle]:
    """Those that end a sleep, or a wait with a limit, in which the task stands."""
    for frame in frames_of(task):
        if frame.f_code.co_filename in _INSIDE:
            for name in _TIMERS.intersection(frame.f_locals):
                timer = frame.f_locals[name]
                if timer is not None:
                    yield timer


def _is_simulations(handle: asyncio.Handle) -> bool:
    callback = getattr(handle, "_callback", None)
    return str(getattr(callback, "__module__", "")).startswith("timeskip.")


def _watches_files(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether there are sockets or pipes other than the loop's own."""
    selector = getattr(loop, "_selector", None)
    files = selector.get_map() if selector is not None else None
    return files is not None and len(files) > 1


def _has_busy_threads(loop: asyncio.AbstractEventLoop) -> bool:
    executor = getattr(loop, "_default_executor", None)
    threads = len(getattr(executor, "_threads", ()))
    idle = getattr(getattr(executor, "_idle_semaphore", None), "_value", threads)
    return bool(threads > idle)


def _other_threads_work() -> bool:
    """Whether a thread runs the test's code, or a job of a pool, or waits for a program of the test's.

    All others, such as those of pytest-xdist or of exporters of traces, know nothing of the test.
    """
    frames = sys._current_frames()
    # Sandboxed workflows whose modules import this package could not import that one.
    from timeskip.activity_time.threads import leftover_jobs, runs_in_threads

    return leftover_jobs() or any(
        thread is not threading.main_thread()
        and not thread.name.startswith("timeskip")
        and thread not in runs_in_threads
        and _works(frames.get(thread.ident or 0))
        for thread in threading.enumerate()
    )


def _works(frame: FrameType | None) -> bool:
    if frame is not None and frame.f_code in _BEGINNINGS:
        return True
    called: FrameType | None = None
    while frame is not None:
        if is_of_test(frame.f_code.co_filename) or frame.f_code.co_filename == _PROGRAMS:
            return True
        if frame.f_code is _POOL or frame.f_code.co_filename.endswith(_ANYIO):
            return called is not None and called.f_code.co_filename != queue.__file__
        called, frame = frame, frame.f_back
    return False


def _waits_for_others(task: asyncio.Task[Any]) -> bool:
    """Whether a library's future may end the task's wait, such as a response from the network."""
    codes = [code for code, _ in chain_of(task)]
    if not codes:
        return False
    if codes[-1].co_name in _POLLS and len(codes) > 1 and codes[-2].co_filename.startswith(_OURS):
        # A simulation's own worker. A replay asks its core by itself.
        return False
    return _is_others(codes[-1].co_filename)


@cache
def _is_others(path: str) -> bool:
    if path.endswith(_ANYIO):
        return False
    if path.startswith(_BRIDGE):
        return True
    return is_installed(path) and path not in _INSIDE and not path.startswith((_OURS, _SDK))
