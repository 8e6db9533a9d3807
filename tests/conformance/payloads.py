"""Payloads as the SDK's default converter writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Header, Link, Memo, Payload, Payloads, SearchAttributes
from temporalio.api.failure.v1 import ApplicationFailureInfo, CanceledFailureInfo, Failure
from temporalio.converter import DataConverter

_converter = DataConverter.default.payload_converter

#: A link to an event of another workflow.
LINK = Link(
    workflow_event=Link.WorkflowEvent(
        namespace="default", workflow_id="caller", run_id="caller-run"
    )
)


def payload(value: Any) -> Payload:
    """One value as a payload."""
    return _converter.to_payloads([value])[0]


def payloads(*values: Any) -> Payloads:
    """Values as a payload list."""
    return Payloads(payloads=_converter.to_payloads(values))


def payload_map(values: Mapping[str, Any]) -> dict[str, Payload]:
    """Named values as named payloads."""
    return {name: payload(value) for name, value in values.items()}


def memo(**values: Any) -> Memo:
    """A memo of these fields."""
    return Memo(fields=payload_map(values))


def header(**values: Any) -> Header:
    """A header of these fields."""
    return Header(fields=payload_map(values))


def search_attributes(**values: tuple[str, Any]) -> SearchAttributes:
    """Search attributes, each given as (type, value), for example ("Keyword", "blue").

    An empty type leaves it to the server to know it.
    """
    fields = {}
    for name, (kind, value) in values.items():
        fields[name] = payload(value)
        if kind:
            fields[name].metadata["type"] = kind.encode()
    return SearchAttributes(indexed_fields=fields)


def application_failure(
    message: str,
    *,
    error_type: str = "",
    non_retryable: bool = False,
    details: Payloads | None = None,
    next_retry_delay: int | None = None,
) -> Failure:
    """The failure that an SDK makes of an exception of user code; the delay is in seconds."""
    info = ApplicationFailureInfo(
        type=error_type,
        non_retryable=non_retryable,
        details=details,
        next_retry_delay=None if next_retry_delay is None else Duration(seconds=next_retry_delay),
    )
    return Failure(message=message, source="conformance", application_failure_info=info)


def canceled_failure(message: str) -> Failure:
    """The failure that an SDK makes of a cancellation."""
    return Failure(message=message, canceled_failure_info=CanceledFailureInfo())
