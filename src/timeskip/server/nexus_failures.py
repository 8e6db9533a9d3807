"""Failures of Nexus operations: how handlers tell them, and how histories do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.json_format import Parse, ParseError
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import NexusHandlerErrorRetryBehavior as RetryBehavior
from temporalio.api.failure.v1 import (
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    NexusHandlerFailureInfo,
    NexusOperationFailureInfo,
)
from temporalio.api.nexus.v1 import Failure as NexusFailure
from temporalio.api.nexus.v1 import HandlerError, UnsuccessfulOperationError

_NOT_RETRYABLE = frozenset(
    {
        "BAD_REQUEST",
        "CONFLICT",
        "NOT_FOUND",
        "NOT_IMPLEMENTED",
        "UNAUTHENTICATED",
        "UNAUTHORIZED",
    }
)

_CANCELED = "canceled"

_ALL = ("message", "stackTrace", "metadata", "details", "cause")


def handler_failure(error_type: str, message: str) -> Failure:
    """What the server itself reports in the place of a handler."""
    return Failure(
        message=message, nexus_handler_failure_info=NexusHandlerFailureInfo(type=error_type)
    )


def of_call(message: str) -> Failure:
    """What the server itself reports of an answer that it does not take."""
    return Failure(
        message=message,
        application_failure_info=ApplicationFailureInfo(type="CallError", non_retryable=True),
    )


def of_handler_error(error: HandlerError) -> Failure:
    """The error of a handler that does not speak of it in Temporal's words."""
    return Failure(
        cause=_in_temporals_words(error.failure),
        nexus_handler_failure_info=NexusHandlerFailureInfo(
            type=error.error_type, retry_behavior=error.retry_behavior
        ),
    )


def of_operation_error(error: UnsuccessfulOperationError) -> Failure:
    """The failure of an operation that its handler does not tell in Temporal's words."""
    failure = _in_temporals_words(error.failure)
    if error.operation_state == _CANCELED and not failure.HasField("canceled_failure_info"):
        failure.canceled_failure_info.CopyFrom(CanceledFailureInfo())
    return failure


def is_retryable(failure: Failure) -> bool:
    """Whether a handler that failed so is to be asked again."""
    info = failure.nexus_handler_failure_info
    if info.retry_behavior == RetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_UNSPECIFIED:
        return info.type not in _NOT_RETRYABLE
    return info.retry_behavior == RetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_RETRYABLE


def of_operation(operation: NexusOperationFailureInfo, cause: Failure) -> Failure:
    """How a history tells that an operation has failed."""
    return Failure(
        message="nexus operation completed unsuccessfully",
        cause=cause,
        nexus_operation_execution_failure_info=operation,
    )


def _in_temporals_words(failure: NexusFailure) -> Failure:
    if failure.metadata.get("type") == Failure.DESCRIPTOR.full_name:
        try:
            told = Parse(failure.details.decode(), Failure())
        except (ParseError, UnicodeDecodeError):
            told = Failure()
        told.message = failure.message
        told.stack_trace = failure.stack_trace or told.stack_trace
        return told
    told = Failure(message=failure.message, stack_trace=failure.stack_trace)
    if failure.metadata or failure.details:
        info = told.application_failure_info
        info.type = "NexusFailure"
        info.details.payloads.append(_whole(failure))
    if failure.HasField("cause"):
        told.cause.CopyFrom(_in_temporals_words(failure.cause))
    return told


def _whole(failure: NexusFailure) -> Payload:
    """All that a failure says beyond its message, as JSON."""
    text = json.dumps(_as_json(failure, ("metadata", "details", "cause")), separators=(",", ":"))
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


def _as_json(failure: NexusFailure, fields: Iterable[str]) -> dict[str, Any]:
    """A failure as Nexus itself writes it, with so much of what it says."""
    said = {
        "message": failure.message,
        "stackTrace": failure.stack_trace,
        "metadata": dict(failure.metadata),
        "details": json.loads(failure.details) if failure.details else None,
        "cause": _as_json(failure.cause, _ALL) if failure.HasField("cause") else None,
    }
    return {field: said[field] for field in fields if said[field]}
