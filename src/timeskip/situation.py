"""A simulation in words: who waits for what, and what goes on, for somebody new to all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import ContinueAsNewInitiator, RateLimitSource, TaskQueueType
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest

from timeskip.activity_time import ActivityTime, RunningAttempt
from timeskip.clock import datetime_of
from timeskip.lanes.alarm_texts import listed, similar
from timeskip.lanes.awaits import awaits_of_task, awaits_of_workflow, lines_of_thread
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.lanes.worker_registry import WorkerRegistry

if TYPE_CHECKING:
    from timeskip.lanes.worker_registry import KnownWorker
    from timeskip.server.activities import Activity
    from timeskip.server.nexus_operations import NexusOperation
    from timeskip.server.nexus_tasks import NexusTask
    from timeskip.server.pauses import Pause
    from timeskip.server.run import Run
    from timeskip.server.schedules.schedule import Schedule

_WORKFLOW = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
_ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_NEXUS = TaskQueueType.TASK_QUEUE_TYPE_NEXUS

#: Why a run follows another.
_FOLLOWS = {
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW: "it continues as new each time",
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY: "its retry policy allows more",
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE: "its cron schedule has no end",
}

#: With which workflows in other processes are asked where they stand.
STACK_TRACE_QUERY = "__stack_trace"

#: More than anybody reads; the rest is counted.
_MOST = 20


@dataclass(frozen=True)
class Situation:
    """Texts about one simulation, each a list of lines. To be asked for where its clock runs."""

    keeper: TimeKeeper
    workers: WorkerRegistry
    activities: ActivityTime

    def now(self) -> str:
        """The virtual instant, for the inside of a sentence."""
        return f"{datetime_of(self.keeper.clock.now()):%Y-%m-%d %H:%M:%S} UTC"

    def waits(self) -> list[str]:
        """What the test waits for."""
        cluster = self.keeper.service.cluster
        results = [
            f"the result of workflow {run.workflow_id!r}" for run in cluster.time_waits.values()
        ]
        answers = [
            f"the answer to the query {call.request.query.query_type!r} of workflow "
            f"{run.workflow_id!r}"
            for call, run in cluster.open_queries().items()
            if isinstance(call.request, QueryWorkflowRequest)
            and call.request.query.query_type != STACK_TRACE_QUERY
        ]
        sleeps = ["the end of a sleep"] * bool(cluster.sleeping_calls)
        own = [wait.hold.reason for wait in self.keeper.waits]
        own += self.keeper.conditions.values()
        return _cut(list(dict.fromkeys([*own, *results, *answers, *sleeps])))

    def runs(self, stack_traces: Mapping[str, str]) -> list[str]:
        """The open workflows and where they stand.

        `stack_traces`, by run id, are those of workflows in other processes.
        """
        lines = []
        runs = [run for run in self.keeper.service.cluster.runs.values() if run.is_open]
        for run in runs[:_MOST]:
            lines += self._run(run, stack_traces.get(run.run_id, ""))
        if len(runs) > _MOST:
            lines.append(f"  and {len(runs) - _MOST} more")
        return lines

    def unpolled(self) -> list[str]:
        """Tasks over which time has gone on, because no worker polls for them."""
        return [
            f"{count} {_KINDS[kind]}{'s' if count > 1 else ''} waited on {self._queue(queue, kind)}"
            for (queue, kind), count in self.keeper.passed_over.items()
            if kind in _KINDS
        ]

    def some_await_only_news(self) -> bool:
        """Whether a workflow has done all that it could, and waits for neither task nor activity."""
        return any(
            run.is_open
            and run.last_completed_started_id
            and not (run.stands_still or run.workflow_task or run.activities or run.is_paused)
            and not run.nexus_operations
            for run in self.keeper.service.cluster.runs.values()
        )

    def known_workers(self) -> list[str]:
        """The workers that were started on the simulation's client, and the types they know."""
        return [
            f"  on {worker.task_queue!r}: workflows {listed(worker.workflows)}; "
            f"activities {listed(worker.activities)}{_nexus_services(worker)}"
            f"{' (stopped)' if worker.has_stopped else ''}"
            for worker in self.workers.workers
        ]

    def works_in_activities(self) -> bool:
        """Whether activities do real work."""
        return bool(self.activities.working())

    def work(self) -> list[str]:
        """What goes on for real, so that virtual time cannot move."""
        holds = list(self.keeper.holds.open.values())
        lines = [f"  {hold.reason}" for hold in holds if hold.is_active]
        for attempt, doing in self.activities.working().items():
            lines.append(f"  {_attempt(attempt)} is running: {doing}")
            lines += [f"    {line}" for line in self._places(attempt)]
        cluster = self.keeper.service.cluster
        for run in cluster.started_workflow_tasks.values():
            lines.append(f"  a workflow task of {run.workflow_id!r} is with its worker")
        for query in cluster.started_queries.values():
            lines.append(f"  a query of workflow {query.run.workflow_id!r} is with its worker")
        known = {attempt.token for attempt in self.activities.running()}
        known |= self.keeper.parked
        for token, activity in cluster.started_activities.items():
            if token not in known and self.keeper.is_worked_on(token, activity.identity):
                lines.append(f"  {_started(activity)}")
        for token, task in cluster.started_nexus_tasks.items():
            if token not in known and self.keeper.is_worked_on(token, task.identity):
                lines.append(f"  {_handled(task)}")
        lines += [
            f"  the event loop of the worker on {task_queue!r} does not run, so it cannot go on:\n"
            "    start it on the loop of the test (pytest-asyncio: give both the same `loop_scope`)"
            for task_queue in self.workers.stranded()
        ]
        return _cut(lines)

    def chains(self, length: int) -> list[str]:
        """The workflows of which so many runs have followed one another, and why the last one did."""
        cluster = self.keeper.service.cluster
        open_runs = [run for run in cluster.runs.values() if run.is_open]
        return _cut(
            [
                f"  workflow {run.workflow_id!r} ({run.workflow_type}) is in its run number "
                f"{run.place_in_chain}: {_FOLLOWS[run.started.initiator]}"
                for run in open_runs
                if run.place_in_chain >= length
            ]
            + [
                _busy(schedule)
                for schedule in cluster.open_schedules()
                if schedule.actions >= length
            ]
        )

    def schedules(self) -> list[str]:
        """The open schedules that do nothing by themselves, and why."""
        return _cut(
            [
                f"  {schedule.id!r} {_why_idle(schedule)}"
                for schedule in self.keeper.service.cluster.open_schedules()
                if schedule.next_due is None
            ]
        )

    def rounds(self) -> list[str]:
        """What happens again and again without leaving a trace in a history."""
        lines = []
        for run in self.keeper.service.cluster.runs.values():
            if run.is_open and run.workflow_task_attempt > 1:
                lines.append(
                    f"  the workflow task of {run.workflow_id!r} fails again and again "
                    f"(attempt {run.workflow_task_attempt})"
                )
            for activity in run.activities.values():
                lines += self._round(activity)
        lines += map(_busy, filter(_skips, self.keeper.service.cluster.open_schedules()))
        return _cut(lines)

    def _round(self, activity: Activity) -> list[str]:
        """An open activity, if it fails again and again or takes virtual time itself."""
        attempts = {attempt.token: attempt for attempt in self.activities.running()}
        attempt = attempts.get(activity.token)
        if activity.attempt == 1 and attempt is None:
            return []
        name = f"{activity.scheduled.activity_type.name!r} of workflow {activity.run.workflow_id!r}"
        failure = activity.last_failure
        goes_on = (
            "goes on and on"
            if failure is None
            else f"fails again and again (attempt {activity.attempt}): {failure.message}"
        )
        places = [] if attempt is None else self._places(attempt)
        return [f"  activity {name} {goes_on}", *(f"    {line}" for line in places)]

    def _places(self, attempt: RunningAttempt) -> list[str]:
        task, threads = self.activities.task_and_threads(attempt)
        chains = [awaits_of_task(task)] if task is not None else []
        chains += map(lines_of_thread, threads)
        return [line for chain in chains for line in indented(chain)]

    def _run(self, run: Run, stack_trace: str) -> list[str]:
        named = f"  {run.workflow_id!r} ({run.workflow_type})"
        if run.stands_still:
            return [f"{named} was given up when the test was told that it cannot go on"]
        told = [f"it is paused{_by(run.pause)}"] if run.pause is not None else []
        if run.workflow_task is not None and not run.workflow_task.started_event_id:
            told.append(f"its next workflow task waits on {self._queue(run.task_queue, _WORKFLOW)}")
        told += self._signals_before(run)
        told += [self._activity(activity) for activity in run.activities.values()]
        told += [self._nexus_operation(each) for each in run.nexus_operations.values()]
        places = [line for chain in self._awaits(run) for line in indented(chain)]
        places = places or [line for line in stack_trace.splitlines() if line.strip()]
        if places:
            told += ["it stands at", *(f"  {line}" for line in places)]
        return [named, *(f"    {line}" for line in told)]

    def _signals_before(self, run: Run) -> list[str]:
        """That signals may have been lost, if it continues a run that had some."""
        before = self.keeper.service.cluster.runs.get(run.started.continued_execution_run_id)
        is_continued = (
            run.started.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW
        )
        if before is None or not before.signal_count or not is_continued:
            return []
        many = f"{before.signal_count} signal{'s' if before.signal_count > 1 else ''}"
        return [
            f"it continues as new a run that got {many}: what that run had not yet handled is lost,",
            "  unless it was among the arguments of `workflow.continue_as_new(...)`",
        ]

    def _awaits(self, run: Run) -> list[list[str]]:
        return awaits_of_workflow(self.workers.tasks_of(run.run_id))

    def _activity(self, activity: Activity) -> str:
        if activity.is_started:
            return _started(activity)
        if activity.pause is not None:
            return f"its activity {_name(activity)} is paused{_by(activity.pause)}"
        if activity.run.is_paused:
            return f"its activity {_name(activity)} waits for the end of the pause"
        name = activity.scheduled.task_queue.name
        told = f"its activity {_name(activity)} waits on {self._queue(name, _ACTIVITY)}"
        cluster = self.keeper.service.cluster
        queue = cluster.queues.existing(activity.run.namespace.name, name, _ACTIVITY)
        if queue is not None and queue.rate.source == RateLimitSource.RATE_LIMIT_SOURCE_WORKER:
            told += f", of which workers want at most {queue.rate.per_second:g} tasks a second"
        return told

    def _nexus_operation(self, operation: NexusOperation) -> str:
        told = f"its Nexus operation {operation.name!r}"
        for task in self.keeper.service.cluster.started_nexus_tasks.values():
            if task.operation is operation:
                return f"{told} is with worker {task.identity!r}, which has not answered"
        if operation.is_started:
            return f"{told} has begun, and its handler has not reported its end"
        endpoint = operation.endpoint()
        if endpoint is None or not endpoint.spec.target.HasField("worker"):
            return f"{told} has an endpoint outside of the simulation, which is never called"
        return f"{told} waits on {self._queue(endpoint.spec.target.worker.task_queue, _NEXUS)}"

    def _queue(self, name: str, kind: int) -> str:
        """A task queue with the reason why nobody takes its tasks, if there is one."""
        workers = [worker for worker in self.workers.workers if worker.task_queue == name]
        running = [worker for worker in workers if not worker.has_stopped]
        told = f"task queue {name!r}"
        if running:
            worker = running[0]
            known: dict[int, tuple[tuple[str, ...], str]] = {
                _WORKFLOW: (worker.workflows, "workflows"),
                _ACTIVITY: (worker.activities, "activities"),
                _NEXUS: (worker.nexus_services, "`nexus_service_handlers`"),
            }
            types, said = known[kind]
            return told if types else f"{told}, whose worker was started without {said}"
        if any(worker.was_killed and not worker.is_replaced for worker in workers):
            return f"{told}, whose worker was killed: only one of `sim.worker(...)` is replaced"
        if workers:
            return f"{told}, whose worker has stopped"
        polled = [worker.task_queue for worker in self.workers.workers if not worker.has_stopped]
        return f"{told}, which no worker polls.{similar(name, polled)}"


def _skips(schedule: Schedule) -> bool:
    return bool(schedule.info.overlap_skipped and schedule.info.running_workflows)


def _busy(schedule: Schedule) -> str:
    """A schedule whose times come and come."""
    info = schedule.info
    workflows = "1 workflow" if info.action_count == 1 else f"{info.action_count} workflows"
    told = f"  schedule {schedule.id!r} goes on and on: it has started {workflows}"
    if info.overlap_skipped:
        told += f" and skipped {info.overlap_skipped} actions"
    if _skips(schedule):
        told += f", because {info.running_workflows[0].workflow_id!r} has not ended"
    return told


def _why_idle(schedule: Schedule) -> str:
    state = schedule.schedule.state
    if state.paused:
        return f"is paused: {state.notes}" if state.notes else "is paused"
    if schedule.waiting:
        running = schedule.info.running_workflows[0].workflow_id
        return f"has actions that wait until {running!r} has ended"
    if not schedule.may_act:
        return "may not act any more: all its actions are used up"
    return "names no time any more"


def indented(chain: list[str]) -> list[str]:
    """Lines of code, each called by the one before."""
    return ["  " * depth + line for depth, line in enumerate(chain)]


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= _MOST:
        return lines
    return [*lines[:_MOST], f"  and {len(lines) - _MOST} more"]


_KINDS: dict[int, str] = {
    _WORKFLOW: "workflow task",
    _ACTIVITY: "activity task",
    _NEXUS: "Nexus task",
}


def _attempt(attempt: RunningAttempt) -> str:
    if attempt.is_nexus:
        return f"a handler of the Nexus operation {attempt.activity_type!r}"
    return (
        f"activity {attempt.activity_type!r} of workflow {attempt.workflow_id!r} "
        f"(attempt {attempt.number})"
    )


def _name(activity: Activity) -> str:
    return repr(activity.scheduled.activity_type.name)


def _by(pause: Pause) -> str:
    """Who paused something and why, as far as that is known."""
    who = f" by {pause.identity!r}" if pause.identity else ""
    return f"{who}: {pause.reason}" if pause.reason else who


def _started(activity: Activity) -> str:
    return (
        f"activity {activity.scheduled.activity_type.name!r} (attempt {activity.attempt}) is with "
        f"worker {activity.identity!r}, which has not reported its end"
    )


def _handled(task: NexusTask) -> str:
    return (
        f"Nexus operation {task.operation.name!r} of workflow {task.workflow_id!r} is with worker "
        f"{task.identity!r}, which has not answered"
    )


def _nexus_services(worker: KnownWorker) -> str:
    """Told only of workers that have some."""
    services = worker.nexus_services
    return f"; Nexus services {listed(services)}" if services else ""
