"""How a cancellation reaches an activity in its worker.

The server answers a heartbeat with the request to cancel; the SDK's core hands that on to the
worker a moment of real time later. Until then no virtual time may pass. What the SDK sets first of
all is a `threading.Event`, whatever kind of activity it is; here it gets one that tells.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import temporalio.activity
import temporalio.common
from nexusrpc.handler import OperationTaskCancellation
from temporalio.activity import ActivityCancellationDetails
from temporalio.worker._nexus import _NexusTaskCancellation

from timeskip.activity_time.awaited_events import AwaitedEvent


def tell_cancellation(
    arrived: Callable[[ActivityCancellationDetails], None],
) -> AwaitedEvent | None:
    """Have `arrived` called, on the event loop, when the current activity is cancelled.

    The SDK interrupts the activity's task or thread only after the call has returned. None if the
    activity runs where nothing can be seen.
    """
    # The SDK has no public way to learn of the cancellation of a sync activity from its event loop.
    context = temporalio.activity._Context.current()
    reasons = context.cancellation_details
    composite = context.cancelled_event
    event = composite.thread_event
    if type(event) is threading.Event:
        composite.thread_event = event = AwaitedEvent()
    if not isinstance(event, AwaitedEvent):
        return None
    event.on_set = lambda: arrived(reasons.details or ActivityCancellationDetails())
    return event


def await_shutdown_in_virtual_time(shutdown: temporalio.common._CompositeEvent) -> None:
    """Let all that a worker runs, and whose event of its shutdown this is, wait so for that."""
    event = shutdown.thread_event
    if type(event) is threading.Event:
        shutdown.thread_event = _awaited(event)


def await_cancellation_in_virtual_time(cancellation: OperationTaskCancellation) -> None:
    """Let a handler of a Nexus operation wait so for the end of its task."""
    if isinstance(cancellation, _NexusTaskCancellation):
        cancellation._thread_evt = _awaited(cancellation._thread_evt)


def _awaited(event: threading.Event) -> AwaitedEvent:
    awaited = AwaitedEvent()
    if event.is_set():
        awaited.set()
    return awaited
