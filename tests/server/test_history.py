"""The buffer in front of a history, and the order in which it settles."""

from __future__ import annotations

import pytest

from tests.conformance.commands import cancel_timer, schedule_activity, start_timer
from tests.server.hand_worker import QUEUE, HandWorker, event_names
from timeskip.clock import SECOND
from timeskip.server.history import attributes_of
from timeskip.server.run import Run


def after_completed(run: Run) -> list[str]:
    """The events after the last completed workflow task."""
    names = event_names(run)
    last = max(index for index, name in enumerate(names) if name == "WORKFLOW_TASK_COMPLETED")
    return names[last + 1 :]


@pytest.fixture
def worker() -> HandWorker:
    return HandWorker()


@pytest.fixture
def run(worker: HandWorker) -> Run:
    """A run with a timer and two activities; its worker holds the next workflow task."""
    started = worker.start()
    charge_and_ship = (
        schedule_activity(name, task_queue=QUEUE, start_to_close=60) for name in ("charge", "ship")
    )
    worker.complete(worker.workflow_task(), start_timer("reminder", 5), *charge_and_ship)
    worker.signal(started)
    return started


def test_news_wait_while_a_worker_holds_the_workflow_task(worker: HandWorker, run: Run) -> None:
    task = worker.workflow_task()
    before = event_names(run)
    worker.signal(run)
    worker.advance_to(run.start_time + 5 * SECOND)
    assert event_names(run) == before
    assert run.history.buffered_count == 2
    worker.complete(task)
    assert after_completed(run) == [
        "WORKFLOW_EXECUTION_SIGNALED",
        "TIMER_FIRED",
        "WORKFLOW_TASK_SCHEDULED",
    ]


def test_results_move_behind_other_news(worker: HandWorker, run: Run) -> None:
    task = worker.workflow_task()
    worker.complete_activity(worker.activity_task())
    worker.signal(run)
    worker.complete_activity(worker.activity_task())
    worker.advance_to(run.start_time + 5 * SECOND)
    worker.complete(task)
    assert after_completed(run) == [
        "ACTIVITY_TASK_STARTED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "ACTIVITY_TASK_STARTED",
        "TIMER_FIRED",
        "ACTIVITY_TASK_COMPLETED",
        "ACTIVITY_TASK_COMPLETED",
        "WORKFLOW_TASK_SCHEDULED",
    ]


def test_results_refer_to_the_started_events_that_were_buffered_with_them(
    worker: HandWorker, run: Run
) -> None:
    task = worker.workflow_task()
    for _ in range(2):
        worker.complete_activity(worker.activity_task())
    worker.complete(task)
    by_id = {event.event_id: event for event in run.history.events}
    for event in run.history.events[-3:-1]:
        result = event.activity_task_completed_event_attributes
        started = by_id[result.started_event_id].activity_task_started_event_attributes
        assert started.scheduled_event_id == result.scheduled_event_id


def test_what_commands_write_comes_before_the_news(worker: HandWorker, run: Run) -> None:
    task = worker.workflow_task()
    worker.signal(run)
    worker.complete(task, start_timer("deadline", 9))
    assert after_completed(run) == [
        "TIMER_STARTED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "WORKFLOW_TASK_SCHEDULED",
    ]


def test_events_that_waited_keep_the_time_at_which_they_happened(
    worker: HandWorker, run: Run
) -> None:
    task = worker.workflow_task()
    worker.signal(run)
    worker.advance_to(run.start_time + 3 * SECOND)
    worker.complete(task)
    completed, signaled = run.history.events[-3:-1]
    assert completed.event_time.ToNanoseconds() == run.start_time + 3 * SECOND
    assert signaled.event_time.ToNanoseconds() == run.start_time


def test_timer_that_fired_meanwhile_can_still_be_cancelled(worker: HandWorker, run: Run) -> None:
    task = worker.workflow_task()
    worker.advance_to(run.start_time + 5 * SECOND)
    worker.complete(task, cancel_timer("reminder"))
    assert after_completed(run) == ["TIMER_CANCELED"]
    assert not run.timers


def test_news_are_written_before_a_run_is_closed_from_outside(worker: HandWorker, run: Run) -> None:
    worker.workflow_task()
    worker.signal(run)
    worker.advance_to(run.start_time + 1)
    worker.terminate(run)
    assert event_names(run)[-3:] == [
        "WORKFLOW_TASK_FAILED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "WORKFLOW_EXECUTION_TERMINATED",
    ]
    assert not run.history.has_buffered


def test_closed_history_takes_no_more_events(worker: HandWorker, run: Run) -> None:
    worker.terminate(run)
    last = run.history.events[-1]
    with pytest.raises(AssertionError, match="after the run has closed"):
        run.add(last.event_type, attributes_of(last))
