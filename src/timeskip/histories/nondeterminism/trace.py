"""Watches a workflow's code for what it depends on besides its history."""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from types import CodeType, FrameType
from typing import Any

from timeskip.histories.nondeterminism import calls
from timeskip.histories.nondeterminism.addresses import addresses_at, lines_with_texts
from timeskip.histories.nondeterminism.calls import Kind
from timeskip.histories.nondeterminism.keys import keys_at, variables_of_process
from timeskip.histories.nondeterminism.sets import SetWatch, lines_with_sets
from timeskip.histories.nondeterminism.state import StateWatch
from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.naming import calls_in, name_of_call
from timeskip.histories.replaying.places import is_of_user, nearest_place, place_in, place_of
from timeskip.lanes.awaits import is_users
from timeskip.lanes.collector import nothing_collected

#: What these look up is not for the workflow.
_HARMLESS_MODULES = frozenset({"logging", "warnings", "traceback", "linecache", "inspect"})

_TOLD_BY_ARGUMENTS = {**calls.PRESENT_TIME, **calls.LOCAL_TIME}

#: Lines that are remembered; a workflow may run very many.
_MOST_LINES = 50_000


@dataclass(frozen=True)
class Source:
    """Something that is not the same in every replay, and the line of the user's that uses it.

    `moment`: how much of the replay had happened; larger is later. `variable`: what keeps it for all
    of the process, by the name that the code uses; None if it is asked for anew.
    """

    kind: Kind
    name: str
    place: Place
    moment: int
    variable: str | None = None


@dataclass(frozen=True)
class PatchCall:
    """A call of `workflow.patched` or, if `deprecated`, of `workflow.deprecate_patch`."""

    deprecated: bool
    place: Place | None


class Trace:
    """What happened in one replay."""

    def __init__(self) -> None:
        self.moment = 0
        self.sources: list[Source] = []
        self.state = StateWatch()
        #: The lines of the user's code that ran, with their moments.
        self.lines: deque[tuple[int, CodeType, int]] = deque(maxlen=_MOST_LINES)
        #: All of the user's code that ran.
        self.codes: dict[CodeType, None] = {}
        self._last: tuple[CodeType, int] | None = None
        #: The first call for each patch.
        self.patches: dict[str, PatchCall] = {}
        self._sets = SetWatch()
        self._known: set[tuple[Kind, str, Place]] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the code that this thread runs meanwhile. A debugger's own watching is put aside."""
        tracer, profiler = sys.gettrace(), sys.getprofile()
        # What the collector ends would run in the midst of this, and is not the workflow's.
        with nothing_collected():
            sys.settrace(self._trace)
            sys.setprofile(self._profile)
            try:
                yield
            finally:
                sys.setprofile(profiler)
                sys.settrace(tracer)

    @property
    def last_place(self) -> Place | None:
        """The line that ran last."""
        return place_in(*self._last) if self._last is not None else None

    # -- calls --------------------------------------------------------------------------------

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            kind = calls.kind_of_c_call(argument)
            if kind is not None:
                name = calls.name_of_c_function(argument)
                self._found(kind, name, frame)
        elif event == "call":
            found = calls.kind_of_call(frame)
            if found is not None and frame.f_back is not None:
                self._found(*found, frame.f_back)
        elif event == "return" and frame.f_code.co_name == "workflow_patch":
            called = PatchCall(bool(frame.f_locals["deprecated"]), nearest_place(frame))
            self.patches.setdefault(frame.f_locals["id"], called)

    def _found(self, kind: Kind, name: str, caller: FrameType) -> None:
        frame: FrameType | None = caller
        if name in calls.FOR_ITSELF and not _is_called_for_itself(caller):
            return
        while frame is not None and not is_of_user(path := frame.f_code.co_filename):
            module = str(frame.f_globals.get("__name__", ""))
            is_ours = module == "timeskip.frozen_time"
            if (
                (not is_users(path) and not is_ours)
                or module.partition(".")[0] in _HARMLESS_MODULES
                or path.startswith("<frozen importlib")
            ):
                return
            if kind is Kind.REPLAYING:
                return
            is_written = not path.startswith("<")  # as the `__init__` of a dataclass is not
            if kind is not Kind.ENVIRONMENT and is_written and not name.endswith("()"):
                name = calls.name_of_function(frame)
            if module == "uuid":
                kind = Kind.UUID
            elif module == "subprocess":
                kind, name = Kind.PROCESS, calls.name_of_function(frame)
            frame = frame.f_back
        if frame is not None and not _is_told_a_time(name, frame):
            self._note(kind, name, place_of(frame))

    def _note(self, kind: Kind, name: str, place: Place) -> None:
        self.moment += 1
        if (kind, name, place) not in self._known:
            self._known.add((kind, name, place))
            self.sources.append(Source(kind, name, place, self.moment))

    # -- lines --------------------------------------------------------------------------------

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not is_of_user(frame.f_code.co_filename):
            return None
        self.codes.setdefault(frame.f_code)
        self.state.entered(frame)
        return self._trace_lines

    def _trace_lines(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.moment += 1
            self.lines.append((self.moment, frame.f_code, frame.f_lineno))
            self._last = frame.f_code, frame.f_lineno
            if frame.f_lineno in _telling_lines(frame.f_code.co_filename):
                self._look_at(frame)
        elif event == "return":
            self._last = frame.f_code, frame.f_lineno
            self._sets.returned(frame, argument)
        return self._trace_lines

    def _look_at(self, frame: FrameType) -> None:
        """A line is about to run that may show something by itself."""
        path, line, place = frame.f_code.co_filename, frame.f_lineno, place_of(frame)
        for kind in keys_at(path).get(line, ()):
            self._note(kind, "id" if kind is Kind.IDENTITY else "hash", place)
        for name in variables_of_process(path).get(line, ()):
            self._note(Kind.ENVIRONMENT, name, place)
        for text in addresses_at(frame):
            self._note(Kind.IDENTITY, text, place)
        for name in self._sets.sets_at(frame):
            self._note(Kind.SET_ORDER, name, place)


@functools.cache
def _telling_lines(path: str) -> frozenset[int]:
    """The lines of a file that may show something by themselves."""
    return frozenset(
        chain(
            keys_at(path), variables_of_process(path), lines_with_texts(path), lines_with_sets(path)
        )
    )


def _is_called_for_itself(caller: FrameType) -> bool:
    """Whether the user's code calls, and not only to find something in a dict."""
    return is_of_user(caller.f_code.co_filename) and caller.f_code.co_name != "__hash__"


def _is_told_a_time(name: str, caller: FrameType) -> bool:
    """Whether a function that may take the present time, or the time zone, is given another one.

    Python calls some of them too, to write a time as text.
    """
    needed = _TOLD_BY_ARGUMENTS.get(name)
    if needed is None:
        return False
    return not any(
        call.lineno <= caller.f_lineno <= (call.end_lineno or call.lineno)
        and name_of_call(call) == name.rpartition(".")[2]
        and len(call.args) + len(call.keywords) < needed
        for call in calls_in(caller.f_code.co_filename)
    )
