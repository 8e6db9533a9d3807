"""State outside of a workflow: of modules, of classes, of enclosing functions."""

from __future__ import annotations

import functools
import gc
import itertools
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from timeskip.histories.replaying.places import is_of_user

#: What stays as it is, or is not looked into.
_NO_STATE = (ModuleType, FunctionType, BuiltinFunctionType, classmethod, staticmethod, property)

#: What `functools.cache` makes of a function, which then is like a dict of what it has returned.
_Remembering = type(functools.cache(lambda: None))

#: Comes before the function whose parameters they are of.
DEFAULTS = "the defaults of "

_DEEPEST = 3
_MOST_ITEMS = 50


@dataclass(frozen=True)
class StateName:
    """A variable outside of the workflow.

    `owner` is a module, a class or a function. `module`: where it is.
    """

    owner: str
    name: str
    module: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"`{self.name}` of {self.owner}"


class StateWatch:
    """Remembers what the state was that a workflow's code looked at, before it did."""

    def __init__(self) -> None:
        #: What each variable was at first, in a form that can be compared.
        self.before: dict[StateName, object] = {}
        self._read: dict[StateName, Any] = {}
        self._seen: set[CodeType] = set()

    def entered(self, frame: FrameType) -> None:
        """The user's code is about to run."""
        if frame.f_code in self._seen:
            return
        # What surrounds a function that the workflow makes as it runs is the workflow's own.
        is_own = any(frame.f_code in code.co_consts for code in self._seen)
        self._seen.add(frame.f_code)
        for name, read in _variables(frame, with_enclosing=not is_own):
            if name not in self.before:
                value = read()
                if not isinstance(value, _NO_STATE):
                    self.before[name] = fingerprint(value)
                    self._read[name] = read

    def remembers(self, name: StateName) -> bool:
        """Whether it is a function that returns what it has returned before."""
        return name in self._read and isinstance(self._read[name](), _Remembering)

    def changed(self) -> list[StateName]:
        """The variables that are now other than they were."""
        return [name for name, was in self.before.items() if fingerprint(self._read[name]()) != was]


def fingerprint(value: Any, depth: int = 0) -> object:
    """Something that compares equal for as long as a value stays as it is.

    Also when the sandbox imports its module anew, which makes other classes and objects of the same.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes, complex)):
        return value
    kind = type(value)
    if isinstance(value, _Remembering):
        return (kind.__qualname__, value.cache_info().currsize, value.cache_info().misses)
    if isinstance(value, type):
        return value.__qualname__
    if depth >= _DEEPEST:
        return kind.__qualname__
    if kind in (list, tuple):
        return (kind, len(value), *(fingerprint(each, depth + 1) for each in value[:_MOST_ITEMS]))
    if isinstance(value, dict):
        items = list(itertools.islice(value.items(), _MOST_ITEMS))
        return (
            kind,
            len(value),
            *((fingerprint(key, depth + 1), fingerprint(each, depth + 1)) for key, each in items),
        )
    if kind in (set, frozenset):
        return (kind, len(value), frozenset(fingerprint(each, depth + 1) for each in value))
    if isinstance(value, Iterator):
        # Whoever reads an iterator moves it on, and few of them tell how far.
        return object()
    if isinstance(value, random.Random):
        return value.getstate()
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        return (kind.__qualname__, fingerprint(attributes, depth + 1))
    return kind.__qualname__


def _variables(frame: FrameType, *, with_enclosing: bool) -> Iterator[tuple[StateName, Any]]:
    code, names = frame.f_code, frame.f_globals
    module = str(names.get("__name__", ""))
    for name in code.co_names:
        if name not in names or name.startswith("__"):
            continue
        value = names[name]
        if isinstance(value, type):
            yield from _of_class(value)
        elif isinstance(value, ModuleType):
            yield from _of_module(value, code)
        else:
            yield StateName(f"module {module}", name, module), _reader(names, name)
    yield from _defaults(code)
    for name in code.co_freevars if with_enclosing else ():
        if name in frame.f_locals and name != "__class__":
            yield StateName("the enclosing function", name), _constantly(frame.f_locals[name])
    this = frame.f_locals.get("self")
    if this is not None:
        yield from _of_class(type(this))


def _defaults(code: CodeType) -> Iterator[tuple[StateName, Any]]:
    """The defaults of parameters that a function may change: there is one for all calls."""
    for function in gc.get_referrers(code):
        if not isinstance(function, FunctionType):
            continue
        optional = code.co_varnames[: code.co_argcount][-len(function.__defaults__ or ()) :]
        defaults = dict(zip(optional, function.__defaults__ or (), strict=False))
        for name, value in (defaults | (function.__kwdefaults__ or {})).items():
            if isinstance(value, (list, dict, set)):
                yield StateName(f"{DEFAULTS}{_named(code)}", name), _constantly(value)


def _named(code: CodeType) -> str:
    """With its class from Python 3.11 on."""
    return str(getattr(code, "co_qualname", code.co_name)).rpartition("<locals>.")[2]


def _constantly(value: Any) -> Any:
    return lambda: value


def _of_class(owner: type) -> Iterator[tuple[StateName, Any]]:
    file = getattr(sys.modules.get(owner.__module__), "__file__", None)
    if file is None or not is_of_user(file):
        return
    for name in list(vars(owner)):
        value = vars(owner)[name]
        if not name.startswith("__") and (not callable(value) or isinstance(value, _Remembering)):
            found = StateName(f"class {owner.__qualname__}", name, owner.__module__)
            yield found, _reader(vars(owner), name)


def _of_module(
    module: ModuleType, code: CodeType, depth: int = 0
) -> Iterator[tuple[StateName, Any]]:
    file = getattr(module, "__file__", None)
    if file is None or not is_of_user(file) or depth > _DEEPEST:
        return
    for name in code.co_names:
        value = vars(module).get(name)
        if isinstance(value, ModuleType):
            yield from _of_module(value, code, depth + 1)
        elif name in vars(module) and not isinstance(value, type):
            found = StateName(f"module {module.__name__}", name, module.__name__)
            yield found, _reader(vars(module), name)


def _reader(names: Any, name: str) -> Any:
    return lambda: names.get(name)
