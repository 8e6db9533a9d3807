"""Where code of this process stands: the line of each await, of workflows and of activities."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import temporalio

#: What code in these directories awaits is a detail of the SDK's, of Python's or of ours.
_NOT_THEIRS = tuple(
    str(directory) + os.sep
    for directory in (
        Path(temporalio.__file__ or "").parent,
        Path(asyncio.__file__).parent,
        Path(__file__).parents[1],
    )
)
#: Where Python's library and installed packages are.
_LIBRARIES = tuple(
    {
        str(Path(path)) + os.sep
        for path in (
            *site.getsitepackages(),
            site.getusersitepackages(),
            sysconfig.get_path("purelib"),
            sysconfig.get_path("platlib"),
            sysconfig.get_path("stdlib"),
        )
    }
)
#: Modules whose frames show that a debugger has stopped the code.
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle")
_LIBRARY = str(Path(os.__file__).parent) + os.sep


def is_users(path: str) -> bool:
    """Whether the file is neither the SDK's nor ours, nor Python's own asyncio."""
    return not path.startswith(_NOT_THEIRS)


def is_library(path: str) -> bool:
    """Whether the file belongs to Python's library, or to no module at all."""
    return path.startswith((_LIBRARY, "<"))


def is_installed(path: str) -> bool:
    """Whether the file belongs to Python's library or to an installed package."""
    return path.startswith(_LIBRARIES)


def is_of_test(path: str) -> bool:
    """Whether the file belongs to a test, or to what it tests."""
    return is_users(path) and not is_installed(path)


def awaits_of_workflow(tasks: Iterable[asyncio.Task[Any]]) -> list[list[str]]:
    """For each task of a workflow run that waits, its lines from the outermost await inwards.

    The main task comes first.
    """
    chains = []
    for task in sorted(
        tasks, key=lambda task: (not task.get_name().startswith("run "), task.get_name())
    ):
        chain = awaits_of_task(task)
        if chain and chain not in chains:
            chains.append(chain)
    return chains


def awaits_of_task(task: asyncio.Task[Any]) -> list[str]:
    """The lines of the user's code that a task stands in, from the outermost await inwards."""
    return [told(code, line) for code, line in chain_of(task) if is_users(code.co_filename)]


def chain_of(task: asyncio.Task[Any]) -> list[tuple[CodeType, int]]:
    """The functions that a task stands in, each with its line, from the outermost await inwards."""
    return [(frame.f_code, frame.f_lineno) for frame in frames_of(task)]


def frames_of(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """The calls that a task stands in, from the outermost await inwards."""
    awaitable: Any = task.get_coro()
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        if frame is not None:
            yield frame
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)


def lines_of_thread(thread_id: int) -> list[str]:
    """The lines of the user's code that a thread stands in, from the outermost call inwards."""
    return _lines(thread_id, lambda path: is_users(path) and not is_library(path))


def lines_of_test_in(thread_id: int) -> list[str]:
    """Those of them that belong to a test or to what it tests, or else all."""
    inner = _lines(thread_id, lambda path: is_of_test(path) and not is_library(path))
    return inner or lines_of_thread(thread_id)


def _lines(thread_id: int, matters: Callable[[str], bool]) -> list[str]:
    frame: FrameType | None = sys._current_frames().get(thread_id)
    lines = []
    while frame is not None:
        if matters(frame.f_code.co_filename):
            lines.append(told(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return lines[::-1]


def is_in_debugger(thread_id: int) -> bool:
    """Whether a debugger has stopped the thread."""
    frame: FrameType | None = sys._current_frames().get(thread_id)
    while frame is not None:
        if is_of_debugger(frame):
            return True
        frame = frame.f_back
    return False


def is_of_debugger(frame: FrameType) -> bool:
    """Whether the code that runs is a debugger's."""
    module = str(frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _DEBUGGERS


def name_of_callable(action: Callable[..., object]) -> str:
    """What a message calls a function that the test has handed over: its name and its place."""
    inner = inspect.unwrap(action)
    code = getattr(inner, "__code__", None)
    if code is None or not is_users(code.co_filename):
        return getattr(inner, "__qualname__", None) or repr(action)
    return f"{code.co_name} at {_shown(code.co_filename)}:{code.co_firstlineno}"


def told(code: CodeType, line: int) -> str:
    """What a message calls a place in the code."""
    source = linecache.getline(code.co_filename, line).strip()
    return f"{_shown(code.co_filename)}:{line} in {code.co_name}: {source}"


def _shown(path: str) -> str:
    """Relative to where the tests were started, if it lies below."""
    here = os.getcwd() + os.sep
    return path[len(here) :] if path.startswith(here) else path
