"""Payloads that the SDK's core does not even send, because the server would refuse them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from google.protobuf.message import Message
from temporalio.api.command.v1 import Command
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceResponse,
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
)


def _whole(value: Any) -> int:
    size: int = value.ByteSize()
    return size


def _data(values: Any) -> int:
    return sum(len(name) + len(values[name].data) for name in values)


class _Field(NamedTuple):
    """A field that is limited, and how the server measures it."""

    name: str
    size: Callable[[Any], int]
    is_memo: bool = False


#: What is limited in commands, by the name of their attributes.
_OF_COMMANDS: dict[str, tuple[_Field, ...]] = {
    "schedule_activity_task_command_attributes": (_Field("input", _whole),),
    "complete_workflow_execution_command_attributes": (_Field("result", _whole),),
    "fail_workflow_execution_command_attributes": (_Field("failure", _whole),),
    "continue_as_new_workflow_execution_command_attributes": (
        _Field("input", _whole),
        _Field("memo", _whole, is_memo=True),
    ),
    "modify_workflow_properties_command_attributes": (
        _Field("upserted_memo", lambda memo: _data(memo.fields)),
    ),
    "record_marker_command_attributes": (
        _Field(
            "details",
            lambda details: sum(len(name) + details[name].ByteSize() for name in details),
        ),
    ),
    "schedule_nexus_operation_command_attributes": (_Field("input", _whole),),
    "signal_external_workflow_execution_command_attributes": (_Field("input", _whole),),
    "start_child_workflow_execution_command_attributes": (
        _Field("input", _whole),
        _Field("memo", _whole, is_memo=True),
    ),
    "upsert_workflow_search_attributes_command_attributes": (
        _Field("search_attributes", lambda attributes: _data(attributes.indexed_fields)),
    ),
}


class PayloadLimits:
    """The limits of a namespace, in bytes; 0 is none. Unknown until the namespace is described."""

    def __init__(self) -> None:
        self._blob = 0
        self._memo = 0

    def learn(self, described: DescribeNamespaceResponse) -> None:
        """Keep to the limits of this namespace from now on."""
        limits = described.namespace_info.limits
        self._blob = max(limits.blob_size_limit_error, 0)
        self._memo = max(limits.memo_size_limit_error, 0)

    def complaint(self, request: Message) -> Failure | None:
        """What a worker says to the server instead of a request that has too much in it."""
        if request.ByteSize() <= min(self._blob or self._memo, self._memo or self._blob):
            # No part is larger than the whole.
            return None
        for size, is_memo in _sizes(request):
            limit, what = (self._memo, "memo") if is_memo else (self._blob, "payloads")
            if 0 < limit < size:
                return Failure(
                    message=f"[TMPRL1103] Attempted to upload {what} with size that exceeded the "
                    "error limit.",
                    application_failure_info=ApplicationFailureInfo(type="PayloadsTooLarge"),
                )
        return None


def _sizes(request: Message) -> Iterator[tuple[int, bool]]:
    """The sizes of what is limited in a request, and whether each is a memo."""
    if isinstance(request, RespondWorkflowTaskCompletedRequest):
        for command in request.commands:
            yield from _sizes_in(command)
        for message in request.messages:
            yield message.body.ByteSize(), False
    elif isinstance(request, RespondActivityTaskCompletedRequest):
        yield request.result.ByteSize(), False
    elif isinstance(
        request, (RespondActivityTaskCanceledRequest, RecordActivityTaskHeartbeatRequest)
    ):
        yield request.details.ByteSize(), False


def _sizes_in(command: Command) -> Iterator[tuple[int, bool]]:
    variant = command.WhichOneof("attributes")
    if variant is not None:
        attributes = getattr(command, variant)
        for name, size, is_memo in _OF_COMMANDS.get(variant, ()):
            yield size(getattr(attributes, name)), is_memo
