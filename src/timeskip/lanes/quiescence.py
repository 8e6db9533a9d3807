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

    def act_when_quiet(self) -> None:
        """Have the action done, once, as soon as no loop has anything to do. For `home` only.

        Asking again before that changes nothing.
        """
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
            self._unanswered.discard(loop)
            if self._unanswered:
                return
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


def may_have_news(loop: asyncio.AbstractEventLoop, within: float) -> bool:
    """Whether something else than a simulation may wake a quiet loop within so many real seconds.

    A timer, a socket or pipe, a thread of `asyncio.to_thread`. A loop that does not tell has none.
    """
    # In this order: a thread is busy until it has woken the loop.
    return (
        _has_busy_threads(loop)
        or bool(getattr(loop, "_ready", ()))
        or _next_timer(loop) < within
        or _watches_files(loop)
    )


def _next_timer(loop: asyncio.AbstractEventLoop) -> float:
    """Real seconds until the loop's next timer, but for those of simulations."""
    timers = [
        handle.when()
        for handle in getattr(loop, "_scheduled", ())
        if not handle.cancelled() and not _is_simulations(handle)
    ]
    return min(timers, default=float("inf")) - loop.time()


def _is_simulations(handle: asyncio.Handle) -> bool:
    callback = getattr(handle, "_callback", None)
    return str(getattr(callback, "__module__", "")).startswith("timeskip.")


def _watches_files(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether there are sockets or pipes other than the loop's own."""
    selector = getattr(loop, "_selector", None)
    files = selector.get_map() if selector is not None else None
    return files is not None and len(files) > 1


def _has_busy_threads(loop: asyncio.AbstractEventLoop) -> bool:
    executor = getattr(loop, "_default_executor", None)
    threads = len(getattr(executor, "_threads", ()))
    idle = getattr(getattr(executor, "_idle_semaphore", None), "_value", threads)
    return bool(threads > idle)
