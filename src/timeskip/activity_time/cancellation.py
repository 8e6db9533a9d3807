"""How a cancellation reaches an activity in its worker.

The server answers a heartbeat with the request to cancel; the SDK's core hands that on to the
worker a moment of real time later. Until then no virtual time may pass. What the SDK sets first of
all is a `threading.Event`, whatever kind of activity it is; here it gets one that tells.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import temporalio.activity
from temporalio.activity import ActivityCancellationDetails


class CancellationEvent(threading.Event):
    """The event behind `activity.is_cancelled()`; `arrived` gets the reasons."""

    def __init__(
        self, arrived: Callable[[ActivityCancellationDetails], None], reasons: Any
    ) -> None:
        super().__init__()
        self._arrived = arrived
        self._reasons = reasons

    def set(self) -> None:
        super().set()
        self._arrived(self._reasons.details or ActivityCancellationDetails())


def tell_cancellation(
    arrived: Callable[[ActivityCancellationDetails], None],
) -> CancellationEvent | None:
    """Have `arrived` called, on the event loop, when the current activity is cancelled.

    The SDK interrupts the activity's task or thread only after the call has returned. None if the
    activity runs in another process, where nothing can be seen.
    """
    # The SDK has no public way to learn of the cancellation of a sync activity from its event loop.
    context = temporalio.activity._Context.current()
    composite = context.cancelled_event
    if type(composite.thread_event) is not threading.Event:
        return None
    composite.thread_event = event = CancellationEvent(arrived, context.cancellation_details)
    return event


def uninterrupted() -> AbstractContextManager[None]:
    """Around what this package does in the thread of a sync activity.

    The SDK cancels the activity by an exception that may be raised anywhere in the thread. It is
    put off until the block ends, lest the books are left half written.
    """
    if temporalio.activity.in_activity():
        return temporalio.activity.shield_thread_cancel_exception()
    return nullcontext()
