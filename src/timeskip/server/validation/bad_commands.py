"""What it means that a command is bad, and the checks that commands have in common."""

from __future__ import annotations

from typing import NamedTuple

from temporalio.api.enums.v1 import WorkflowTaskFailedCause as Cause
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.limits import (
    MAX_ID_LENGTH,
    MAX_PAYLOAD_SIZE,
    byte_length,
    is_too_long,
)
from timeskip.server.validation.search_attributes import SearchAttributeTypes


class BadCommand(Exception):  # noqa: N818 - it is the command that is bad, not the server
    """A command that fails the workflow task.

    `cause` and `full_message` stand in the WorkflowTaskFailed event, and `full_message` also in the
    INVALID_ARGUMENT that the worker gets. With `terminates_workflow` the run is terminated too: it
    is too large to be tried again.
    """

    def __init__(
        self, cause: Cause.ValueType, message: str = "", *, terminates_workflow: bool = False
    ) -> None:
        name = camel_case(Cause.Name(cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_"))
        self.cause = cause
        self.message = message
        self.full_message = f"{name}: {message}" if message else name
        self.terminates_workflow = terminates_workflow
        super().__init__(self.full_message)


class TooLargeError(Exception):
    """Attributes whose size no retry of the workflow task could mend."""


class CommandSettings(NamedTuple):
    """What the checks of attributes need to know besides them."""

    started: WorkflowExecutionStartedEventAttributes
    namespace: str
    search_attributes: SearchAttributeTypes


def camel_case(constant: str) -> str:
    """`START_TIMER` as the real server writes it in messages: `StartTimer`."""
    return constant.title().replace("_", "")


def require_id(told_as: str, value: str, command: str) -> None:
    """Refuse an id that is missing or too long."""
    if not value:
        raise invalid_argument(f"{told_as} is not set on {command}.")
    if is_too_long(value):
        raise invalid_argument(
            f"{told_as} on {command} exceeds length limit. "
            f"{told_as}={value} Length={byte_length(value)} Limit={MAX_ID_LENGTH}"
        )


def limit_size(size: int, told_as: str) -> None:
    """Refuse attributes of more bytes than a payload may have."""
    if size > MAX_PAYLOAD_SIZE:
        raise TooLargeError(f"{told_as} exceeds size limit.")
