"""What is left of a test's workflows when it has ended, in a form that can be compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowExecutionStatus

from timeskip.histories.normal_form import normal_form
from timeskip.histories.run_records import RunRecord

_MADE_UP = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.I)

#: What a workflow task fails with although nothing is wrong with the workflow.
_HARMLESS = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
)

#: Events of which a crash leaves more, without anything else coming of it.
_NOISE = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
        EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    }
)


@dataclass(frozen=True)
class Ending:
    """One run. `name` stays the same from one run of a test to the next."""

    name: str
    run_id: str
    workflow_type: str
    status: WorkflowExecutionStatus
    history: History

    @cached_property
    def close(self) -> History:
        """The last event alone: what came of the run. Empty while it is open."""
        if self.status == WorkflowExecutionStatus.RUNNING:
            return History()
        close = History(events=self.history.events[-1:])
        event = close.events[0]
        attributes = getattr(event, event.WhichOneof("attributes") or "")
        event.event_id = 0
        for position in ("workflow_task_completed_event_id", "new_execution_run_id"):
            if position in attributes.DESCRIPTOR.fields_by_name:
                attributes.ClearField(position)
        if event.HasField("workflow_execution_continued_as_new_event_attributes"):
            # What is left to the next run depends on the time; what comes of it in the end must not.
            event.workflow_execution_continued_as_new_event_attributes.ClearField("input")
        return normal_form(close)

    @cached_property
    def task_failures(self) -> Counter[str]:
        """How often workflow tasks failed, by cause."""
        return Counter(
            WorkflowTaskFailedCause.Name(event.workflow_task_failed_event_attributes.cause)
            for event in self.history.events
            if event.HasField("workflow_task_failed_event_attributes")
            and event.workflow_task_failed_event_attributes.cause not in _HARMLESS
        )

    @cached_property
    def task_timeouts(self) -> int:
        """How many workflow tasks timed out."""
        return sum(
            event.HasField("workflow_task_timed_out_event_attributes")
            for event in self.history.events
        )

    @cached_property
    def without_noise(self) -> History:
        """The history without what a crash leaves in it: other tries of tasks and of activities."""
        normal = normal_form(self.history)
        for event in normal.events:
            if event.HasField("activity_task_started_event_attributes"):
                started = event.activity_task_started_event_attributes
                started.ClearField("attempt")
                started.ClearField("last_failure")
        return normal

    @cached_property
    def shape(self) -> tuple[object, ...]:
        """The same for histories of which a replay asks the same things, step by step."""
        kinds = (event.event_type for event in self.history.events)
        return (self.workflow_type, *(kind for kind in kinds if kind not in _NOISE))


class Endings(Mapping[str, Ending]):
    """All runs of a test by name, in the order of their starts."""

    def __init__(self, runs: Iterable[RunRecord]) -> None:
        self._endings: dict[str, Ending] = {}
        counted: Counter[str] = Counter()
        for run in runs:
            name = _MADE_UP.sub("…", run.workflow_id)
            name = name if name.strip("…") else run.workflow_type
            counted[name] += 1
            if counted[name] > 1:
                name = f"{name}@{counted[name]}"
            self._endings[name] = Ending(
                name, run.run_id, run.workflow_type, run.status, run.history
            )

    @property
    def task_timeouts(self) -> int:
        """How many workflow tasks timed out, in all runs."""
        return sum(ending.task_timeouts for ending in self.values())

    def __getitem__(self, name: str) -> Ending:
        return self._endings[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._endings)

    def __len__(self) -> int:
        return len(self._endings)
