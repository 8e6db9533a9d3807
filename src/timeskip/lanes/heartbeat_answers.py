"""What a worker makes of the service's answer to a heartbeat."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatResponse

from timeskip.server.calls import Answer
from timeskip.server.errors import ServiceError, StatusCode


def asks_to_cancel(answer: Answer) -> bool:
    """Whether the worker cancels the activity: because it is to, or because it is not known."""
    if isinstance(answer, RecordActivityTaskHeartbeatResponse):
        return answer.cancel_requested or answer.activity_paused or answer.activity_reset
    return isinstance(answer, ServiceError) and answer.code == StatusCode.NOT_FOUND
