"""Where in a user's workflow the SDK is called from."""

from __future__ import annotations

import dataclasses
import functools
import os
import site
import sysconfig
from types import CodeType, FrameType, TracebackType
from typing import Any

from temporalio.worker._workflow_instance import _WorkflowInstanceImpl

from timeskip.histories.replaying.commands import Place
from timeskip.lanes.awaits import is_library, is_users

_INSTALLED = tuple(
    directory + os.sep
    for directory in {
        *site.getsitepackages(),
        site.getusersitepackages(),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    }
)

#: Below this frame a stack is no longer the workflow's.
_BOTTOM = _WorkflowInstanceImpl.activate.__code__


@functools.cache
def is_of_user(path: str) -> bool:
    """Whether a file is neither Python's, nor the SDK's, nor ours, nor installed from anywhere."""
    return is_users(path) and not is_library(path) and not path.startswith(_INSTALLED)


def place_of(frame: FrameType, line: int | None = None) -> Place:
    """Where a frame stands."""
    return place_in(frame.f_code, line or frame.f_lineno)


def place_in(code: CodeType, line: int, *, is_exact: bool = True) -> Place:
    """A line of some code."""
    name = getattr(code, "co_qualname", code.co_name)  # from Python 3.11 on
    function = name.rpartition("<locals>.")[2]
    return Place(code.co_filename, line, function, code, is_exact=is_exact)


def nearest_place(frame: FrameType | None) -> Place | None:
    """The innermost line of the user's code on a workflow's stack, with those that led there."""
    places = all_places(frame)
    if len(places) < 2:
        return places[0] if places else None
    return dataclasses.replace(places[-1], callers=places[-2::-1])


def all_places(frame: FrameType | None) -> tuple[Place, ...]:
    """All lines of the user's code on a workflow's stack, from the outermost call inwards."""
    found: list[Place] = []
    other: Place | None = None
    while frame is not None and frame.f_code is not _BOTTOM:
        if is_of_user(frame.f_code.co_filename):
            found.append(place_of(frame))
        elif other is None:
            other = _elsewhere(frame)
        frame = frame.f_back
    if not found and other is not None:
        return (other,)
    return tuple(reversed(found))


def _elsewhere(frame: FrameType) -> Place | None:
    """What it is about where the SDK does something for the user's code without its being on."""
    name = frame.f_code.co_name
    if name == "_run_top_level_workflow_function":
        error: Any = frame.f_locals.get("err")
        if isinstance(error, BaseException):
            return _innermost(error.__traceback__)
    if name == "run_update" and not frame.f_locals.get("past_validation"):
        updates, job = frame.f_locals["self"]._updates, frame.f_locals["job"]
        handler = updates.get(job.name) or updates.get(None)
        code = getattr(handler.fn, "__code__", None) if handler is not None else None
        return place_in(code, code.co_firstlineno) if code is not None else None
    return None


def _innermost(traceback: TracebackType | None) -> Place | None:
    found = None
    while traceback is not None:
        if is_of_user(traceback.tb_frame.f_code.co_filename):
            found = place_of(traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def place_of_definition(workflow: Any) -> Place:
    """Where the method begins that a workflow runs: its own line if nothing better is known."""
    code = workflow._defn.run_fn.__code__
    return place_in(code, code.co_firstlineno, is_exact=False)
