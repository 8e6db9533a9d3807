"""An event loop that waits where gRPC reports what has happened.

`grpc.aio` has a thread that waits there and wakes an ordinary loop for each event, of which a call
has four. To wake a thread costs more than all else about a small call, so here the loop waits for
gRPC by itself: it takes half the time for a call.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]

#: What happens with an event: it is called with the event.
Reaction = Callable[[Any], object]

#: Turns of a busy loop between two looks at the queue.
_BUSY_TURNS = 8

#: Events that one look takes at most.
_EVENTS_AT_ONCE = 64

#: Real seconds between two looks at the queue for as long as nothing can wake the loop.
_SLEEPLESS = 0.001


class CompletionLoop(asyncio.BaseEventLoop):
    """Runs callbacks and timers, and reacts to the events of `queue`. It has no files or sockets.

    The tag of whatever is begun on the queue is its `Reaction`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queue: Any = cygrpc.CompletionQueue()
        self._selector = _Selector(self)
        self._waking = threading.Lock()
        self._is_being_woken = False

    def wake_by(self, call: Any) -> None:
        """Use this call of a client's, from now on and even when it has ended, to wake the loop.

        None lets go of it, without which its server cannot end. While there is no call, the loop
        looks every millisecond what other threads want.
        """
        with self._waking:
            self._selector.wake_call = call

    @property
    def can_be_woken(self) -> bool:
        return self._selector.wake_call is not None

    def time(self) -> float:
        return _Selector.monotonic()

    def close(self) -> None:
        if not self.is_closed():
            self.queue.shutdown()
            while self.queue.poll().completion_type != cygrpc.CompletionType.queue_shutdown:
                pass
        super().close()

    # -- what asyncio asks of a loop ----------------------------------------------------------

    @property
    def has_ready(self) -> bool:
        """Whether callbacks are ready to be run."""
        return bool(self._ready)  # type: ignore[attr-defined]

    @property
    def timers(self) -> int:
        """How many timers have been set."""
        return len(self._scheduled)  # type: ignore[attr-defined]

    def react(self, event: Any) -> None:
        """Do what is to be done with an event of the queue."""
        reaction: Reaction = event.tag
        try:
            reaction(event)
        except Exception as error:  # noqa: BLE001 - as for any callback of a loop
            self.call_exception_handler(
                {"message": f"Exception in gRPC reaction {reaction!r}", "exception": error}
            )

    def _process_events(self, event_list: Iterable[Any]) -> None:
        """The selector has seen to them."""

    def _write_to_self(self) -> None:
        with self._waking:
            call = self._selector.wake_call
            if call is not None and not self._is_being_woken:
                self._is_being_woken = True
                # A batch of nothing is complete at once, whatever has become of the call.
                call.start_server_batch((), self._woken)

    def _woken(self, event: Any) -> None:
        with self._waking:
            self._is_being_woken = False


class _Selector:
    """The place of a loop's file selector."""

    # Attributes of a class are out of reach of those who freeze time.
    real_time = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    def __init__(self, loop: CompletionLoop) -> None:
        self._loop = loop
        self._turns = 0
        self.wake_call: Any = None

    def select(self, timeout: float | None) -> tuple[()]:
        """Wait so many seconds at most for events, and react to them until that gives more to do.

        A turn of the loop for each event would take longer than most reactions.
        """
        is_busy = timeout is not None and timeout <= 0
        if is_busy:
            # To look lets other threads run, who would rather have the answers.
            self._turns += 1
            if self._turns < _BUSY_TURNS:
                return ()
        self._turns = 0
        if self.wake_call is None:
            timeout = _SLEEPLESS if timeout is None else min(timeout, _SLEEPLESS)
        until = None if timeout is None else self.real_time() + timeout
        timers = self._loop.timers
        for _ in range(_EVENTS_AT_ONCE):
            event = self._loop.queue.poll(until)
            if event.completion_type == cygrpc.CompletionType.queue_timeout:
                break
            self._loop.react(event)
            # What another thread has made ready since the turn began counts, too.
            if not is_busy and (self._loop.has_ready or self._loop.timers != timers):
                break
        return ()

    def get_map(self) -> Mapping[Any, Any]:
        return {}
