"""What a simulation says when nothing can happen any more: who waits for what, and why in vain."""

from __future__ import annotations

import asyncio
import difflib
import json
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest, QueryWorkflowResponse

from timeskip.clock import datetime_of
from timeskip.errors import SimulationStuck
from timeskip.lanes.alarms import Alarms
from timeskip.lanes.awaits import awaits_of
from timeskip.lanes.quiescence import may_have_news
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.lanes.worker_registry import WorkerRegistry
from timeskip.server.calls import Answer, Call
from timeskip.server.rpcs import WORKFLOW_SERVICE

if TYPE_CHECKING:
    from timeskip.server.activities import Activity
    from timeskip.server.matching import TaskQueue
    from timeskip.server.run import Run

#: Real seconds for which a test that is stuck may still be saved by something outside the
#: simulation: a timer of its own, a socket.
_PATIENCE = 5.0
_PAUSE = 0.05

#: Real seconds to wait for the workflows' own stack traces.
_STACK_TRACE_SECONDS = 3.0

_KINDS = {
    TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW: "workflow task",
    TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY: "activity task",
}


class Diagnostician:
    """Is called when somebody waits and nothing is due."""

    def __init__(self, keeper: TimeKeeper, workers: WorkerRegistry, alarms: Alarms) -> None:
        self._keeper = keeper
        self._workers = workers
        self._alarms = alarms
        self._stuck_since: float | None = None
        self._events_seen = -1
        self._examination: asyncio.Task[None] | None = None

    def stuck(self) -> None:
        """Nothing is due. End the waits, unless something outside may still bring news."""
        if self._examination is not None and not self._examination.done():
            return
        if self._alarms.end_doomed_waits():
            return
        now = self._keeper.loop.time()
        events = sum(run.state_transitions for run in self._keeper.service.cluster.runs.values())
        if self._stuck_since is None or events != self._events_seen:
            self._stuck_since, self._events_seen = now, events
        if now - self._stuck_since < _PATIENCE and any(
            may_have_news(loop, _PATIENCE) for loop in self._keeper.loops.open()
        ):
            self._keeper.loop.call_later(_PAUSE, self._keeper.notice)
            return
        self._stuck_since = None
        self._examination = self._keeper.loop.create_task(self._examine())

    async def _examine(self) -> None:
        stacks = await self._stack_traces()
        if self._keeper.service.next_due() is not None:
            return
        self._alarms.raise_everywhere(SimulationStuck(self.describe(stacks)))

    def describe(self, stacks: dict[str, str]) -> str:
        """The whole picture. `stacks` are workflow stack traces by run id."""
        cluster = self._keeper.service.cluster
        lines = [
            "the test waits for something that can no longer happen.",
            "",
            f"Virtual time stands at {datetime_of(self._keeper.clock.now()):%Y-%m-%d %H:%M:%S} UTC: "
            "no timer, timeout or retry is due, and no worker has anything to do.",
        ]
        queues = [line for queue in cluster.queues.waiting() for line in self._unpolled(queue)]
        if queues:
            lines += ["", "Tasks that nobody takes:", *queues]
        lines += ["", "Open runs:"]
        runs = [run for run in cluster.runs.values() if run.is_open]
        for run in runs:
            lines += self._run(run, stacks.get(run.run_id, ""))
        if not runs:
            lines.append("  none")
        lines += ["", "Workers of this process:"]
        for worker in self._workers.workers:
            lines.append(
                f"  on {worker.task_queue!r}: workflows {_listed(worker.workflows)}; "
                f"activities {_listed(worker.activities)}"
            )
        if not self._workers.workers:
            lines.append("  none was started")
        return "\n".join(lines)

    def _unpolled(self, queue: TaskQueue) -> list[str]:
        count = len(queue.tasks)
        kind = _KINDS.get(queue.kind, "task") + ("s" if count > 1 else "")
        waits = "wait" if count > 1 else "waits"
        told = f"  {count} {kind} {waits} on {queue.name!r}, which no worker polls."
        polled = sorted({worker.task_queue for worker in self._workers.workers})
        similar = difflib.get_close_matches(queue.name, polled, 1)
        if similar and similar[0] != queue.name:
            told += f" Did you mean {similar[0]!r}?"
        return [told]

    def _run(self, run: Run, stack: str) -> list[str]:
        lines = [f"  {run.workflow_id!r} ({run.workflow_type}, run {run.run_id})"]
        if run.stands_still:
            lines.append("    given up, because it failed before as the test was told")
        elif run.workflow_task is not None:
            queue = run.sticky_queue or run.task_queue
            lines.append(f"    its workflow task waits on {queue!r}")
        for activity in run.activities.values():
            lines.append(f"    {_activity(activity)}")
        if run.timers:
            lines.append(f"    timers: {', '.join(run.timers)}")
        places = awaits_of(run.run_id)
        if places or stack:
            lines.append("    waits at:")
            lines += [f"      {line}" for line in places or stack.splitlines()]
        return lines

    async def _stack_traces(self) -> dict[str, str]:
        """Where the workflows stand, from the workers themselves, as the `__stack_trace` query tells."""
        cluster = self._keeper.service.cluster
        asked: dict[str, asyncio.Future[Answer]] = {}
        for run in list(cluster.runs.values()):
            if awaits_of(run.run_id):
                continue
            if run.is_open and run.last_completed_started_id and run.workflow_task is None:
                asked[run.run_id] = self._ask(run)
        if asked:
            await asyncio.wait(asked.values(), timeout=_STACK_TRACE_SECONDS)
        return {
            run_id: _stack_of(future.result())
            for run_id, future in asked.items()
            if future.done() and not future.cancelled()
        }

    def _ask(self, run: Run) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._keeper.loop.create_future()

        def deliver(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        request = QueryWorkflowRequest(
            namespace=run.namespace.name,
            execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
            query=WorkflowQuery(query_type="__stack_trace"),
        )
        self._keeper.service.handle(
            Call(
                f"{WORKFLOW_SERVICE}/QueryWorkflow", request, deliver, timeout=_STACK_TRACE_SECONDS
            )
        )
        return future


def _stack_of(answer: Answer) -> str:
    if not isinstance(answer, QueryWorkflowResponse) or not answer.query_result.payloads:
        return ""
    try:
        text = json.loads(answer.query_result.payloads[0].data)
    except ValueError:  # encoded by the user's own converter
        return ""
    return text if isinstance(text, str) else ""


def _activity(activity: Activity) -> str:
    name = activity.scheduled.activity_type.name
    queue = activity.scheduled.task_queue.name
    if activity.is_started:
        return (
            f"activity {name!r} (attempt {activity.attempt}) is with worker "
            f"{activity.identity!r}, which has not reported its end"
        )
    return f"activity {name!r} waits for a worker of {queue!r}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "none"
