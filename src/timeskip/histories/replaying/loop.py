"""An event loop that is woken by other threads most of the time, as by those of the SDK's core."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any


class WokenLoop(asyncio.SelectorEventLoop):
    """Waits for a lock instead of sockets for as long as it has no socket to wait for.

    The core answers some times for each workflow task. Each time it would write to a socket, and the
    loop would ask for what there is to be read, and read it.
    """

    # Asyncio's own.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool
    _debug: bool

    def __init__(self) -> None:
        self._selector_or_lock = _SelectorOrLock()
        #: Unless None: what is asked of the core meanwhile is awaited by nobody, and its failure is told
        #: to this on the loop.
        self.on_failure: Callable[[BaseException], None] | None = None
        super().__init__(self._selector_or_lock)

    def create_future(self) -> Any:
        """One for whoever asks; of the core, unless it is awaited, the next best."""
        if self.on_failure is None:
            return super().create_future()
        return _Unawaited(self.on_failure)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if args and type(args[0]) is _Unawaited:
            # What the core is done with: the future comes first, and the result last.
            if not isinstance(args[-1], BaseException):
                return _NOTHING
            callback, args = args[0].on_failure, args[-1:]
        if self._debug:
            return super().call_soon_threadsafe(callback, *args, context=context)
        self._check_closed()  # type: ignore[attr-defined]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        self._write_to_self()
        return handle

    def _run_once(self) -> None:
        """One turn. Of timers and sockets it takes as little notice as there are."""
        ready = self._ready
        if self._scheduled or self._debug or self._selector_or_lock.has_sockets:
            super()._run_once()  # type: ignore[misc]
            return
        if not ready and not self._stopping:
            self._selector_or_lock.wait()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    @property
    def idle_turn(self) -> int | None:
        """The number of the turn before which it waits for other threads alone; None if it does not."""
        lock = self._selector_or_lock
        return lock.waits if lock.is_waiting else None

    def _write_to_self(self) -> None:
        """What `call_soon_threadsafe` wakes the loop by."""
        self._selector_or_lock.wake()
        if self._selector_or_lock.is_selecting:
            super()._write_to_self()  # type: ignore[misc]


class _Unawaited:
    """What the core takes for a future, and nobody waits for."""

    __slots__ = ("on_failure",)

    #: The core asks for one of these, and has the loop call it, which knows better.
    set_result = set_exception = None

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self.on_failure = on_failure

    def add_done_callback(self, callback: object) -> None:
        """By this the core would hear that it is cancelled."""

    def cancelled(self) -> bool:
        return False


class _Nothing(asyncio.Handle):
    """Of a call that need not be made."""

    def __init__(self) -> None:
        self._cancelled = True


_NOTHING = _Nothing()


class _SelectorOrLock(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        #: Released by whoever wakes the loop.
        self._woken = threading.Lock()
        self._woken.acquire()
        #: Set before the lock is looked at, and read after it was released: no call is lost.
        self.is_selecting = False
        #: Whether there is a socket besides the one by which the loop would be woken.
        self.has_sockets = False
        #: Whether it waits for other threads alone, and how often it has begun to.
        self.is_waiting = False
        self.waits = 0

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # was woken already
            self._woken.release()

    def wait(self) -> None:
        """Until the loop is woken, if it was not since it last waited."""
        self.waits += 1
        self.is_waiting = True
        self._woken.acquire()
        self.is_waiting = False

    def register(self, *arguments: Any, **options: Any) -> selectors.SelectorKey:
        key = super().register(*arguments, **options)
        self.has_sockets = len(self.get_map()) > 1
        return key

    def unregister(self, *arguments: Any, **options: Any) -> selectors.SelectorKey:
        key = super().unregister(*arguments, **options)
        self.has_sockets = len(self.get_map()) > 1
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.has_sockets:
            return self._select(timeout)
        if timeout is None:
            self._woken.acquire()
        elif timeout > 0:
            self._woken.acquire(timeout=timeout)
        return []

    def _select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        self.is_selecting = True
        try:
            return super().select(0 if self._woken.acquire(blocking=False) else timeout)
        finally:
            self.is_selecting = False
