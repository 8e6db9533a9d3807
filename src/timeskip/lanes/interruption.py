"""Ends the wait of a test that waits for something else than a simulation's time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from typing import Any

from timeskip.lanes.awaits import (
    chain_of,
    is_installed,
    is_of_test,
    is_users,
    lines_of_thread,
    told,
)

#: What threads of tests wait for, on loops that are not theirs.
tasks_of_threads: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()


def test_on(loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any] | None:
    """The task in which a test runs on this loop, as far as that can be told."""
    tasks = asyncio.all_tasks(loop)
    asked_for = [task for task in tasks if task in tasks_of_threads]
    if asked_for:
        return asked_for[0]
    in_users_code = [task for task in tasks if _is_in_users_code(task)]
    return next(
        (task for task in in_users_code if _is_what_loop_runs_for(task)),
        # anyio runs tests in a task of its own.
        next((task for task in in_users_code if _is_begun_by_library(task)), None),
    )


def places_of(test: asyncio.Task[Any]) -> list[str]:
    """The lines of the user's code at which a test waits."""
    places = [told(code, line) for code, line in chain_of(test) if is_of_test(code.co_filename)]
    return places or lines_of_thread(threading.main_thread().ident or 0)


def interrupt(test: asyncio.Task[Any], error: Exception) -> None:
    """Raise `error` where the test waits. For any thread."""
    with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
        test.get_loop().call_soon_threadsafe(_raise, test, error)


def _raise(test: asyncio.Task[Any], error: Exception) -> None:
    waiter = _waiter(test)
    while isinstance(waiter, asyncio.Task):
        waiter = _waiter(waiter)
    if waiter is None:
        return  # it goes on by itself
    children = getattr(waiter, "_children", ())  # of `asyncio.gather`
    pending = [child for child in children if not child.done()]
    if pending and isinstance(pending[0], asyncio.Task):
        _raise(pending[0], error)
    elif not waiter.done():
        waiter.set_exception(error)


def _waiter(task: Any) -> Any:
    """The future that a task waits for."""
    return getattr(task, "_fut_waiter", None)


def _is_what_loop_runs_for(task: asyncio.Task[Any]) -> bool:
    """Whether it was given to `run_until_complete`."""
    # The callback that stops the loop, of asyncio as well as of uvloop.
    return any(
        "run_until_complete" in getattr(callback, "__qualname__", "")
        for callback, _ in getattr(task, "_callbacks", None) or ()
    )


def _is_in_users_code(task: asyncio.Task[Any]) -> bool:
    return any(is_of_test(code.co_filename) for code, _ in chain_of(task))


def _is_begun_by_library(task: asyncio.Task[Any]) -> bool:
    """Whether the task's first function is neither the user's nor the SDK's, nor one of ours."""
    path = chain_of(task)[0][0].co_filename
    return is_installed(path) and is_users(path)
