"""What a workflow notes about a command for people who read the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType
from temporalio.api.sdk.v1 import EventGroupMarker, UserMetadata
from temporalio.bridge.proto.workflow_commands import WorkflowCommand


@dataclass(frozen=True)
class Annotations:
    """Summary and details, and the groups of events that a command belongs to."""

    metadata: UserMetadata | None = None
    group_markers: tuple[EventGroupMarker, ...] = ()

    @staticmethod
    def of(asked: WorkflowCommand) -> Annotations:
        """Those of a command as the workflow's code gave it."""
        metadata = asked.user_metadata if asked.HasField("user_metadata") else None
        if metadata is None and not asked.event_group_markers:
            return NO_ANNOTATIONS
        return Annotations(metadata, tuple(asked.event_group_markers))

    def overridden_by(self, others: Annotations) -> Annotations:
        """For a cancellation: what it does not say itself is what the cancelled command said."""
        if others is NO_ANNOTATIONS:
            return self
        metadata = self.metadata
        if others.metadata is not None:
            metadata = UserMetadata()
            if self.metadata is not None:
                metadata.CopyFrom(self.metadata)
            if others.metadata.HasField("summary"):
                metadata.summary.CopyFrom(others.metadata.summary)
            if others.metadata.HasField("details"):
                metadata.details.CopyFrom(others.metadata.details)
        return Annotations(metadata, others.group_markers or self.group_markers)

    def command(self, command_type: CommandType.ValueType, **attributes: Any) -> Command:
        """A command for the server that carries these annotations."""
        command = Command(command_type=command_type)
        for name, value in attributes.items():
            getattr(command, name).CopyFrom(value)
        if self is not NO_ANNOTATIONS:
            if self.metadata is not None:
                command.user_metadata.CopyFrom(self.metadata)
            command.event_group_markers.extend(self.group_markers)
        return command


NO_ANNOTATIONS = Annotations()
