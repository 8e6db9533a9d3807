"""Virtual time in `datetime.now()`, `date.today()`, `time.time()` and the like.

While a simulation shows its time, user code that asks what time it is gets virtual time, and so
does nobody else: the SDK, asyncio, gRPC, pytest, logging and others (`REAL_TIME`) go on asking for
the machine's. `time.monotonic` and `time.perf_counter` are real for all.

freezegun replaces the class `datetime.datetime`. That cannot be left in place for a whole session:
what is imported meanwhile keeps the other class, and the SDK's payload converter and pydantic, for
two, compare type hints by identity. So the class stays itself here, and only its methods that ask
for the time are replaced, in its own dictionary. The functions of `time`, whose identity matters to
nobody, are replaced as freezegun does it: in `time`, and wherever they were imported by name.

freezegun takes the functions here for the real ones: it finds them if it is imported later, and is
told of them otherwise. So a user's own `freeze_time` covers them like those, and puts them back.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from timeskip.activity_time.attempt import current_attempt

REAL_TIME = frozenset(
    {
        *("_pytest", "anyio", "coverage", "execnet", "hypothesis", "pluggy", "pytest"),
        *("pytest_asyncio", "pytest_timeout", "pytest_timeskip", "xdist"),
        *("asyncio", "concurrent", "logging", "multiprocessing", "queue", "selectors", "socket"),
        *("ssl", "subprocess", "threading", "uvloop"),
        *("freezegun", "google", "grpc", "nexusrpc", "temporalio", "timeskip"),
    }
)
"""Top-level packages whose code always sees the machine's time."""


class ShownClock(Protocol):
    """What a simulation's clock must offer, to any thread."""

    def now_ns(self) -> int:
        """Virtual nanoseconds since the epoch."""
        ...


def show(clock: ShownClock, *, to_activities_alone: bool = False) -> None:
    """Show this clock's time until `hide`.

    Of several clocks, the code of an activity sees that of its simulation; other code sees the one
    last shown in its context or, if that is hidden again, the one last shown at all. If that is shown
    `to_activities_alone`, it sees the machine's time.
    """
    global _shown, _shown_to_activities
    _shown = (*_shown, clock)
    _shown_here.set(clock)
    if to_activities_alone:
        _shown_to_activities = (*_shown_to_activities, clock)


def hide(clock: ShownClock) -> None:
    """Show this clock's time no longer. Harmless if it is not shown."""
    global _shown, _shown_to_activities
    _shown = tuple(other for other in _shown if other is not clock)
    _shown_to_activities = tuple(other for other in _shown_to_activities if other is not clock)
    if _shown_here.get() is clock:
        # Or the context, which may live as long as the program, would keep the whole simulation.
        _shown_here.set(None)


def install() -> None:
    """Put everything in place for the whole process. Harmless if already done.

    Takes some milliseconds, as it looks through all modules that have been imported.
    """
    if not is_installed():
        _replace_functions(_FUNCTIONS)
        _replace_methods({owner: ours for owner, _, ours in _METHODS})


def uninstall() -> None:
    """Undo `install`."""
    if is_installed():
        _replace_functions({ours: real for real, ours in _FUNCTIONS.items()})
        _replace_methods({owner: real for owner, real, _ in _METHODS})


def shown_ns() -> int:
    """The time that user code is shown here, in nanoseconds since the epoch."""
    clock = _clock_here(_shown)
    return _real_time_ns() if clock is None else clock.now_ns()


@contextmanager
def real_time_shown() -> Iterator[None]:
    """Within the block the thread sees the machine's time, whatever is shown to others."""
    here = threading.get_ident()
    _in_real_time.add(here)
    try:
        yield
    finally:
        _in_real_time.discard(here)


# --- whose time ----------------------------------------------------------------------------------

# Replaced, never changed, so that a look at it needs no lock.
_shown: tuple[ShownClock, ...] = ()
_shown_to_activities: tuple[ShownClock, ...] = ()
_shown_here: ContextVar[ShownClock | None] = ContextVar("timeskip_shown_here", default=None)
_sees_real_time: dict[str, bool] = {}
#: By their ids, threads that see the machine's time.
_in_real_time: set[int] = set()


def _virtual_ns() -> int | None:
    """The time that the caller of the function that calls this is shown, or None: the real one."""
    clocks = _shown
    if not clocks or threading.get_ident() in _in_real_time:
        return None
    module = sys._getframe(2).f_globals.get("__name__", "")
    sees_real_time = _sees_real_time.get(module)
    if sees_real_time is None:
        sees_real_time = _sees_real_time[module] = module.partition(".")[0] in REAL_TIME
    if sees_real_time:
        return None
    clock = _clock_here(clocks)
    return None if clock is None else clock.now_ns()


def _clock_here(clocks: tuple[ShownClock, ...]) -> ShownClock | None:
    attempt = current_attempt.get()
    if attempt is not None and attempt.clock.virtual in clocks:
        return attempt.clock.virtual
    here = _shown_here.get()
    seen = here if here in clocks else clocks[-1] if clocks else None
    return None if seen in _shown_to_activities else seen


# --- datetime ------------------------------------------------------------------------------------


def now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
    """Returns new datetime object representing current time local to tz."""
    return _datetime(cls, _virtual_ns(), tz)


def utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
    """Return a new datetime representing UTC day and time."""
    if sys.version_info >= (3, 12):
        warnings.warn(
            "datetime.datetime.utcnow() is deprecated and scheduled for removal in a future "
            "version. Use timezone-aware objects to represent datetimes in UTC: "
            "datetime.datetime.now(datetime.UTC).",
            DeprecationWarning,
            stacklevel=2,
        )
    return _datetime(cls, _virtual_ns(), datetime.timezone.utc).replace(tzinfo=None)


def today(cls: type[datetime.date]) -> datetime.date:
    """Current date or datetime."""
    ns = _virtual_ns()
    if issubclass(cls, datetime.datetime):
        return _datetime(cls, ns, None)
    return cls.fromtimestamp(_real_time() if ns is None else ns // _SECOND)


def _datetime(
    cls: type[datetime.datetime], ns: int | None, tz: datetime.tzinfo | None
) -> datetime.datetime:
    if ns is None:
        real: datetime.datetime = _real_now.__get__(None, cls)(tz)
        return real
    seconds, rest = divmod(ns, _SECOND)
    return cls.fromtimestamp(seconds, tz).replace(microsecond=rest // 1_000)


# --- time ----------------------------------------------------------------------------------------

_SECOND = 1_000_000_000

_real_now: Any = vars(datetime.datetime)["now"]
_real_time = time.time
_real_time_ns = time.time_ns
_real_gmtime = time.gmtime
_real_localtime = time.localtime
_real_strftime = time.strftime
_real_ctime = time.ctime
_real_asctime = time.asctime


def _time() -> float:
    ns = _virtual_ns()
    return _real_time() if ns is None else ns / _SECOND


def _time_ns() -> int:
    ns = _virtual_ns()
    return _real_time_ns() if ns is None else ns


def _gmtime(seconds: float | None = None, /) -> time.struct_time:
    ns = _virtual_ns() if seconds is None else None
    return _real_gmtime(seconds if ns is None else ns // _SECOND)


def _localtime(seconds: float | None = None, /) -> time.struct_time:
    ns = _virtual_ns() if seconds is None else None
    return _real_localtime(seconds if ns is None else ns // _SECOND)


def _ctime(seconds: float | None = None, /) -> str:
    ns = _virtual_ns() if seconds is None else None
    return _real_ctime(seconds if ns is None else ns // _SECOND)


def _strftime(format: str, /, *moment: Any) -> str:  # as the real one calls it
    ns = None if moment else _virtual_ns()
    return _real_strftime(format, *(moment if ns is None else [_real_localtime(ns // _SECOND)]))


def _asctime(*moment: Any) -> str:
    ns = None if moment else _virtual_ns()
    return _real_asctime(*(moment if ns is None else [_real_localtime(ns // _SECOND)]))


# --- putting it in place -------------------------------------------------------------------------

_METHODS: list[tuple[tuple[type, str], Any, Any]] = [
    ((owner, method.__name__), vars(owner)[method.__name__], classmethod(method))
    for owner, method in (
        (datetime.datetime, now),
        (datetime.datetime, utcnow),
        (datetime.date, today),
    )
]

_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    _real_time: _time,
    _real_time_ns: _time_ns,
    _real_gmtime: _gmtime,
    _real_localtime: _localtime,
    _real_strftime: _strftime,
    _real_ctime: _ctime,
    _real_asctime: _asctime,
}


def is_installed() -> bool:
    """Whether clocks show virtual time in this process."""
    owner, name = _METHODS[0][0]
    return vars(owner)[name] is _METHODS[0][2]


def _replace_methods(methods: dict[tuple[type, str], Any]) -> None:
    """Give classes of the interpreter's own other class methods."""
    for (owner, name), method in methods.items():
        # The class's own dictionary, which `vars` only lets one read.
        (attributes,) = gc.get_referents(vars(owner))
        attributes[name] = method
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def _replace_functions(functions: dict[Callable[..., Any], Callable[..., Any]]) -> None:
    """Replace functions of `time` wherever user code may have them from."""
    by_id = {id(old): new for old, new in functions.items()}
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        name = getattr(module, "__name__", None)
        if (
            isinstance(names, dict)
            and isinstance(name, str)
            and name.partition(".")[0] not in REAL_TIME
        ):
            for attribute, value in list(names.items()):
                if id(value) in by_id:
                    names[attribute] = by_id[id(value)]
    if "freezegun.api" in sys.modules:
        _tell_freezegun(sys.modules["freezegun.api"], functions)


def _tell_freezegun(api: Any, functions: dict[Callable[..., Any], Callable[..., Any]]) -> None:
    """What freezegun takes for real, it replaces wherever it finds it, and restores in the end."""
    for old, new in functions.items():
        for attribute, value in list(vars(api).items()):
            if value is old and attribute.startswith("real_"):
                setattr(api, attribute, new)
                api._real_time_object_ids.add(id(new))
