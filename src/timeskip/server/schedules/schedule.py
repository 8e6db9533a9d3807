"""One schedule: what it is to do, what it has done, and when it goes on.

On the real server each schedule is a workflow of the service's own. It goes on when a time of its
specification has come, when a client wants something of it, or when a workflow that it has started has
ended. What that workflow does one after the other is done here at one instant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import ScheduleOverlapPolicy as Policy
from temporalio.api.enums.v1 import WorkflowExecutionStatus as Status
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.schedule.v1 import (
    BackfillRequest,
    ScheduleActionResult,
    ScheduleInfo,
    SchedulePatch,
)
from temporalio.api.schedule.v1 import Schedule as ScheduleMessage

from timeskip.clock import SECOND, DueTime, Nanoseconds
from timeskip.server.errors import ServiceError
from timeskip.server.schedules import actions
from timeskip.server.schedules.overlap import Start, decide
from timeskip.server.schedules.spec import ActionTime, CompiledSpec
from timeskip.server.validation.durations import nanoseconds

if TYPE_CHECKING:
    from timeskip.server.cluster import Cluster
    from timeskip.server.namespaces import Namespace
    from timeskip.server.run import Run

_DAY: Final = 86_400 * SECOND
_DEFAULT_CATCHUP_WINDOW: Final = 365 * _DAY
_SHORTEST_CATCHUP_WINDOW: Final = 10 * SECOND

#: How long a schedule is kept that has nothing to do any more.
_RETENTION: Final = 7 * _DAY

#: How many actions may wait, and how many of a backfill are taken on at once.
_MAX_WAITING: Final = 1000
_BACKFILLED_AT_ONCE: Final = 10
_BACKFILL_PAUSE: Final = SECOND

_RECENT_ACTIONS: Final = 10

#: The overlap policy of those that name none: that which the schedule has when it comes to it.
_AS_THE_SCHEDULE: Final = Policy.SCHEDULE_OVERLAP_POLICY_UNSPECIFIED

_MILLISECOND: Final = SECOND // 1000


class Schedule:
    """A schedule of a namespace. Changes end with `go_on`."""

    def __init__(
        self, cluster: Cluster, namespace: Namespace, id: str, message: ScheduleMessage
    ) -> None:
        now = cluster.clock.now()
        self.cluster = cluster
        self.namespace = namespace
        self.id = id
        #: Listings go by it, as if the schedule were a workflow.
        self.run_id = cluster.ids.uuid()
        self.place = cluster.ids.task_id()
        self.memo: dict[str, Payload] = {}
        self.search_attributes: dict[str, Payload] = {}
        #: The requests that have been carried out, and that may come again.
        self.request_ids: set[str] = set()
        self.conflict_token = 1
        #: Grows with every change.
        self.changes = 0
        self.schedule = ScheduleMessage()
        self.info = ScheduleInfo()
        self.info.create_time.FromNanoseconds(now)
        self.last_result: Payloads | None = None
        self.last_failure: Failure | None = None
        self._is_deleted = False
        #: Up to where the times of the specification have been dealt with.
        self._processed: Nanoseconds = now
        self._waiting: list[Start] = []
        self._backfills: list[BackfillRequest] = []
        self._next_time: Nanoseconds | None = None
        self._due: DueTime | None = None
        self._set(message)

    # -- what people see of it ----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it is neither deleted nor, long after its last action, gone by itself."""
        if self._is_deleted:
            return False
        is_active = self._next_time is not None and self.may_act
        if self.is_paused or is_active or self._is_backfilling_beside():
            return True
        return self.cluster.clock.now() < self._last_event() + _RETENTION

    @property
    def is_paused(self) -> bool:
        return self.schedule.state.paused

    @property
    def actions(self) -> int:
        """How often it has acted, or would have if nothing had run."""
        return self.info.action_count + self.info.overlap_skipped

    @property
    def may_act(self) -> bool:
        """Whether times of its specification lead to actions."""
        state = self.schedule.state
        return not state.paused and (not state.limited_actions or state.remaining_actions > 0)

    @property
    def next_due(self) -> Nanoseconds | None:
        """When it goes on by itself, if it does."""
        return None if self._due is None or self._due.cancelled else self._due.when

    @property
    def waiting(self) -> int:
        """How many actions wait for the end of the one that runs."""
        return len(self._waiting)

    def future_times(self, count: int) -> list[Nanoseconds]:
        """When it will act next, so many times at most."""
        if self.schedule.state.limited_actions:
            count = min(count, self.schedule.state.remaining_actions)
        times: list[Nanoseconds] = []
        for time in self._times_after(self._processed):
            if len(times) >= count:
                break
            if time.due > self._updated():
                times.append(time.due)
        return times

    def matching_times(self, start: Nanoseconds, end: Nanoseconds, count: int) -> list[Nanoseconds]:
        """The times of its specification after `start` and by `end`, so many at most."""
        times: list[Nanoseconds] = []
        for time in self._times_after(start):
            if time.due > end or len(times) == count:
                break
            times.append(time.due)
        return times

    # -- what is done to it -------------------------------------------------------------------

    def update(self, message: ScheduleMessage) -> None:
        """Replace what it is to do."""
        self._process(self.cluster.clock.now())
        self._set(message)
        self.info.update_time.FromNanoseconds(self.cluster.clock.now())
        self.conflict_token += 1

    def patch(self, patch: SchedulePatch) -> None:
        """Do what is asked for besides the specification, and pause or unpause."""
        now = self.cluster.clock.now()
        self._process(now)
        if patch.HasField("trigger_immediately"):
            trigger = patch.trigger_immediately
            given = trigger.HasField("scheduled_time")
            when = trigger.scheduled_time.ToNanoseconds() if given else now
            self._add(Start(when, when, trigger.overlap_policy, manual=True))
        for each in patch.backfill_request:
            backfill = BackfillRequest()
            backfill.CopyFrom(each)
            # Its first instant is part of it.
            backfill.start_time.FromNanoseconds(each.start_time.ToNanoseconds() - _MILLISECOND)
            self._backfills.append(backfill)
        if patch.pause:
            self._pause(patch.pause)
        if patch.unpause:
            self.schedule.state.paused = False
            self.schedule.state.notes = patch.unpause
            self.conflict_token += 1

    def delete(self) -> None:
        """What it has started goes on."""
        self._is_deleted = True
        self.changes += 1
        self._forget_due()

    def has_closed(self, run: Run, closed: HistoryEvent) -> None:
        """A workflow has ended that may be one of those that it waits for."""
        running = self._running(run)
        if running is None or not self.is_open:
            return
        self.info.running_workflows.remove(running)
        for recent in self.info.recent_actions:
            if recent.start_workflow_result.workflow_id == run.workflow_id:
                recent.start_workflow_status = run.status
                break
        self._take_over_outcome(run, closed)
        self.changes += 1
        if self._waiting:
            self.go_on()

    def go_on(self) -> None:
        """Do all that is due by now, and be there again when something else is."""
        self.changes += 1
        self._process(self.cluster.clock.now())
        self._take_on_backfills()
        while self._act():
            pass
        self._sleep()

    # -- inside -------------------------------------------------------------------------------

    def _set(self, message: ScheduleMessage) -> None:
        self.schedule.CopyFrom(message)
        for field in ("spec", "action", "state"):
            getattr(self.schedule, field).SetInParent()
        policies = self.schedule.policies
        policies.overlap_policy = self._resolved(_AS_THE_SCHEDULE)
        window = _DEFAULT_CATCHUP_WINDOW
        if policies.HasField("catchup_window"):
            window = max(nanoseconds(policies.catchup_window), _SHORTEST_CATCHUP_WINDOW)
        policies.catchup_window.FromNanoseconds(window)
        self._catchup_window = window
        self._spec = CompiledSpec(self.schedule.spec, f"{self.namespace.id}-{self.id}")

    def _resolved(self, policy: Policy.ValueType) -> Policy.ValueType:
        """The policy that is meant by one that may be unspecified."""
        return (
            policy or self.schedule.policies.overlap_policy or Policy.SCHEDULE_OVERLAP_POLICY_SKIP
        )

    def _updated(self) -> Nanoseconds:
        return self.info.update_time.ToNanoseconds()

    def _last_event(self) -> Nanoseconds:
        last = max(self.info.create_time.ToNanoseconds(), self._updated())
        if self.info.recent_actions:
            last = max(last, self.info.recent_actions[-1].actual_time.ToNanoseconds())
        return last

    def _times_after(self, after: Nanoseconds) -> Iterator[ActionTime]:
        time = self._spec.next(after)
        while time is not None:
            yield time
            time = self._spec.next(time.due)

    def _process(self, now: Nanoseconds) -> None:
        """Let the times of the specification become actions that have come since the last time."""
        if not self.may_act:
            self._processed = now
        for time in self._times_after(self._processed):
            if time.due > now:
                self._next_time = time.due
                return
            if time.due <= self._updated():
                continue
            if now - time.due > self._catchup_window:
                self.info.missed_catchup_window += 1
                continue
            self._add(Start(time.nominal, time.due, _AS_THE_SCHEDULE, manual=False))
            self._processed = time.due
        self._next_time = None

    def _add(self, start: Start) -> None:
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append(start)
        else:
            self.info.buffer_dropped += 1

    def _take_on_backfills(self) -> None:
        """Let the next times of backfills become actions, unless too many wait already."""
        room = _BACKFILLED_AT_ONCE
        while self._backfills and room > 0 and len(self._waiting) < _MAX_WAITING // 2:
            backfill = self._backfills[0]
            end = backfill.end_time.ToNanoseconds()
            for time in self._times_after(backfill.start_time.ToNanoseconds()):
                if time.due > end:
                    break
                self._add(Start(time.nominal, time.due, backfill.overlap_policy, manual=True))
                room -= 1
                if room == 0:
                    backfill.start_time.FromNanoseconds(time.due)
                    return
            del self._backfills[0]

    def _is_backfilling_beside(self) -> bool:
        """Whether a backfill goes on that need not wait for anything that runs."""
        if not self._backfills:
            return False
        policy = self._resolved(self._backfills[0].overlap_policy)
        return policy == Policy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL

    def _act(self) -> bool:
        """Do what can be done about the actions that wait; whether there may be more to do now."""
        if not self.schedule.action.HasField("start_workflow"):
            self._waiting = []
        if not self._waiting:
            return False
        is_running = bool(self.info.running_workflows)
        decision = decide(self._waiting, self._resolved, is_running=is_running)
        self._waiting = decision.waiting
        self.info.overlap_skipped += decision.skipped
        again = False
        for start in decision.beside:
            again |= not self._start(start, tracked=False)
        if decision.alone is not None:
            again |= not self._start(decision.alone, tracked=True)
        end = actions.terminate if decision.terminates else actions.cancel
        if decision.terminates or decision.cancels:
            for running in self.info.running_workflows:
                with contextlib.suppress(ServiceError):  # it has ended, or is gone
                    end(self, running)
        return again

    def _start(self, start: Start, *, tracked: bool) -> bool:
        """Start a workflow, if that is allowed; whether it was."""
        if not start.manual:
            if not self.may_act:
                return False
            if self.schedule.state.limited_actions:
                self.schedule.state.remaining_actions -= 1
                self.conflict_token += 1
        try:
            started = actions.start(self, start)
        except ServiceError:
            # The id is taken, or the workflow may not be started so. Nobody is told.
            return False
        self.info.action_count += 1
        result = ScheduleActionResult(
            start_workflow_result=started,
            start_workflow_status=Status.WORKFLOW_EXECUTION_STATUS_RUNNING,
        )
        result.schedule_time.FromNanoseconds(start.due)
        result.actual_time.FromNanoseconds(self.cluster.clock.now())
        self.info.recent_actions.append(result)
        del self.info.recent_actions[:-_RECENT_ACTIONS]
        if tracked:
            self.info.running_workflows.append(started)
        return True

    def _running(self, run: Run) -> WorkflowExecution | None:
        """What runs of what it has started and has ended with this run, if that was its last."""
        first = WorkflowExecution(
            workflow_id=run.workflow_id, run_id=run.started.first_execution_run_id
        )
        if first not in self.info.running_workflows:
            return None
        current = self.namespace.current_run(run.workflow_id)
        goes_on = (
            current is not None
            and current.is_open
            and current.started.first_execution_run_id == first.run_id
        )
        return None if goes_on else first

    def _take_over_outcome(self, run: Run, closed: HistoryEvent) -> None:
        """Remember what the next workflow is told, and pause if that is wanted after a failure."""
        if run.status == Status.WORKFLOW_EXECUTION_STATUS_COMPLETED:
            completed = closed.workflow_execution_completed_event_attributes
            if completed.HasField("result"):
                self.last_result, self.last_failure = completed.result, None
            return
        note = ""
        if run.status == Status.WORKFLOW_EXECUTION_STATUS_FAILED:
            self.last_failure = closed.workflow_execution_failed_event_attributes.failure
            note = f"failure: {run.workflow_id}: {self.last_failure.message}"
        elif run.status == Status.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
            note = f"timeout: {run.workflow_id}"
        if note and self.schedule.policies.pause_on_failure and not self.is_paused:
            self._pause(f"paused due to workflow {note}")

    def _pause(self, note: str) -> None:
        self.schedule.state.paused = True
        self.schedule.state.notes = note
        self.conflict_token += 1

    def _sleep(self) -> None:
        now = self.cluster.clock.now()
        if self._is_backfilling_beside():
            wake: Nanoseconds | None = now + _BACKFILL_PAUSE
        else:
            wake = self._next_time if self.may_act else None
        if wake == self.next_due:
            return
        self._forget_due()
        if wake is not None:
            self._due = self.cluster.clock.schedule(wake, self.go_on)

    def _forget_due(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
