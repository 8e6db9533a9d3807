"""What a workflow asks for, and where in its code; and by what a recorded event is known again."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from timeskip.histories.replaying.naming import naming_place
from timeskip.histories.replaying.source import class_at, function_at
from timeskip.histories.replaying.texts import command_text
from timeskip.lanes.direct import local_activity_markers, patches

_CODE_KNOWS_ITS_CLASS = sys.version_info >= (3, 11)

#: What is the same for a command and for the event that records it.
Key = tuple[str, ...]

_ENDS = frozenset(
    {
        "complete_workflow_execution",
        "fail_workflow_execution",
        "cancel_workflow_execution",
        "continue_as_new_workflow_execution",
    }
)


@dataclass(frozen=True)
class Place:
    """A line of code. `function` is the name by which the code knows itself.

    `callers`: the lines of the user's that led there, the nearest first, as far as that is known.
    `is_exact`: whether it is the line itself, and not only where a method begins.
    """

    path: str
    line: int
    function: str
    code: CodeType | None = field(default=None, compare=False, repr=False)
    callers: tuple[Place, ...] = field(default=(), compare=False, repr=False)
    is_exact: bool = field(default=True, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "code": None}  # another process knows the place, not the code

    def __str__(self) -> str:
        function = self.function
        if function.startswith("<") and function != "<lambda>":  # a comprehension
            function = function_at(self.path, self.line) or function
        if not _CODE_KNOWS_ITS_CLASS:
            around = function_at(self.path, self.line)
            if function != "<lambda>":
                function = around or function
            elif around and around == class_at(self.path, self.line):
                function = f"{around}.<lambda>"
        return f"{shown_path(self.path)}:{self.line} in {function}"


def shown_path(path: str) -> str:
    """Relative to where the program was started, if it lies below."""
    here = os.getcwd() + os.sep
    return path[len(here) :] if path.startswith(here) else path


@dataclass(eq=False)
class IssuedCommand:
    """A command of a workflow.

    Args:
        asked: What the workflow asked for, before any codec.
        sent: The same after the codec, as it went to the core.
        places: The lines of the user's code that led to it, from the outermost call inwards; empty
            if it is not known.
        after_event: The id of the last event that the workflow knew.
        moment: How much of the replay had happened; larger is later.
        event: The event that records it, once the history has proven it.
    """

    asked: WorkflowCommand
    sent: WorkflowCommand
    places: tuple[Place, ...]
    after_event: int
    moment: int
    event: HistoryEvent | None = None

    @property
    def place(self) -> Place | None:
        """The line that says what is asked for: of those that led there the innermost by name."""
        return naming_place(self.places[::-1], command_text(self.asked))


def key_of_command(command: WorkflowCommand) -> Key:
    """By what the event of a command is known. Commands that leave no event have keys of their own."""
    variant = command.WhichOneof("variant") or ""
    detail: Any = getattr(command, variant) if variant else None
    if variant in _ENDS:
        return ("end",)
    if variant == "schedule_activity":
        return ("activity", detail.activity_id or str(detail.seq))
    if variant == "schedule_local_activity":
        return ("local activity", str(detail.seq))
    if variant == "start_timer":
        return ("timer", str(detail.seq))
    if variant == "cancel_timer":
        return ("cancel timer", str(detail.seq))
    if variant == "start_child_workflow_execution":
        return ("child", detail.workflow_id)
    if variant == "set_patch_marker":
        return ("patch", detail.patch_id)
    if variant == "signal_external_workflow_execution":
        to = detail.workflow_execution.workflow_id or detail.child_workflow_id
        return ("signal", detail.signal_name, to)
    if variant == "request_cancel_external_workflow_execution":
        return ("cancel external", detail.workflow_execution.workflow_id)
    if variant == "update_response":
        return ("update", detail.WhichOneof("response") or "", detail.protocol_instance_id)
    return (variant,)


def key_of_event(event: HistoryEvent) -> Key | None:
    """By what the command of an event is known; None for an event that no command has caused."""
    known = EventType.DESCRIPTOR.values_by_number.get(event.event_type)
    kind = known.name.removeprefix("EVENT_TYPE_") if known is not None else ""
    attributes: Any = getattr(event, event.WhichOneof("attributes") or "", None)
    if kind == "MARKER_RECORDED":
        patch = patches.details_of(event)
        if patch is not None:
            return ("patch", patch[0])
        if local_activity_markers.is_marker(event):
            return ("local activity", str(local_activity_markers.read(event).seq))
        return None
    if attributes is None:
        return None
    if kind == "ACTIVITY_TASK_SCHEDULED":
        return ("activity", attributes.activity_id)
    if kind == "ACTIVITY_TASK_CANCEL_REQUESTED":
        return ("request_cancel_activity",)
    if kind == "TIMER_STARTED":
        return ("timer", attributes.timer_id)
    if kind == "TIMER_CANCELED":
        return ("cancel timer", attributes.timer_id)
    if kind == "START_CHILD_WORKFLOW_EXECUTION_INITIATED":
        return ("child", attributes.workflow_id)
    if kind == "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED":
        return ("signal", attributes.signal_name, attributes.workflow_execution.workflow_id)
    if kind == "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED":
        return ("cancel external", attributes.workflow_execution.workflow_id)
    if kind == "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
        return ("update", "accepted", attributes.protocol_instance_id)
    if kind == "WORKFLOW_EXECUTION_UPDATE_COMPLETED":
        return ("update", "completed", attributes.meta.update_id)
    if kind == "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES":
        return ("upsert_workflow_search_attributes",)
    if kind == "WORKFLOW_PROPERTIES_MODIFIED":
        return ("modify_workflow_properties",)
    if kind in _ENDING_EVENTS:
        return ("end",)
    return None


_ENDING_EVENTS = frozenset(
    {
        "WORKFLOW_EXECUTION_COMPLETED",
        "WORKFLOW_EXECUTION_FAILED",
        "WORKFLOW_EXECUTION_CANCELED",
        "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
    }
)
