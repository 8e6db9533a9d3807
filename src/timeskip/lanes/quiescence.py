"""Whether the event loops that use a simulation still have something to do at this instant.

A test's own code between two awaits must find one virtual instant, whoever else waits for time.
So before time moves, the loops of the tests are asked whether they are quiet, and the last one to
answer stands still until time has moved.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable, Sized
from functools import partial

from timeskip.lanes.idle_tests import Idleness
from timeskip.lanes.news import idleness_of

#: A loop that is never quiet must not stop time for ever.
_PATIENCE = 100

#: Turns of a loop that does not show what is ready, as those of asyncio do.
_TURNS = 10

#: Real seconds between two looks whether a loop, or the simulation, has ended meanwhile.
_LOOK_AGAIN = 0.1


class Loops:
    """The event loops of this process that use a simulation."""

    def __init__(self, home: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
        """`act` is what quiet loops are needed for. It runs on `home`."""
        self._home = home
        self._act = act
        self._known: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._question = 0
        self._unanswered: set[asyncio.AbstractEventLoop] = set()
        self._looks_for_tests = False
        #: Whether `idle` tells of them.
        self.has_looked_for_tests = False
        self._question_is_about_tests = False
        self._idle: list[Idleness] = []
        self._look: asyncio.TimerHandle | None = None

    def move_to(self, home: asyncio.AbstractEventLoop) -> None:
        """The action runs on another loop from now on."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._home = home
        with self._lock:
            self._question += 1
            self._unanswered = set()

    def watch_running_loop(self) -> None:
        """The loop that is running uses the simulation. For any thread."""
        self._known.add(asyncio.get_running_loop())

    def open(self) -> list[asyncio.AbstractEventLoop]:
        """Those that are not closed."""
        return [loop for loop in list(self._known) if not loop.is_closed()]

    def act_when_quiet(self, *, look_for_tests: bool = False) -> None:
        """Have the action done, once, as soon as no loop has anything to do. For `home` only.

        Asking again before that changes nothing. `look_for_tests`: `idle` is to tell of them.
        """
        self._looks_for_tests = self._looks_for_tests or look_for_tests
        loops = self.open()
        # A loop that stands still has nothing to say; but if all do, the next to run may have.
        asked = [loop for loop in loops if loop.is_running()] or loops
        if not asked:
            self._act()
            return
        with self._lock:
            if self._unanswered and self._unanswered.issubset(asked):
                return
            self._question += 1
            self._unanswered = set(asked)
            self._idle = []
            self.has_looked_for_tests = False
            self._question_is_about_tests = self._looks_for_tests
        for loop in asked:
            answer = partial(self._answer, loop, self._question)
            if loop is self._home:
                # It is this one: to wake it would cost two system calls for nothing.
                _when_quiet(loop, answer)
                continue
            with contextlib.suppress(RuntimeError):  # it was closed just now
                loop.call_soon_threadsafe(_when_quiet, loop, answer)
        if self._look is None and self._unanswered != {self._home}:
            self._look = self._home.call_later(_LOOK_AGAIN, self._look_for_stopped)

    @property
    def idle(self) -> list[Idleness]:
        """Of the quiet loops, those on which a test waits, if they were to be looked for."""
        return self._idle

    def _look_for_stopped(self) -> None:
        """A loop that has stopped since it was asked never answers: ask the others anew."""
        self._look = None
        with self._lock:
            waits = bool(self._unanswered)
            is_lost = any(not loop.is_running() for loop in self._unanswered)
            if is_lost:
                self._unanswered = set()
        if is_lost:
            self.act_when_quiet()
        elif waits:
            self._look = self._home.call_later(_LOOK_AGAIN, self._look_for_stopped)

    def _answer(self, loop: asyncio.AbstractEventLoop, question: int) -> None:
        """`loop`, on which this runs, has nothing to do."""
        with self._lock:
            if question != self._question:
                return
            if self._looks_for_tests:
                self._idle += idleness_of(loop)
            self._unanswered.discard(loop)
            if self._unanswered:
                return
            self._looks_for_tests = False
            self.has_looked_for_tests = self._question_is_about_tests
        if loop is self._home:
            self._act()
            return
        done = threading.Event()

        def act() -> None:
            try:
                self._act()
            finally:
                done.set()

        with contextlib.suppress(RuntimeError):  # the simulation has ended
            self._home.call_soon_threadsafe(act)
            while not (done.wait(_LOOK_AGAIN) or self._home.is_closed()):
                pass


def _when_quiet(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Call `action` once all that is ready on the loop, and what follows from it, has run."""
    ready = getattr(loop, "_ready", None)
    loop.call_soon(_look_at, loop, ready, action, _PATIENCE if ready is not None else _TURNS)


def _look_at(
    loop: asyncio.AbstractEventLoop,
    ready: Sized | None,
    action: Callable[[], None],
    turns: int,
) -> None:
    """Whether nothing is ready; if something is, look again, so many times at most."""
    if turns <= 1 or (ready is not None and not ready):
        action()
    else:
        loop.call_soon(_look_at, loop, ready, action, turns - 1)
