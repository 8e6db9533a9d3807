"""Where the workflows of this process stand: the line of each await."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Iterator
from types import CodeType
from typing import Any

#: Parts of paths of code that is not the user's: what it awaits is a detail of the SDK's.
_NOT_THEIRS = ("/temporalio/", "/asyncio/", "/timeskip/")


def awaits_of(run_id: str) -> list[str]:
    """One line for each task of the workflow, as "file:line in function: source".

    Empty if the workflow is not cached by a worker of this process.
    """
    marker = f"run: {run_id})"
    return [
        line
        for task in _all_tasks()
        if marker in task.get_name() and not task.done()
        for line in (_place(task),)
        if line
    ]


def _all_tasks() -> Iterator[asyncio.Task[Any]]:
    """The tasks of all event loops; a workflow is an event loop of its own."""
    for name in ("_scheduled_tasks", "_all_tasks"):
        tasks = getattr(asyncio.tasks, name, None)
        if tasks is not None:
            yield from list(tasks)
            return


def _place(task: asyncio.Task[Any]) -> str:
    """The innermost await that is in the user's own code."""
    place = ""
    awaitable: Any = task.get_coro()
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        if frame is not None and _is_theirs(frame.f_code):
            place = _told(frame.f_code, frame.f_lineno)
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)
    return place


def _is_theirs(code: CodeType) -> bool:
    path = code.co_filename.replace("\\", "/")
    return not any(part in path for part in _NOT_THEIRS)


def _told(code: CodeType, line: int) -> str:
    source = linecache.getline(code.co_filename, line).strip()
    return f"{code.co_filename}:{line} in {code.co_name}: {source}"
