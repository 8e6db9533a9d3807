"""Which calls are made again, and how often, as the SDK's core does by default."""

from __future__ import annotations

from timeskip.server.calls import Answer
from timeskip.server.errors import ServiceError, StatusCode

#: How often a call is made at most.
TRIES = 10

_MAY_PASS = frozenset(
    {
        StatusCode.UNKNOWN,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.ABORTED,
        StatusCode.OUT_OF_RANGE,
        StatusCode.INTERNAL,
        StatusCode.UNAVAILABLE,
    }
)

#: What will not pass although its code says so.
_TOO_LARGE = "grpc: received message larger than max"


def may_pass(answer: Answer) -> bool:
    """Whether a call that was answered so is worth another try."""
    return (
        isinstance(answer, ServiceError)
        and answer.code in _MAY_PASS
        and not answer.message.startswith(_TOO_LARGE)
    )
