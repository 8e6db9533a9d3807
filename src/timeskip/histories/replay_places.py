"""Where in a user's workflow the SDK is called from."""

from __future__ import annotations

import functools
import os
import site
import sysconfig
from types import CodeType, FrameType, TracebackType
from typing import Any

from temporalio.worker._workflow_instance import _WorkflowInstanceImpl

from timeskip.histories.replay_commands import Place
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

#: Below these frames a stack is no longer the workflow's.
_BOTTOM = frozenset({_WorkflowInstanceImpl.activate.__code__})


@functools.cache
def is_of_user(path: str) -> bool:
    """Whether a file is neither Python's, nor the SDK's, nor ours, nor installed from anywhere."""
    return is_users(path) and not is_library(path) and not path.startswith(_INSTALLED)


def place_of(frame: FrameType, line: int | None = None) -> Place:
    """Where a frame stands."""
    return place_in(frame.f_code, line or frame.f_lineno)


def place_in(code: CodeType, line: int) -> Place:
    """A line of some code."""
    name = getattr(code, "co_qualname", code.co_name)  # from Python 3.11 on
    return Place(code.co_filename, line, name.rpartition("<locals>.")[2], code)


def nearest_place(frame: FrameType | None) -> Place | None:
    """The innermost line of the user's code on a workflow's stack."""
    raised: BaseException | None = None
    while frame is not None and frame.f_code not in _BOTTOM:
        if is_of_user(frame.f_code.co_filename):
            return place_of(frame)
        if raised is None:
            raised = _exception_in(frame)
        frame = frame.f_back
    return None if raised is None else _innermost(raised.__traceback__)


def all_places(frame: FrameType | None) -> tuple[Place, ...]:
    """All lines of the user's code on a workflow's stack, from the outermost call inwards."""
    found: list[Place] = []
    raised: BaseException | None = None
    while frame is not None and frame.f_code not in _BOTTOM:
        if is_of_user(frame.f_code.co_filename):
            found.append(place_of(frame))
        elif raised is None:
            raised = _exception_in(frame)
        frame = frame.f_back
    if not found and raised is not None:
        place = _innermost(raised.__traceback__)
        return (place,) if place is not None else ()
    return tuple(reversed(found))


def _exception_in(frame: FrameType) -> BaseException | None:
    """What has ended the workflow, where the SDK deals with it."""
    if frame.f_code.co_name != "_run_top_level_workflow_function":
        return None
    error: Any = frame.f_locals.get("err")
    return error if isinstance(error, BaseException) else None


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
    return place_in(code, code.co_firstlineno)
