"""What the tasks of an attempt wait for: virtual time, each other, or the outside world.

Nothing tells for certain what will resolve a future. But nearly every future is made by
`loop.create_future`, and the module that makes it gives its purpose away: `asyncio.tasks` makes
those of sleeps and of waits for other tasks, `asyncio.locks` and `asyncio.queues` those of signals
within the process, `asyncio.streams`, `asyncio.selector_events` and the like those of input and
output, `asyncio.futures` those that another thread resolves. All other modules' are foreign: an
HTTP client's, waiting for a response, or a test's, waiting to be told to go on.

Libraries also wait for the network with plain events. So a signal or a foreign future is taken for
real work while the attempt has written to a connection that has not answered yet, or has a file
descriptor of its own registered with the loop. Where nothing decides, the attempt is unsure and
counts as parked once nothing has happened for a while of real time.
"""

from __future__ import annotations

import asyncio
import enum
import functools
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet


class Verdict(enum.Enum):
    """Whether a quiet attempt may be parked."""

    IDLE = enum.auto()
    UNSURE = enum.auto()
    WORKING = enum.auto()


class Purpose(enum.Enum):
    """Who will resolve a future."""

    VIRTUAL = "virtual time or another task"
    SIGNAL = "a signal from within the process"
    THREAD = "another thread"
    IO = "input or output"
    FOREIGN = "a future"


class Origin(NamedTuple):
    """Where a future comes from."""

    purpose: Purpose
    task: asyncio.Task[Any] | None


@functools.cache
def purpose_of(module: str) -> Purpose:
    """The purpose of the futures that a module makes."""
    if module in {"asyncio.locks", "asyncio.queues"}:
        return Purpose.SIGNAL
    if module == "asyncio.futures":  # `wrap_future`
        return Purpose.THREAD
    # anyio's futures are those of its task groups; it waits for the network with asyncio's events.
    if module in {"asyncio.tasks", "asyncio.taskgroups", "anyio._backends._asyncio"}:
        return Purpose.VIRTUAL
    if module.partition(".")[0] in {"asyncio", "uvloop"}:
        return Purpose.IO
    return Purpose.FOREIGN


class Waits:
    """The tasks of one attempt and all that they may wait for. For the loop's thread only.

    A verdict looks only at the tasks that have run since the one before, and at those that it found
    to wait for something else than virtual time: thousands of sleeping tasks cost nothing.
    """

    def __init__(self, root: asyncio.Task[Any] | None) -> None:
        self.root = root
        self.descriptors: set[object] = set()
        self.subprocesses: set[asyncio.SubprocessTransport] = set()
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._ran: set[asyncio.Task[Any]] = set()
        self._blocked: WeakKeyDictionary[asyncio.Task[Any], Purpose] = WeakKeyDictionary()
        self._inside: WeakKeyDictionary[asyncio.Future[Any], Purpose] = WeakKeyDictionary()
        self._outside: WeakKeyDictionary[asyncio.Future[Any], Origin] = WeakKeyDictionary()
        self._unanswered: WeakSet[asyncio.Transport] = WeakSet()
        self.used_network = False
        self._found: set[Purpose] = set()
        if root is not None:
            self.spawned(root)

    def spawned(self, task: asyncio.Task[Any]) -> None:
        """The attempt has a new task."""
        self._tasks.add(task)
        self._ran.add(task)

    def let_go(self) -> None:
        """The attempt has ended, and need not keep what ran it from being freed."""
        self.root = None
        self._ran.clear()

    def unfinished(self) -> list[asyncio.Task[Any]]:
        """The attempt's tasks that have not ended."""
        return [task for task in self._tasks if not task.done()]

    def will_run(self, callback: object) -> None:
        """The loop is about to run a callback: perhaps a task's next step."""
        task = getattr(callback, "__self__", None)
        if isinstance(task, asyncio.Task):
            self._ran.add(task)

    def made(self, future: asyncio.Future[Any], module: str) -> None:
        """The attempt's code has made a future, in a function of `module`."""
        purpose = purpose_of(module)
        if purpose in _OUTSIDE:
            self._outside[future] = Origin(purpose, asyncio.current_task())
            self.used_network = self.used_network or purpose is Purpose.IO
        else:
            self._inside[future] = purpose

    def accounted_for(self, future: asyncio.Future[Any]) -> None:
        """Something else holds the clock for as long as the future is real work."""
        self._outside.pop(future, None)
        self._inside[future] = Purpose.VIRTUAL

    def asked(self, connection: asyncio.Transport) -> None:
        """The attempt's code has written to a connection."""
        self._unanswered.add(connection)
        self.used_network = True

    def answered(self, connection: asyncio.Transport) -> None:
        """Data has arrived on a connection that the attempt had written to."""
        self._unanswered.discard(connection)

    def verdict(self) -> Verdict:
        """Whether the attempt does real work, given that the loop has nothing to run for it."""
        self._found = purposes = self._awaited()
        if any(process.get_returncode() is None for process in self.subprocesses):
            return Verdict.WORKING
        if Purpose.THREAD in purposes or Purpose.IO in purposes:
            return Verdict.WORKING
        if Purpose.FOREIGN in purposes or Purpose.SIGNAL in purposes:
            if self.descriptors or not all(other.is_closing() for other in self._unanswered):
                return Verdict.WORKING
            if Purpose.FOREIGN in purposes or self.used_network:
                return Verdict.UNSURE
        return Verdict.IDLE

    def describe(self) -> str:
        """What the last verdict was about, in words. For any thread."""
        if self._found:
            return f"it waits for {' and '.join(sorted(each.value for each in self._found))}"
        return "a subprocess runs"

    def _awaited(self) -> set[Purpose]:
        """The purposes of all futures that a task waits for, directly or through others."""
        purposes = set()
        for future, (purpose, task) in list(self._outside.items()):
            if not future.done() and _callbacks(future):
                # Somebody's background task that reads from an idle connection, say.
                idle = purpose is Purpose.IO and not self._matters(task)
                purposes.add(Purpose.FOREIGN if idle else purpose)
        ran, self._ran = self._ran, set()
        for task in ran:
            purpose = self._waits_for(task)
            if purpose is Purpose.VIRTUAL:
                self._blocked.pop(task, None)
            else:
                self._blocked[task] = purpose
        purposes.update(self._blocked.values())
        return purposes

    def _waits_for(self, task: asyncio.Task[Any]) -> Purpose:
        waiter: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
        if waiter is None or waiter in self._outside or waiter in self._tasks:
            return Purpose.VIRTUAL
        # Not made by the loop: the future of `asyncio.gather`, whose children are looked at
        # themselves, or somebody else's.
        foreign = type(waiter).__module__ != "asyncio.tasks"
        return self._inside.get(waiter, Purpose.FOREIGN if foreign else Purpose.VIRTUAL)

    def _matters(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether the activity waits for the task, as far as one can tell."""
        return task is self.root or (task is not None and any(map(_is_waiter, _callbacks(task))))


_OUTSIDE = {Purpose.THREAD, Purpose.IO, Purpose.FOREIGN}


def _callbacks(future: asyncio.Future[Any]) -> list[Any]:
    """The functions to be called when the future is done."""
    pairs = getattr(future, "_callbacks", None) or []
    return [callback for callback, _context in pairs]


def _is_waiter(callback: Any) -> bool:
    """False for `background_tasks.discard`, which only keeps a task from being collected."""
    return not isinstance(getattr(callback, "__self__", None), set | dict | list | WeakSet)
