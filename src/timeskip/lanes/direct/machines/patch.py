"""`workflow.patched` and `workflow.deprecate_patch`: a marker, matched by the name of the patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent

from timeskip.lanes.direct import patches
from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.machine import Machine, NondeterminismError, Table

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class PatchMachine(Machine):
    """The marker of one patch. While replaying it stands in the line without being sent."""

    MISFIT = "Change machine cannot handle this event: {event}"
    INITIAL = "MarkerCommandCreated"
    EVENTS: ClassVar = {EventType.EVENT_TYPE_MARKER_RECORDED: "MarkerRecorded"}
    COMMANDS: ClassVar = {CommandType.COMMAND_TYPE_RECORD_MARKER: "CommandRecordMarker"}

    def __init__(
        self,
        machines: WorkflowMachines,
        patch_id: str,
        *,
        deprecated: bool,
        annotations: Annotations,
    ) -> None:
        super().__init__(machines)
        if machines.replaying:
            self.state = "MarkerCommandCreatedReplaying"
        self.patch_id = patch_id
        self.send(
            annotations.command(
                CommandType.COMMAND_TYPE_RECORD_MARKER,
                record_marker_command_attributes=patches.marker(patch_id, deprecated=deprecated),
            )
        )

    def event_trigger(self, event: HistoryEvent) -> str:
        if patches.details_of(event) is None:
            raise self.misfit(event)
        return "MarkerRecorded"

    def _check(self, event: HistoryEvent) -> None:
        found = patches.details_of(event)
        assert found is not None
        if found[0] != self.patch_id:
            raise NondeterminismError(
                f"Change id {found[0]} does not match expected id {self.patch_id}"
            )

    TABLE: ClassVar[Table] = {
        ("MarkerCommandCreated", "CommandRecordMarker"): ("Notified", None),
        ("MarkerCommandCreatedReplaying", "CommandRecordMarker"): ("Notified", None),
        ("Notified", "MarkerRecorded"): ("MarkerCommandRecorded", _check),
    }
