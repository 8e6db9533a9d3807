"""What a simulation says when it makes no sense to wait any longer."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest, QueryWorkflowResponse

from timeskip.clock import ManualClock, Nanoseconds, datetime_of
from timeskip.errors import SimulationStalled, SimulationStuck
from timeskip.lanes.alarms import Alarms
from timeskip.lanes.awaits import lines_of_test_in, lines_of_thread
from timeskip.lanes.interruption import interrupt, places_of, test_on
from timeskip.lanes.news import may_have_news
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.calls import Answer, Call
from timeskip.server.rpcs import WORKFLOW_SERVICE
from timeskip.situation import STACK_TRACE_QUERY, Situation
from timeskip.stall import MANY_RUNS, Stall

if TYPE_CHECKING:
    from timeskip.server.run import Run

#: Real seconds for which a test that is stuck may still be saved by something outside the
#: simulation: a timer of its own, a socket, a thread.
_PATIENCE = 5.0
_PAUSE = 0.05

#: Real seconds to wait for the stack traces of workflows in other processes.
_STACK_TRACE_SECONDS = 3.0

_SIGNALS = """\
A workflow that waits for a signal needs one: send it before the test waits for the result, or let
`sim.at(...)` send it at its time."""

_LARGER = """\
If that may take so long, give the simulation a larger `stall_timeout` (in pytest's settings:
`timeskip_stall_timeout`)."""

_NO_WORKERS = """\
  none was started: use `async with sim.worker(workflows=[...], activities=[...]):`"""


class Diagnostician:
    """Ends the waits of a test that would never end by themselves, and says why."""

    def __init__(
        self, keeper: TimeKeeper, alarms: Alarms, situation: Situation, stall_timeout: timedelta
    ) -> None:
        self._keeper = keeper
        self._alarms = alarms
        self._situation = situation
        self._stall_timeout = stall_timeout
        self._serves_others = False
        self._stuck_since: float | None = None
        self._events_seen = -1
        self._has_told_of_stall = False
        #: The events that there were when tests were found to be idle, and whether they were so for
        #: longer than anybody is willing to wait.
        self._idle_at = -1
        self._is_tired = False
        self._examination: asyncio.Task[None] | None = None

    def begin(self, *, serves_others: bool) -> None:
        """Be told of what may go wrong. `serves_others`: another process may make things happen."""
        self._serves_others = serves_others
        self._keeper.on_stuck = self.stuck
        self._keeper.on_idle = self.idle
        self._keeper.is_stopping = self._situation.workers.is_stopping
        self._keeper.is_kept_from_stopping = self._is_kept_from_stopping

    # -- stuck --------------------------------------------------------------------------------

    def stuck(self) -> None:
        """Nothing is due. End the waits, unless something outside may still bring news."""
        if self._examination is not None and not self._examination.done():
            return
        now = self._keeper.loop.time()
        if self._stuck_since is None or self._alarms.events != self._events_seen:
            self._stuck_since, self._events_seen = now, self._alarms.events
        if now - self._stuck_since < _PATIENCE and self._may_be_saved():
            self._keeper.loop.call_later(_PAUSE, self._keeper.notice)
            return
        self._stuck_since = None
        self._examination = self._keeper.loop.create_task(self._examine())

    def idle(self, due: Nanoseconds | None) -> bool:
        """Tests wait, but not for time, and only the simulation could wake them.

        Ends their waits if something has gone wrong of which they have not heard, or if nothing can
        happen any more. Returns whether nothing is to happen any more.
        """
        may_go_on = due is not None or (self._serves_others and not self._is_tired)
        if due is None:
            self._idle_at = self._alarms.events
        if may_go_on and not self._alarms.is_anything_unheard:
            return False
        tests = [test for idle in self._keeper.loops.idle if (test := test_on(idle.loop))]
        # Where a test has just ended there is nobody to hear of it.
        error = self._alarms.take_pending() if tests else None
        if error is None and may_go_on:
            return False
        for test in tests:
            interrupt(test, error or self._idle_error(places_of(test)))
        self._is_tired = False
        return True

    def is_idle(self) -> bool:
        """Whether tests were found to be idle, and nothing has happened since."""
        return self._idle_at == self._alarms.events

    def _may_be_saved(self) -> bool:
        if self._waits_for_advance():  # another task of the test may do it
            return True
        if any(may_have_news(loop, _PATIENCE) for loop in self._keeper.loops.open()):
            return True
        cluster = self._keeper.service.cluster
        calls = [*cluster.time_waits, *cluster.open_queries(), *cluster.sleeping_calls]
        # Its caller gives up by then.
        return any(call.timeout is not None and call.timeout <= _PATIENCE for call in calls)

    def _waits_for_advance(self) -> bool:
        is_manual = isinstance(self._keeper.clock, ManualClock)
        return is_manual and self._keeper.service.next_due() is not None

    async def _examine(self) -> None:
        """Look closer, which takes some time if workflows run elsewhere, and speak."""
        stack_traces = await self._stack_traces()
        has_due = self._keeper.service.next_due() is not None and not self._waits_for_advance()
        if has_due or self._keeper.holds.count or not self._keeper.is_waited_for():
            # Things have changed meanwhile.
            self._keeper.notice()
            return
        stuck = self._alarms.of_others() or SimulationStuck(self._stuck_text(stack_traces))
        self._alarms.raise_everywhere(stuck)

    def _stuck_text(self, stack_traces: dict[str, str]) -> str:
        waits = _joined(self._situation.waits())
        return self._text(f"the test waits for {waits}, which can no longer happen.", stack_traces)

    def _idle_error(self, places: list[str]) -> Exception:
        waits = "\n".join(["the test waits at", *(f"  {place}" for place in places)])
        if not self._is_tired:
            end = "nothing can happen any more that would end this."
            return SimulationStuck(self._text(f"{waits}\nand {end}", {}))
        end = f"for {self._seconds()} of real time nothing has happened that would end this."
        return SimulationStalled("\n\n".join([self._text(f"{waits}\nand {end}", {}), _LARGER]))

    def _text(self, what: str, stack_traces: dict[str, str]) -> str:
        situation = self._situation
        if self._waits_for_advance():
            due = self._keeper.service.next_due()
            assert due is not None
            why = (
                f"The clock is manual and stands at {situation.now()}.\n"
                f"Something is due at {datetime_of(due):%Y-%m-%d %H:%M:%S} UTC: call "
                "`await sim.advance(...)` meanwhile, in another task."
            )
        elif self._keeper.clock.ends_before_next_due:
            why = (
                f"Virtual time stands at {situation.now()}.\n"
                "What is due next is so after the year 9999, where time ends."
            )
        else:
            why = (
                f"Virtual time stands at {situation.now()}.\n"
                "No timer, timeout or retry is due, and no worker has anything to do."
            )
        runs = situation.runs(stack_traces)
        parts = [
            what,
            why,
            _section("Open workflows:", runs),
            _SIGNALS if situation.some_await_only_news() else "",
            _section("Schedules:", situation.schedules()),
            _section("Workers:", situation.known_workers(), _NO_WORKERS),
        ]
        return "\n\n".join(filter(None, parts))

    def _is_kept_from_stopping(self) -> bool:
        activities = self._situation.workers.activities_of_stopping()
        return bool(activities) and self._situation.activities.are_parked(activities)

    # -- stalled ------------------------------------------------------------------------------

    def stalled(self, stall: Stall) -> None:
        """Nothing has come of what goes on, for as long as the test is willing to wait."""
        if stall == "idle":
            self._is_tired = True
            self._keeper.notice()
            return
        if stall != "stopping" or not self._has_told_of_stall:
            # That a worker cannot stop follows from what kept the test waiting before.
            self._alarms.raise_everywhere(SimulationStalled(self._stalled_text(stall)))
        self._has_told_of_stall = True
        for activity in self._situation.workers.activities_of_stopping():
            self._situation.activities.end(activity)
        self._situation.workers.abandon_stopping()

    def standstill(self) -> SimulationStalled:
        """Something blocks the loop that the simulation lives on."""
        places = [f"  {line}" for line in lines_of_thread(self._keeper.thread_id)]
        return SimulationStalled(
            f"for {self._seconds()} of real time the event loop that the simulation lives on has "
            "been blocked, while another thread waits for it.\n\n"
            f"{_section('It stands at', places, '  a place that could not be found')}\n\n"
            "Let it run meanwhile, with `await asyncio.to_thread(...)` around what blocks. Or take "
            '`lane="wire"`, whose\nservice has a thread of its own.'
        )

    def block(self, thread: int) -> SimulationStalled:
        """Something blocks the event loop of the test, which runs in that thread."""
        places = [f"  {line}" for line in lines_of_test_in(thread)]
        stalled = SimulationStalled(
            f"for {self._seconds()} of real time the event loop of the test has been blocked.\n\n"
            f"{_section('It stands at', places, '  a place that could not be found')}\n\n"
            "Await what it waits for, or put `await asyncio.to_thread(...)` around what blocks.\n"
            f"{_LARGER}"
        )
        # Whoever blocks may take the interruption for a failure, and go on.
        self._keeper.loop.call_soon_threadsafe(self._alarms.end_waits, stalled)
        return stalled

    def _seconds(self) -> str:
        number = self._stall_timeout.total_seconds()
        return f"{number:g} second" + ("s" if number != 1 else "")

    def _stalled_text(self, stall: Stall) -> str:
        situation = self._situation
        seconds = self._seconds()
        if stall == "polling":
            return (
                f"for {seconds} of real time the test has asked again and again, and "
                "nothing has happened in any workflow.\n\n"
                f"Virtual time stands at {situation.now()}, because nobody waits for it. "
                "Wait for a result, or with\n`await sim.sleep(...)` or `await sim.run_until(...)`."
            )
        waits = _joined(situation.waits()) if stall != "stopping" else "a worker to stop"
        if stall == "continuing":
            return (
                f"for {seconds} of real time the test has waited for {waits}, and there is no end in "
                f"sight.\n\nVirtual time passes and has reached {situation.now()}. What goes on:\n"
                + "\n".join(situation.chains(MANY_RUNS))
                + f"\n\n{_LARGER}"
            )
        if stall == "circling":
            why = _section(
                f"Virtual time passes and has reached {situation.now()}. What goes on:",
                situation.rounds(),
                "  nothing that leaves a trace",
            )
        else:
            why = _section(
                f"Virtual time stands at {situation.now()} while something real goes on:",
                situation.work(),
                "  nothing that could be found",
            )
        if stall == "waiting" and situation.works_in_activities():
            why += (
                "\n\nAn activity that goes on until it is cancelled has to heartbeat, or to wait for "
                "that by `time.sleep`,\n`activity.wait_for_cancelled_sync` or `asyncio`: all else "
                "that it does is work, for which time stands still."
            )
        return (
            f"for {seconds} of real time nothing has happened in any workflow, while the "
            f"test waits for {waits}.\n\n{why}\n\n{_LARGER}"
        )

    # -- workflows in other processes ---------------------------------------------------------

    async def _stack_traces(self) -> dict[str, str]:
        """Where workflows stand, as their workers answer the `__stack_trace` query."""
        asked = {
            run.run_id: self._ask(run)
            for run in list(self._keeper.service.cluster.runs.values())
            if run.is_open
            and run.last_completed_started_id
            and run.workflow_task is None
            and not run.stands_still
            and self._is_served(run)
            and not self._situation.workers.tasks_of(run.run_id)
        }
        if asked:
            await asyncio.wait(asked.values(), timeout=_STACK_TRACE_SECONDS)
        return {
            run_id: _stack_of(future.result())
            for run_id, future in asked.items()
            if future.done() and not future.cancelled()
        }

    def _is_served(self, run: Run) -> bool:
        """Whether a worker waits for something to do for this workflow."""
        names = (run.sticky_queue, run.task_queue)
        queues = self._keeper.service.cluster.queues
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        found = (queues.existing(run.namespace.name, name, kind) for name in names)
        return any(queue is not None and queue.polls for queue in found)

    def _ask(self, run: Run) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._keeper.loop.create_future()

        def deliver(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        request = QueryWorkflowRequest(
            namespace=run.namespace.name,
            execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
            query=WorkflowQuery(query_type=STACK_TRACE_QUERY),
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


def _section(title: str, lines: list[str], otherwise: str = "") -> str:
    lines = lines or ([otherwise] if otherwise else [])
    return "\n".join([title, *lines]) if lines else ""


def _joined(names: list[str]) -> str:
    return " and ".join(names) if names else "something"
