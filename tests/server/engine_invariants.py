"""What holds of the engine after every step, whatever was asked of it.

Verified: histories are possible (see `HistoryReader`); a run's open state is what its history
leaves open; nothing that is waited for can be lost (a task stands in exactly one queue, a timeout
in the clock); the cluster's tables list what the runs hold and no more; pollers and tasks have met.
Not verified: that a history is the one that the real server would have written; the conformance
scenarios are for that.
"""

from __future__ import annotations

from collections import Counter

from temporalio.api.enums.v1 import EventType

from tests.server.engine_driver import EngineDriver
from tests.server.history_reader import HistoryReader
from timeskip.clock import DueTime
from timeskip.server.activities import Activity, ActivityTask
from timeskip.server.history import attributes_of
from timeskip.server.matching import Task
from timeskip.server.queries import QueryTask
from timeskip.server.run import Run
from timeskip.server.workflow_tasks import WorkflowTask


class EngineInvariants:
    """Reads along while an engine is driven."""

    def __init__(self, driver: EngineDriver) -> None:
        self._driver = driver
        self._cluster = driver.cluster
        self._readers: dict[str, HistoryReader] = {}

    def check(self) -> None:
        """Raise AssertionError if the engine contradicts itself."""
        waiting = self._waiting_tasks()
        for run in self._driver.runs:
            reader = self._read(run)
            if run.is_open:
                self._check_open(run, reader, waiting)
            else:
                self._check_closed(run, reader)
        self._check_queries(waiting)
        self._check_tables()
        self._check_matching()

    def check_finished(self) -> None:
        """Nothing is left when all runs are closed and all callers gone."""
        self.check()
        cluster = self._cluster
        assert self._driver.service.next_due() is None
        assert not cluster.started_workflow_tasks
        assert not cluster.started_activities
        assert not cluster.time_waits
        assert not cluster.queries_asked
        assert not cluster.query_tasks
        assert not cluster.started_queries
        assert not self._waiting_tasks()
        for queue in cluster.queues:
            assert not queue.polls
        for sent in self._driver.sent:
            assert sent.answers or sent.gone

    # -- runs -------------------------------------------------------------------------------------

    def _read(self, run: Run) -> HistoryReader:
        reader = self._readers.setdefault(run.run_id, HistoryReader())
        for event in run.history.events[len(reader.types) :]:
            reader.read(event, self._driver.clock.now())
        return reader

    def _check_open(self, run: Run, reader: HistoryReader, waiting: Counter[Task]) -> None:
        assert not reader.closed
        assert run.close_time is None
        task = run.workflow_task
        if run.history.has_buffered:
            assert run.has_started_workflow_task, "events are buffered, and nothing will write them"
        if reader.has_news and not run.is_paused:
            assert task is not None or _is_live(run.backoff_due), "nobody will see the news"
        if task is None:
            assert not reader.scheduled_task
        else:
            self._check_workflow_task(run, task, reader, waiting)
        self._check_timers(run, reader)
        self._check_activities(run, reader, waiting)
        self._check_others(run, reader)
        if run.queries:
            assert task is not None or run.is_paused, "nobody will make the task that queries want"
        assert reader.last_completed_started_id == run.last_completed_started_id

    def _check_workflow_task(
        self, run: Run, task: WorkflowTask, reader: HistoryReader, waiting: Counter[Task]
    ) -> None:
        if task.is_transient:
            assert not reader.scheduled_task
        else:
            assert (task.scheduled_event_id, task.started_event_id) == (
                reader.scheduled_task,
                reader.started_task,
            )
        if task.started_event_id:
            assert _is_live(task.due), "a started workflow task does not time out"
            assert waiting[task] == 0
        else:
            assert waiting[task] == 1, "a workflow task stands in no queue, or in several"
        assert (run.run_id in self._cluster.started_workflow_tasks) == bool(task.started_event_id)

    def _check_timers(self, run: Run, reader: HistoryReader) -> None:
        running = dict(reader.timers)
        for timer_id in set(reader.timers.values()):
            fired = run.history.buffered_timer_fired(timer_id)
            if fired is not None:
                del running[fired.timer_fired_event_attributes.started_event_id]
        assert {each.started_event_id: each.timer_id for each in run.timers.values()} == running
        for timer in run.timers.values():
            assert _is_live(timer.due)

    def _check_activities(self, run: Run, reader: HistoryReader, waiting: Counter[Task]) -> None:
        ended = {
            scheduled_event_id
            for scheduled_event_id in reader.activities
            if run.history.has_buffered_result(scheduled_event_id)
        }
        assert run.activities.keys() == reader.activities.keys() - ended
        queued = {
            task.activity
            for task in waiting
            if isinstance(task, ActivityTask) and task.activity.run is run
        }
        ids = [activity.activity_id for activity in run.activities.values()]
        assert len(ids) == len(set(ids))
        for activity in run.activities.values():
            assert all(map(_is_live, activity.dues.values()))
            assert activity.cancel_request_id == (
                reader.activities[activity.scheduled_event_id].cancel_request_id
            )
            if activity.is_started:
                holder = self._cluster.started_activities.get(activity.token)
                # The worker of a later attempt is cut off when the attempts begin anew.
                assert holder is activity or (holder is None and activity.attempt == 1)
                assert activity not in queued
            elif activity.pause is not None:
                assert activity not in queued, "a worker could take a paused activity"
            elif run.is_paused:
                # As on the real server: what waits then is taken back, what fails then is retried.
                assert not (activity in queued and _is_live(activity.retry_due))
            else:
                assert (activity in queued) != _is_live(activity.retry_due)

    def _check_others(self, run: Run, reader: HistoryReader) -> None:
        """What a run wants of other runs is done before the next request is taken."""
        told = {
            getattr(attributes_of(event), "initiated_event_id", 0)
            for event in run.history._buffer
            if event.event_type != EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
        }
        assert run.children.keys() == reader.children.keys() - told
        assert reader.wishes.keys() <= told
        for child in run.children.values():
            assert child.run_id, "a child was never started"

    def _check_closed(self, run: Run, reader: HistoryReader) -> None:
        assert reader.closed
        assert run.close_time is not None
        assert run.workflow_task is None
        assert not run.timers
        assert not run.activities
        assert not run.queries
        assert not run.history.has_buffered
        for due in (run.run_timeout_due, run.execution_timeout_due, run.backoff_due):
            assert not _is_live(due)
        assert run.run_id not in self._cluster.started_workflow_tasks
        assert not run.on_news, "readers wait for news of a run that is over"

    # -- the cluster ------------------------------------------------------------------------------

    def _waiting_tasks(self) -> Counter[Task]:
        """The tasks in queues that are not overtaken by events, and how often each is there."""
        return Counter(
            task for queue in self._cluster.queues for task in queue.tasks if is_valid(task)
        )

    def _check_queries(self, waiting: Counter[Task]) -> None:
        asked = {
            sent.call
            for sent in self._driver.open_calls
            if sent.call.rpc.endswith("/QueryWorkflow")
        }
        buffered = {query.call for run in self._driver.runs for query in run.queries.values()}
        alone = {task.call for task in self._cluster.query_tasks.values()}
        assert self._cluster.queries_asked.keys() == asked
        assert buffered | alone == asked
        assert not buffered & alone
        for query_id, task in self._cluster.query_tasks.items():
            started = query_id in self._cluster.started_queries
            assert waiting[task] == (0 if started else 1)

    def _check_tables(self) -> None:
        cluster = self._cluster
        for run_id, run in cluster.started_workflow_tasks.items():
            assert cluster.runs[run_id] is run
            assert run.has_started_workflow_task
        for token, activity in cluster.started_activities.items():
            assert activity.token == token
            assert _is_pending(activity)
        open_calls = {sent.call for sent in self._driver.open_calls}
        assert cluster.time_waits.keys() <= open_calls
        assert cluster.started_queries.keys() <= cluster.query_tasks.keys()
        polls = {poll for queue in cluster.queues for poll in queue.polls}
        assert open_calls == polls | cluster.time_waits.keys() | cluster.queries_asked.keys()

    def _check_matching(self) -> None:
        for queue in self._cluster.queues:
            if not queue.polls or not any(map(is_valid, queue.tasks)):
                continue
            ready = queue.rate.ready
            assert not queue.rate.allows(self._driver.clock.now()), (
                "a poller and a task do not meet"
            )
            if ready is not None:
                assert queue.next_dispatch is not None
                assert _is_live(queue.next_dispatch), "a poller and a task will not meet"
                assert queue.next_dispatch.when == ready


def _is_live(due: DueTime | None) -> bool:
    return due is not None and not due.cancelled


def _is_pending(activity: Activity) -> bool:
    return activity.run.activities.get(activity.scheduled_event_id) is activity


def is_valid(task: Task) -> bool:
    """Whether a poller would be given the task."""
    if isinstance(task, WorkflowTask):
        return task.run.workflow_task is task and not task.started_event_id
    if isinstance(task, ActivityTask):
        activity = task.activity
        return _is_pending(activity) and not activity.is_started and activity.stamp == task.stamp
    assert isinstance(task, QueryTask)
    cluster = task.run.cluster
    return not task.call.answered and task.query_id in cluster.query_tasks
