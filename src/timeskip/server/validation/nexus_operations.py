"""Commands that schedule Nexus operations, and answers of workers to Nexus tasks."""

from __future__ import annotations

from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import ScheduleNexusOperationCommandAttributes
from temporalio.api.workflowservice.v1 import (
    RespondNexusTaskCompletedRequest,
    RespondNexusTaskFailedRequest,
)

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.bad_commands import CommandSettings, TooLargeError
from timeskip.server.validation.durations import cap, nanoseconds, shorten, why_invalid
from timeskip.server.validation.limits import MAX_PAYLOAD_SIZE, byte_length, is_too_long

_ATTRIBUTES: Final = "ScheduleNexusOperationCommandAttributes"
_MAX_NAME_LENGTH: Final = 1000
_MAX_HEADER_SIZE: Final = 8192
_MAX_TOKEN_LENGTH: Final = 4096

#: What the server itself says in headers.
_RESERVED_HEADERS: Final = frozenset(
    {
        "request-timeout",
        "xdc-redirection-api",
        "xdc-redirection",
        "caller-name",
        "caller-type",
        "call-initiation",
        "temporal-principal-type",
        "temporal-principal-name",
    }
)


def validate_schedule_nexus_operation(
    attributes: ScheduleNexusOperationCommandAttributes, settings: CommandSettings
) -> None:
    """Refuse an operation as the real server does.

    Completes the attributes: header names are in lower case, and no timeout is longer than that of
    the run, nor than that of the whole operation.
    """
    for name, told_as in ((attributes.service, "Service"), (attributes.operation, "Operation")):
        if is_too_long(name):
            raise invalid_argument(
                f"{_ATTRIBUTES}.{told_as} exceeds length limit of {_MAX_NAME_LENGTH}"
            )
    for timeout, told_as in (
        (attributes.schedule_to_close_timeout, "ScheduleToCloseTimeout"),
        (attributes.schedule_to_start_timeout, "ScheduleToStartTimeout"),
        (attributes.start_to_close_timeout, "StartToCloseTimeout"),
    ):
        if reason := why_invalid(timeout):
            raise invalid_argument(f"{_ATTRIBUTES}.{told_as} is invalid: {reason}")
    if attributes.input.ByteSize() > MAX_PAYLOAD_SIZE:
        raise TooLargeError(f"{_ATTRIBUTES}.Input exceeds size limit")
    _check_header(attributes)
    _shorten_timeouts(attributes, settings.started.workflow_run_timeout)


def validate_nexus_answer(
    request: RespondNexusTaskCompletedRequest | RespondNexusTaskFailedRequest,
) -> None:
    """Refuse an answer that says nothing of the kind that is asked for."""
    if isinstance(request, RespondNexusTaskCompletedRequest):
        started = request.response.start_operation
        if started.HasField("async_success"):
            _check_operation_token(
                started.async_success.operation_token or started.async_success.operation_id
            )
    elif request.HasField("failure"):
        if not request.failure.HasField("nexus_handler_failure_info"):
            raise invalid_argument(
                "request Failure must contain error or failure with NexusHandlerFailureInfo"
            )
    elif not request.HasField("error"):
        raise invalid_argument("request must contain error or failure")


def _check_operation_token(token: str) -> None:
    if not token:
        raise invalid_argument("missing opration token in response")
    length = byte_length(token)
    if length > _MAX_TOKEN_LENGTH:
        raise invalid_argument(
            f"operation token length exceeds allowed limit ({length}/{_MAX_TOKEN_LENGTH})"
        )


def _check_header(attributes: ScheduleNexusOperationCommandAttributes) -> None:
    header = dict(attributes.nexus_header)
    size = 0
    for name, value in header.items():
        if name.lower() in _RESERVED_HEADERS:
            raise invalid_argument(
                f'{_ATTRIBUTES}.NexusHeader contains a disallowed header key: "{name}"'
            )
        size += byte_length(name) + byte_length(value)
    if size > _MAX_HEADER_SIZE:
        raise invalid_argument(f"{_ATTRIBUTES}.NexusHeader exceeds size limit")
    attributes.nexus_header.clear()
    attributes.nexus_header.update({name.lower(): value for name, value in header.items()})


def _shorten_timeouts(
    attributes: ScheduleNexusOperationCommandAttributes, run_timeout: Duration
) -> None:
    whole = attributes.schedule_to_close_timeout
    if nanoseconds(run_timeout) and not 0 < nanoseconds(whole) <= nanoseconds(run_timeout):
        whole.CopyFrom(run_timeout)
    for timeout in (
        "schedule_to_close_timeout",
        "schedule_to_start_timeout",
        "start_to_close_timeout",
    ):
        if attributes.HasField(timeout):
            cap(getattr(attributes, timeout))
            if nanoseconds(whole):
                shorten(getattr(attributes, timeout), whole)
