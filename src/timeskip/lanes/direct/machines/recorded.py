"""Commands that are only recorded: ends of the run, upserts, memo changes. Nothing comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from timeskip.lanes.direct import patches
from timeskip.lanes.direct.machines.machine import Machine, NondeterminismError, Table

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class RecordedMachine(Machine):
    """Waits for the one event that its command causes."""

    INITIAL = "CommandCreated"
    FINAL = frozenset({"Recorded"})
    TABLE: ClassVar[Table] = {("CommandCreated", "Recorded"): ("Recorded", None)}

    def __init__(self, machines: WorkflowMachines, command: Command) -> None:
        super().__init__(machines)
        self.send(command)


class CompleteWorkflowMachine(RecordedMachine):
    """The run's result."""

    TITLE = "Complete workflow machine"
    TRIGGERS: ClassVar = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "Recorded"}


class FailWorkflowMachine(RecordedMachine):
    """The run's failure."""

    TITLE = "Fail workflow machine"
    TRIGGERS: ClassVar = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "Recorded"}


class CancelWorkflowMachine(RecordedMachine):
    """The run's end because it was cancelled."""

    TITLE = "Cancel workflow machine"
    TRIGGERS: ClassVar = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "Recorded"}


class ModifyWorkflowPropertiesMachine(RecordedMachine):
    """A change of the memo."""

    TITLE = "Modify workflow properties machine"
    TRIGGERS: ClassVar = {EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: "Recorded"}


class UpsertSearchAttributesMachine(RecordedMachine):
    """New values of search attributes."""

    TITLE = "Upsert search attributes machine"
    TRIGGERS: ClassVar = {EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "Recorded"}


class PatchMachine(RecordedMachine):
    """A version marker. Its event is matched by the name of the patch as well."""

    TITLE = "Patch machine"
    TRIGGERS: ClassVar = {EventType.EVENT_TYPE_MARKER_RECORDED: "Recorded"}

    def __init__(self, machines: WorkflowMachines, patch_id: str, command: Command) -> None:
        self.patch_id = patch_id
        super().__init__(machines, command)

    def _check(self, event: HistoryEvent) -> None:
        found = patches.details_of(event)
        if found is None or found[0] != self.patch_id:
            name = found[0] if found is not None else ""
            raise NondeterminismError(
                f"Change id {self.patch_id} does not match expected id {name}"
            )

    TABLE: ClassVar[Table] = {("CommandCreated", "Recorded"): ("Recorded", _check)}
