"""Calls whose answer is not the same in every replay, by the function that is called."""

from __future__ import annotations

import random
from enum import Enum
from types import FrameType
from typing import Any

import temporalio.workflow


class Kind(Enum):
    """What a workflow may depend upon besides its history."""

    RANDOM = "random numbers"
    CLOCK = "the machine's clock"
    UUID = "a random UUID"
    SET_ORDER = "the order of a set"
    ENVIRONMENT = "the environment of the process"
    TIME_ZONE = "the time zone of the machine"
    STATE = "state outside of the workflow"
    REPLAYING = "whether it is being replayed"
    QUERY = "a query or a validator"
    FILES = "files of the machine"
    NETWORK = "the network"
    THREADS = "threads"
    IDENTITY = "where objects lie in memory"
    HASH = "the hash of a text"
    PROCESS = "the process that it runs in"


_CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")

#: Functions in C, by module and name.
_C_FUNCTIONS = {
    **{("time", name + suffix): Kind.CLOCK for name in _CLOCKS for suffix in ("", "_ns")},
    **{(module, "urandom"): Kind.RANDOM for module in ("posix", "nt")},
    **{
        (module, name): Kind.FILES
        for module in ("posix", "nt")
        for name in ("open", "listdir", "scandir", "stat", "lstat", "getcwd", "access")
    },
    **{
        (module, name): Kind.PROCESS
        for module in ("posix", "nt")
        for name in ("getpid", "getppid", "cpu_count", "getloadavg", "uname")
    },
    ("_socket", "gethostname"): Kind.PROCESS,
    ("_io", "open"): Kind.FILES,
    ("io", "open"): Kind.FILES,
    ("builtins", "input"): Kind.FILES,
    ("builtins", "id"): Kind.IDENTITY,
    ("builtins", "hash"): Kind.HASH,
    ("_thread", "get_ident"): Kind.THREADS,
    ("_thread", "get_native_id"): Kind.THREADS,
    **{("time", name): Kind.CLOCK for name in ("localtime", "gmtime", "ctime", "strftime")},
    ("_uuid", "generate_time_safe"): Kind.UUID,
}

#: Methods in C, by the class and name.
_C_METHODS = {
    "datetime.fromtimestamp": Kind.TIME_ZONE,
    "date.fromtimestamp": Kind.TIME_ZONE,
    "datetime.astimezone": Kind.TIME_ZONE,
    "datetime.now": Kind.CLOCK,
    "datetime.utcnow": Kind.CLOCK,
    "date.today": Kind.CLOCK,
    "datetime.today": Kind.CLOCK,
    "set.pop": Kind.SET_ORDER,
}

#: These are told a time, or take the present one if they have not so many arguments.
PRESENT_TIME = {"time.localtime": 1, "time.gmtime": 1, "time.ctime": 1, "time.strftime": 2}

#: These go by the machine's time zone unless they are told one by so many arguments.
LOCAL_TIME = {"datetime.fromtimestamp": 2, "datetime.astimezone": 1}

#: What all kinds of code ask for its own purposes: it counts if the user's own code does.
FOR_ITSELF = frozenset(
    {"hash", "threading.current_thread", "threading.get_ident", "threading.get_native_id"}
)

_SOCKET_METHODS = frozenset({"connect", "connect_ex", "recv", "recv_into", "send", "sendall"})

#: Functions in Python, by module and name.
_FUNCTIONS = {
    **{("uuid", f"uuid{version}"): Kind.UUID for version in (1, 4, 6, 7)},
    **{
        ("timeskip.frozen_time", name): Kind.CLOCK
        for name in ("now", "utcnow", "today", "_time", "_time_ns")
    },
    **{
        ("freezegun.api", name): Kind.CLOCK
        for name in ("now", "utcnow", "today", "fake_time", "fake_time_ns", "fake_monotonic")
    },
    **{
        ("freezegun.api", f"fake_{name}"): Kind.CLOCK
        for name in ("localtime", "gmtime", "strftime")
    },
    ("threading", "start"): Kind.THREADS,
    ("threading", "current_thread"): Kind.THREADS,
    ("subprocess", "__init__"): Kind.PROCESS,
    ("asyncio.tasks", "as_completed"): Kind.SET_ORDER,
}

_UNSEEDED = "random.Random()"

_REPLAYING = {
    function.__code__: f"workflow.unsafe.{function.__name__}"
    for function in (
        temporalio.workflow.unsafe.is_replaying,
        temporalio.workflow.unsafe.is_replaying_history_events,
    )
}


def kind_of_c_call(function: Any) -> Kind | None:
    """What a call of a function that is written in C depends on, if on anything."""
    name = function.__name__
    found = _C_FUNCTIONS.get((getattr(function, "__module__", None) or "", name))
    if found is not None:
        return found
    owner = getattr(function, "__self__", None)
    if name in ("random", "getrandbits"):
        return Kind.RANDOM if owner is _shared_generator() else None
    if name in _SOCKET_METHODS and type(owner).__module__ in ("socket", "_socket"):
        return Kind.NETWORK
    found = _C_METHODS.get(getattr(function, "__qualname__", ""))
    if found is Kind.SET_ORDER and isinstance(owner, set) and not order_matters(owner):
        return None
    return found


def kind_of_call(frame: FrameType) -> tuple[Kind, str] | None:
    """The same for a function in Python that is being entered, and how to call it in a sentence."""
    code = frame.f_code
    module = frame.f_globals.get("__name__", "")
    name = code.co_name
    if module == "os" and name == "__getitem__":
        return Kind.ENVIRONMENT, f"os.environ[{frame.f_locals.get('key')!r}]"
    if module == "random" and name == "seed":
        unseeded = frame.f_locals.get("a", 0) is None
        return (Kind.RANDOM, _UNSEEDED) if unseeded else None
    if module == "platform" and not name.startswith("_"):
        return Kind.ENVIRONMENT, f"platform.{name}"
    if code in _REPLAYING:
        return Kind.REPLAYING, _REPLAYING[code]
    kind = _FUNCTIONS.get((module, name))
    if kind is None:
        return None
    return kind, name_of_function(frame)


def name_of_function(frame: FrameType) -> str:
    """What a user would write to call the function of a frame."""
    module = frame.f_globals.get("__name__", "")
    name = frame.f_code.co_name
    if module in ("timeskip.frozen_time", "freezegun.api"):
        name = name.removeprefix("_").removeprefix("fake_")
        if name in ("now", "utcnow", "today"):
            return f"datetime.{name}"
        return f"time.{name}"
    if module == "asyncio.tasks":
        module = "asyncio"
    owner = _class_of_method(frame)
    return f"{owner or module}.{name}"


def _class_of_method(frame: FrameType) -> str | None:
    """The name of the class that has the method of a frame; None of a function."""
    this = frame.f_locals.get("self")
    for owner in type(this).__mro__ if this is not None else ():
        method = vars(owner).get(frame.f_code.co_name)
        if getattr(method, "__code__", None) is frame.f_code:
            return None if owner is random.Random else owner.__name__
    return None


def name_of_c_function(function: Any) -> str:
    """The same for a function in C."""
    module = getattr(function, "__module__", None)
    owner = getattr(function, "__self__", None)
    if module in ("posix", "nt"):
        module = "os"
    if module in ("_thread", "_socket"):
        module = {"_thread": "threading", "_socket": "socket"}[module]
    if function.__name__ in ("random", "getrandbits") and isinstance(owner, random.Random):
        module = "random"
    if module in ("builtins", "_io", "io"):
        return str(function.__name__)
    if module:
        return f"{module}.{function.__name__}"
    return str(getattr(function, "__qualname__", function.__name__))


def order_matters(values: set[Any] | frozenset[Any]) -> bool:
    """Whether a set of these may be in another order in another process."""
    return len(values) > 1 and not all(isinstance(value, (int, float)) for value in values)


def _shared_generator() -> Any:
    return random._inst
