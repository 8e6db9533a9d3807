"""A reset at any completed workflow task of a random history gives back what was open then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from tests.server.engine_episode import Episode, execution_of
from tests.server.test_engine_properties import moves_of
from timeskip.server import starting, workflow_tasks
from timeskip.server.history import attributes_of
from timeskip.server.run import Run
from timeskip.server.workflow_tasks import WorkflowTask

_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


def open_things(run: Run) -> dict[str, Any]:
    """Everything that a run holds open, or remembers, because of its events."""
    return {
        "timers": {each.timer_id: each.started_event_id for each in run.timers.values()},
        "activities": {
            each.scheduled_event_id: (each.activity_id, each.cancel_request_id)
            for each in run.activities.values()
        },
        "children": {key: child.run_id for key, child in run.children.items()},
        "external requests": [*run.external_requests],
        "signals": [*run.signal_request_ids],
        "request ids": sorted(run.request_ids),
        "cancel requested": run.cancel_requested,
        "memo": dict(run.memo),
        # A history does not tell of paused activities.
        "search attributes": {
            name: value
            for name, value in run.search_attributes.items()
            if name != "TemporalPauseInfo"
        },
        "builds": [*run.build_ids],
        "worker": run.worker_version,
        "priority": run.priority,
        "override": run.versioning_override,
        "last completed": run.last_completed_started_id,
    }


@dataclass(frozen=True)
class Snapshot:
    """What a run held open when a workflow task was started and nothing was buffered."""

    run: Run
    started_event_id: int
    held: dict[str, Any]

    def nexus_attempt_failed(self, *told: object) -> None:
        """Not looked at."""


def played(number: int) -> tuple[Episode, list[Snapshot]]:
    """A random episode that has not ended yet, and what was open meanwhile."""
    episode, snapshots = Episode(), []
    write = workflow_tasks._write_started

    def write_and_look(run: Run, task: WorkflowTask) -> HistoryEvent:
        event = write(run, task)
        if not run.history.has_buffered:
            snapshots.append(Snapshot(run, event.event_id, open_things(run)))
        return event

    with patch.object(workflow_tasks, "_write_started", write_and_look):
        for move in moves_of(number, 80):
            episode.step(move)
    return episode, snapshots


def test_a_rebuilt_run_holds_open_what_the_run_held() -> None:
    compared = 0
    for number in range(500, 540):
        episode, snapshots = played(number)
        for snapshot in snapshots:
            run, started = snapshot.run, snapshot.started_event_id
            rebuilt = starting.rebuild(run, started, episode.driver.cluster.ids.uuid())
            assert open_things(rebuilt) == snapshot.held, (
                f"episode {number}, {started} of {run.run_id}"
            )
            compared += 1
    assert compared > 100


def resettable(episode: Episode) -> list[tuple[Run, int]]:
    """The completed workflow tasks of all runs."""
    return [
        (run, event.event_id)
        for run in episode.driver.runs
        for event in run.history.events
        if event.event_type == _COMPLETED
    ]


@pytest.mark.parametrize("reapply", ResetReapplyType.keys())
def test_a_reset_run_has_a_history_that_begins_as_the_old_one(reapply: str) -> None:
    for number in range(600, 610):
        episode, _ = played(number)
        cluster = episode.driver.cluster
        for run, finish in resettable(episode):
            answer = episode.driver.send(
                "ResetWorkflowExecution",
                ResetWorkflowExecutionRequest(
                    namespace=run.namespace.name,
                    workflow_execution=execution_of(run),
                    request_id="reset",
                    workflow_task_finish_event_id=finish,
                    reset_reapply_type=ResetReapplyType.Value(reapply),
                ),
            ).answer
            new = cluster.runs[getattr(answer, "run_id", "")]
            events = new.history.events
            assert [event.event_id for event in events] == list(range(1, len(events) + 1))
            before = run.history.events[: finish - 1]
            assert [*map(attributes_of, events[: finish - 1])] == [*map(attributes_of, before)]
            assert events[finish - 1].workflow_task_failed_event_attributes.new_run_id == new.run_id
            episode.check()
        episode.end()
