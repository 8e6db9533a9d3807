"""A timer: `workflow.sleep`, `asyncio.sleep`, timeouts of conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from temporalio.api.command.v1 import CancelTimerCommandAttributes, StartTimerCommandAttributes
from temporalio.api.enums.v1 import CommandType, EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_activation import FireTimer, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import StartTimer

from timeskip.lanes.direct.machines.annotations import Annotations
from timeskip.lanes.direct.machines.machine import Machine, NondeterminismError, Table

if TYPE_CHECKING:
    from timeskip.lanes.direct.workflow_machines import WorkflowMachines


class TimerMachine(Machine):
    """A timer, from its start to its firing or cancellation."""

    MISFIT = "Timer machine does not handle this event: {event}"
    INITIAL = "StartCommandCreated"
    EVENTS: ClassVar = {
        EventType.EVENT_TYPE_TIMER_STARTED: "TimerStarted",
        EventType.EVENT_TYPE_TIMER_FIRED: "TimerFired",
        EventType.EVENT_TYPE_TIMER_CANCELED: "TimerCanceled",
    }
    COMMANDS: ClassVar = {
        CommandType.COMMAND_TYPE_START_TIMER: "CommandStartTimer",
        CommandType.COMMAND_TYPE_CANCEL_TIMER: "CommandCancelTimer",
    }

    def __init__(
        self, machines: WorkflowMachines, attributes: StartTimer, annotations: Annotations
    ) -> None:
        super().__init__(machines)
        self.seq = attributes.seq
        self._timer_id = str(attributes.seq)
        self._annotations = annotations
        self.send(
            annotations.command(
                CommandType.COMMAND_TYPE_START_TIMER,
                start_timer_command_attributes=StartTimerCommandAttributes(
                    timer_id=self._timer_id,
                    start_to_fire_timeout=attributes.start_to_fire_timeout,
                ),
            )
        )

    def cancel(self, annotations: Annotations) -> None:
        """The workflow does not want the timer any more."""
        self._annotations = self._annotations.overridden_by(annotations)
        self.trigger("Cancel")

    def _fired(self, event: HistoryEvent) -> None:
        recorded = event.timer_fired_event_attributes.timer_id
        if recorded != self._timer_id:
            raise NondeterminismError(
                f"Timer fired event did not have expected timer id {self._timer_id}, "
                f"it was {recorded}!"
            )
        self.tell(WorkflowActivationJob(fire_timer=FireTimer(seq=self.seq)))

    def _take_back(self, cause: object) -> None:
        self.cancelled_before_sent = True

    def _send_cancel(self, cause: object) -> None:
        self.send(
            self._annotations.command(
                CommandType.COMMAND_TYPE_CANCEL_TIMER,
                cancel_timer_command_attributes=CancelTimerCommandAttributes(
                    timer_id=self._timer_id
                ),
            )
        )

    TABLE: ClassVar[Table] = {
        ("StartCommandCreated", "CommandStartTimer"): ("StartCommandCreated", None),
        ("StartCommandCreated", "TimerStarted"): ("StartCommandRecorded", None),
        ("StartCommandCreated", "Cancel"): ("Canceled", _take_back),
        ("StartCommandRecorded", "TimerFired"): ("Fired", _fired),
        ("StartCommandRecorded", "Cancel"): ("CancelTimerCommandCreated", _send_cancel),
        ("CancelTimerCommandCreated", "Cancel"): ("CancelTimerCommandCreated", None),
        ("CancelTimerCommandCreated", "CommandCancelTimer"): ("CancelTimerCommandSent", None),
        ("CancelTimerCommandSent", "TimerCanceled"): ("Canceled", None),
        ("Canceled", "Cancel"): ("Canceled", None),
        ("Fired", "Cancel"): ("Fired", None),
    }
