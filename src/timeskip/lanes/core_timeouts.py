"""Keeps the SDK's core from timing activities by the machine's clock.

The core drops what an activity reports that has taken some seconds longer than its timeouts, in real
time: in virtual time perhaps none has passed. So it is told of timeouts that it does not live to see.
Who stands between it and the activities' code puts that right again (and see
`timeskip.activity_time.local_timeouts`). Cores of workers that timeskip knows nothing of are told the
truth.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueResponse,
    RespondWorkflowTaskCompletedResponse,
)
from temporalio.bridge.proto.activity_task import ActivityTask

from timeskip.lanes.hold_metadata import HOLD_METADATA

#: The key of a mark on all that a client sends whose workers' cores are kept so.
KEPT_CORE = "timeskip-kept-core"

#: Seconds, some hundred years.
_BEYOND = 3_155_760_000

_TIMED = ("start_to_close_timeout", "heartbeat_timeout")


def is_of_kept_core(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    """Whether a core makes this call itself, and has to be kept from timing activities."""
    keys = {key for key, _ in metadata}
    # The same client's other calls are made by code of the user's, under a hold.
    return KEPT_CORE in keys and HOLD_METADATA not in keys


def put_off(answer: Message) -> Message:
    """What a core is told instead of this answer to its call."""
    if isinstance(answer, PollActivityTaskQueueResponse):
        changed = PollActivityTaskQueueResponse()
        changed.CopyFrom(answer)
        _add(changed, _BEYOND)
        return changed
    if isinstance(answer, RespondWorkflowTaskCompletedResponse) and answer.activity_tasks:
        completed = RespondWorkflowTaskCompletedResponse()
        completed.CopyFrom(answer)
        for task in completed.activity_tasks:
            _add(task, _BEYOND)
        return completed
    return answer


def put_right(task: ActivityTask) -> None:
    """Have a task that comes from the core tell the truth."""
    if task.HasField("start") and not task.start.is_local:
        _add(task.start, -_BEYOND)


def _add(message: Message, seconds: int) -> None:
    for name in _TIMED:
        timeout = getattr(message, name)
        # Without a timeout there is nothing to keep from; nor has a core been told otherwise then.
        if timeout.ToNanoseconds() > (_BEYOND * 1_000_000_000 if seconds < 0 else 0):
            timeout.seconds += seconds
