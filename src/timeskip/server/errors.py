"""The errors that the simulated service answers with.

The service itself knows no gRPC. It raises `ServiceError`; a lane turns it into a gRPC status with
details, exactly as the real frontend does with its `serviceerror` types.
"""

from __future__ import annotations

from enum import IntEnum

from google.protobuf.message import Message


class StatusCode(IntEnum):
    """gRPC status codes, by number, so that no lane needs a translation table."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class ServiceError(Exception):
    """A request is refused.

    `details` are messages of `temporalio.api.errordetails.v1`; SDKs tell errors of one code apart by them.
    """

    def __init__(self, code: StatusCode, message: str, *details: Message) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class HistoryLimitExceeded(ServiceError):  # noqa: N818 - it is what has happened
    """A run was to be changed, and was terminated instead: its history has grown too long."""


def invalid_argument(message: str) -> ServiceError:
    return ServiceError(StatusCode.INVALID_ARGUMENT, message)
