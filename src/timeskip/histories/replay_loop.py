"""An event loop that is woken by other threads most of the time, as by those of the SDK's core."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import threading
from typing import Any


class WokenLoop(asyncio.SelectorEventLoop):
    """Waits for a lock instead of sockets for as long as it has no socket to wait for.

    The core answers some ten times for each workflow task. Each time it would write to a socket, and
    the loop would ask for what there is to be read, and read it.
    """

    def __init__(self) -> None:
        self._selector_or_lock = _SelectorOrLock()
        super().__init__(self._selector_or_lock)

    def _write_to_self(self) -> None:
        """What `call_soon_threadsafe` wakes the loop by."""
        self._selector_or_lock.wake()
        if self._selector_or_lock.is_selecting:
            super()._write_to_self()  # type: ignore[misc]


class _SelectorOrLock(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        #: Released by whoever wakes the loop.
        self._woken = threading.Lock()
        self._woken.acquire()
        #: Set before the lock is looked at, and read after it was released: no call is lost.
        self.is_selecting = False
        #: Whether there is a socket besides the one by which the loop would be woken.
        self._has_sockets = False

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # was woken already
            self._woken.release()

    def register(self, *arguments: Any, **options: Any) -> selectors.SelectorKey:
        key = super().register(*arguments, **options)
        self._has_sockets = len(self.get_map()) > 1
        return key

    def unregister(self, *arguments: Any, **options: Any) -> selectors.SelectorKey:
        key = super().unregister(*arguments, **options)
        self._has_sockets = len(self.get_map()) > 1
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._has_sockets:
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
