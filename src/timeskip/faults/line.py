"""The line between lanes and service: every call and every answer comes by here.

It stands between the two only while a simulation records its crash points or has faults. The service
knows nothing of it. What a fault does to a call happens while the service is idle, never in the
middle of a change of its own.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Container
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from google.protobuf.message import Message
from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
    ShutdownWorkerResponse,
)

from timeskip.clock import Nanoseconds, duration_nanoseconds
from timeskip.errors import FaultImpossible
from timeskip.faults.crash_points import CrashPoint, CrashPoints, is_crash_point
from timeskip.faults.crossings import (
    AnswerCrossing,
    InstantCrossing,
    RequestCrossing,
    broken_connection,
    empty_answer,
)
from timeskip.faults.durations import duration_text, parse_duration
from timeskip.faults.held_tasks import BusyWorkers, HeldTasks
from timeskip.faults.killers import Killer
from timeskip.faults.late_arrivals import LateArrivals
from timeskip.faults.passage import Passage
from timeskip.faults.places import ACTIVITY_REPORTS, Place, Places
from timeskip.faults.refusals import Refusals
from timeskip.faults.rules import Rule
from timeskip.lanes.alarms import Alarms
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.calls import Answer, Call
from timeskip.server.errors import ServiceError
from timeskip.server.rpcs import WORKFLOW_SERVICE

_POLLS = frozenset({"PollWorkflowTaskQueue", "PollActivityTaskQueue", "PollNexusTaskQueue"})

#: The calls that a worker makes under its own name.
_WORKERS = _POLLS | {
    "RespondWorkflowTaskCompleted",
    "RespondWorkflowTaskFailed",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
    "RespondActivityTaskCanceled",
    "RespondNexusTaskCompleted",
    "RespondNexusTaskFailed",
    "RespondQueryTaskCompleted",
    "RecordActivityTaskHeartbeat",
    "RecordWorkerHeartbeat",
    "ShutdownWorker",
    "UpdateNexusEndpoint",
}

#: What changes nothing, so that a restart before it is none before the next; and how a test sets up
#: its endpoints, which SDKs do not try again.
_QUIET = _POLLS | {
    "CreateNexusEndpoint",
    "DeleteNexusEndpoint",
    "DescribeNamespace",
    "GetNexusEndpoint",
    "GetSystemInfo",
    "GetWorkflowExecutionHistory",
    "ListNexusEndpoints",
    "RecordWorkerHeartbeat",
    "ShutdownWorker",
}


@dataclass
class _Polls:
    """Those of a worker that gets no more tasks, which are open until its core ends."""

    polls: list[Call]
    stops: bool = False

    def keep(self, poll: Call) -> None:
        """Answer a poll when it is time for that."""
        if self.stops:
            poll.respond(empty_answer(poll.rpc.rpartition("/")[2]))
        else:
            self.polls.append(poll)

    def stop(self) -> None:
        """The core ends, so its polls have to."""
        self.stops = True
        polls, self.polls = self.polls, []
        for poll in polls:
            self.keep(poll)


class FaultLine:
    """Names what comes by, and lets rules decide how it goes on.

    Everything happens where the simulation's clock runs.
    """

    def __init__(self, keeper: TimeKeeper, start: Nanoseconds, alarms: Alarms) -> None:
        self._keeper = keeper
        self._start = start
        self._alarms = alarms
        self.held = HeldTasks(keeper)
        self.busy = BusyWorkers(self.held)
        self.late = LateArrivals(keeper)
        self._refusals = Refusals(keeper, self._is_given_up)
        #: Who has power over workers; the first that knows a worker is asked.
        self.killers: list[Killer] = []
        #: The places at which a workflow was handed out whole, to a worker that had lost it.
        self.replays: list[CrashPoint] = []
        #: In the order in which they are asked.
        self.rules: list[Rule] = []
        self.crash_points = CrashPoints()
        #: Tokens of activities that no worker has any more, and that a client will complete.
        self.given_away: Container[bytes] = ()
        #: Whether a rule may apply to calls as such, which are no crash points.
        self._names_calls = False
        self._places = Places(keeper.service.cluster)
        self._calls_of: Counter[str] = Counter()
        self._requests = 0
        #: Workers that were killed, as long as something of them may still call.
        self._dead: dict[str, _Polls] = {}
        #: Workers that shut down because a fault wants it.
        self._leaving: dict[str, _Polls] = {}
        self._partitions: dict[str, Nanoseconds] = {}
        #: Until when workers are stopped.
        self._stopped: dict[str, Nanoseconds] = {}
        self._askers_of_queries: dict[bytes, str] = {}
        keeper.carry = self.carry

    # -- what comes by ------------------------------------------------------------------------

    def carry(self, call: Call) -> None:
        """Bring a call to the service, and its answer back, unless a rule has it otherwise."""
        method = call.rpc.rpartition("/")[2]
        worker = self._worker_of(method, call.request)
        if worker in self._dead:
            self._refuse_dead(self._dead[worker], method, call)
            return
        leaving = self._leaving.get(worker)
        if leaving is not None and method in _POLLS:
            leaving.keep(call)
            return
        if method == "ShutdownWorker":
            self._stop(worker, call)
            if leaving is not None:
                leaving.stop()
            return
        places = self._places.of_request(call.request)
        points = [place.point(place.before) for place in places]
        if method not in _POLLS:
            points += self._points_of_call(method)
        self.decide(RequestCrossing(self, call, worker, places, points))

    def add_killer(self, killer: Killer) -> None:
        """Give faults power over further workers."""
        self.killers.append(killer)

    def add(self, rule: Rule) -> None:
        """Ask a rule, too, after those that there are."""
        self.rules.append(rule)
        self._names_calls |= not isinstance(rule.at, str) or rule.at.startswith(("rpc", "*"))
        if isinstance(rule.at, str) and rule.at.startswith("time:"):
            due = self._start + duration_nanoseconds(parse_duration(rule.at[len("time:") :]))
            self._keeper.clock.schedule(
                max(due, self._keeper.clock.now()), partial(self._instant, rule), in_order=True
            )
            self._keeper.notice()

    def places_of_local_activity(
        self, run_id: str, activity_type: str, activity_id: str, *, begins: bool
    ) -> list[Place]:
        """The names of a local activity; none if its run is not known."""
        return self._places.of_local_activity(run_id, activity_type, activity_id, begins=begins)

    def forward(self, request: RequestCrossing) -> None:
        """Hand a request to the service, and let its answer come by."""
        call = request.call
        self._refusals.arrived(call)
        answered: list[Answer] = []
        is_handled = False

        def take(answer: Answer) -> None:
            if not is_handled:
                answered.append(answer)
                return
            # The service is in the middle of something else. Until it is done no time may pass.
            hold = self._keeper.holds.take("an answer is on its way")

            def pass_on() -> None:
                self._answered(request, answer, deliver)
                hold.release()

            self.soon(pass_on)

        deliver = call.redirect(take)
        self._keeper.service.handle(call)
        is_handled = True
        if answered:
            self._answered(request, answered[0], deliver)

    def _answered(
        self, request: RequestCrossing, answer: Answer, deliver: Callable[[Answer], None]
    ) -> None:
        places = list(request.places)
        points = [place.point(place.after) for place in places]
        for place in places:
            cache = self._places.cache_of(place)
            if cache is not None:
                points.append(cache.point(""))
        for task in self._places.of_tasks(answer):
            places.append(task)
            points.append(task.point("before-start"))
        if request.method in _POLLS:
            self._note_query(request.worker, answer)
            self._note_replay(answer)
            if request.worker in self._stopped:
                self._lay_down_query_of(answer)
            self.busy.handed_out(request.worker, answer)
            if not points:
                deliver(answer)
                return
        elif self._names_calls:
            points.append(self._rpc_point(request.method, "response"))
        if request.worker in self._dead:
            # It was killed while the answer was on its way.
            AnswerCrossing(request, answer, deliver, places, points).forget()
            return
        self.decide(AnswerCrossing(request, answer, deliver, places, points))

    def decide(self, passage: Passage) -> None:
        """Let the first rule that applies say how something goes on."""
        for point in passage.points:
            if is_crash_point(point) and (passage.worker or point.kind == "server-restart"):
                self.crash_points.add(point)
        if self.is_cut_off(passage.worker):
            passage.delay(timedelta(microseconds=-(-self._cut_off_for(passage.worker) // 1000)))
            return
        for rule in self.rules:
            if rule.match(passage.points) is not None:
                if rule.times is not None:
                    self._alarms.excused_attempts += 1
                self._act(rule, passage)
                return
        passage.go_on()

    def _act(self, rule: Rule, passage: Passage) -> None:
        try:
            rule.verdict.act(passage)
        except FaultImpossible as error:
            if rule.optional:
                rule.acted_at.pop()
            else:
                self._alarms.raise_everywhere(error)
            passage.go_on()

    def _instant(self, rule: Rule) -> None:
        name = f"time:{duration_text(self.elapsed())}"
        point = CrashPoint(name, name, "time", "", time=self._keeper.clock.now())
        workers = self._workers()
        if rule in self.rules:
            rule.acted_at.append(point)
            self._act(rule, InstantCrossing(self, workers[0] if workers else "", point))

    def elapsed(self) -> timedelta:
        """Virtual time since the start of the simulation."""
        return timedelta(microseconds=(self._keeper.clock.now() - self._start) // 1000)

    # -- what verdicts do ---------------------------------------------------------------------

    def kill(self, worker: str, restart_after: timedelta | None) -> None:
        """A worker is gone: nothing that comes from it reaches the service any more."""
        killer = self._killer_of(worker)
        self._dead[worker] = _Polls(self._take_back_polls(worker))
        self.late.worker_dies(worker)
        self.busy.worker_dies(worker)
        self.held.lay_down_all(worker)
        for token in self._queries_with(worker):
            del self._askers_of_queries[token]
            self.held.lay_down(token)
        hold = self._keeper.holds.take(f"worker {worker!r}, which was killed, is taken down")

        def taken_down() -> None:
            self._dead.pop(worker, None)
            hold.release()

        killer.kill(worker, restart_after, lambda: self.soon(taken_down))

    def is_dead(self, worker: str) -> bool:
        """Whether a worker was killed, and is not yet taken down."""
        return worker in self._dead

    def kill_all(self, restart_after: timedelta | None) -> None:
        """All workers are gone."""
        for worker in self._workers():
            self.kill(worker, restart_after)

    def evict(self, worker: str, run_id: str) -> None:
        """A worker loses a workflow that it has cached."""
        self._killer_of(worker).evict(worker, run_id)

    def terminate(self, worker: str, restart_after: timedelta | None) -> None:
        """A worker shuts down: it gets no more tasks, but gives in what it has."""
        killer = self._killer_of(worker)
        if worker in self._leaving:
            return
        polls = self._take_back_polls(worker)
        self._leaving[worker] = _Polls(polls)
        for poll in polls:
            self._close_sticky_queue(poll.request)

        def has_left() -> None:
            self._leaving.pop(worker, None)

        killer.terminate(worker, restart_after, lambda: self.soon(has_left))

    def stop(self, worker: str, length: Nanoseconds) -> None:
        """A worker hangs for a while: what it is sent lies there, and what it has is late."""
        killer = self._killer_of(worker)
        if not killer.stop(worker):
            self.partition(worker, length)
            return
        for token in self._queries_with(worker):
            self.held.lay_down(token)
        due = self._stopped[worker] = self._keeper.clock.now() + length

        def go_on() -> None:
            if self._stopped.get(worker) == due:
                del self._stopped[worker]
                for token in self._queries_with(worker):
                    self.held.take_up(token)
                killer.go_on(worker)

        self._keeper.clock.schedule(due, go_on, in_order=True)

    def partition(self, worker: str, length: Nanoseconds) -> None:
        """Nothing gets through between a worker and the service for a while."""
        self._partitions[worker] = self._keeper.clock.now() + length
        # Even if nothing is on its way, from then on the worker takes tasks again.
        self.late.after(length, _nothing, worker, _nothing)
        for poll in self._take_back_polls(worker):
            again = partial(self._keeper.service.handle, poll)
            self.hold_back(poll, length, again, worker)

    def is_cut_off(self, worker: str) -> bool:
        """Whether a worker does not reach the service just now."""
        return self._partitions.get(worker, 0) > self._keeper.clock.now()

    def restart_server(self) -> None:
        """The service begins again with what it had stored."""
        self._keeper.service.restart(broken_connection())

    def ask(self, method: str, request: Message) -> None:
        """Make a call of the fault's own."""
        self._keeper.service.handle(Call(f"{WORKFLOW_SERVICE}/{method}", request, _ignore))
        self._keeper.notice()

    def is_late(self, call: Call, delay: Nanoseconds) -> None:
        """A call or its answer takes virtual time. An activity does not wait for its heartbeats."""
        self.held.wait_for_history(call.request, delay)
        if isinstance(call.request, RecordActivityTaskHeartbeatRequest):
            self._keeper.heartbeats.is_late(call.request)

    def is_refused(self, call: Call, error: ServiceError) -> None:
        """A call fails, and may be made again."""
        self._refusals.refused(call, error)

    def repeat(self, call: Call) -> None:
        """Let the service have a request again."""
        request = type(call.request)()
        request.CopyFrom(call.request)
        self._keeper.service.handle(Call(call.rpc, request, _ignore, timeout=call.timeout))

    def hold_back(
        self, call: Call, delay: Nanoseconds, arrive: Callable[[], None], worker: str
    ) -> None:
        """Have a call go on after some virtual time, unless its caller has gone by then."""
        given_up = False

        def give_up() -> None:
            nonlocal given_up
            given_up = True

        def go_on() -> None:
            if not (given_up or call.answered):
                call.on_cancel = None
                arrive()

        method = call.rpc.rpartition("/")[2]
        call.on_cancel = give_up
        self.late.after(delay, go_on, worker, lambda: call.respond(empty_answer(method)))

    def soon(self, action: Callable[[], None]) -> None:
        """Do something when the service is idle. For any thread."""
        keeper = self._keeper
        is_here = threading.get_ident() == keeper.thread_id
        schedule = keeper.loop.call_soon if is_here else keeper.loop.call_soon_threadsafe
        with contextlib.suppress(RuntimeError):  # the simulation has ended before
            # Not in the context of an activity, which may be that of a worker that was killed.
            schedule(action, context=Context())

    # -- inside -------------------------------------------------------------------------------

    def _killer_of(self, worker: str) -> Killer:
        for killer in self.killers:
            if worker in killer.workers():
                return killer
        raise FaultImpossible(
            f"no fault can befall worker {worker!r}: it is none of this simulation's own, or is "
            "shutting down"
        )

    def _queries_with(self, worker: str) -> list[bytes]:
        """The tokens of the queries that a worker has."""
        return [token for token, asker in self._askers_of_queries.items() if asker == worker]

    def _lay_down_query_of(self, answer: Answer) -> None:
        if isinstance(answer, PollWorkflowTaskQueueResponse) and answer.HasField("query"):
            self.held.lay_down(answer.task_token)

    def _is_given_up(self, call: Call, error: ServiceError) -> None:
        """A worker does not make a call again: nobody reports on the task that it was about."""
        if not isinstance(call.request, RecordActivityTaskHeartbeatRequest):
            self.held.lay_down(getattr(call.request, "task_token", b""))
        else:
            self._keeper.heartbeats.answered(call.request, error)

    def _stop(self, worker: str, call: Call) -> None:
        """A worker stops. No fault keeps it from that, but the service may learn of it late."""
        if self.is_cut_off(worker):
            call.respond(ShutdownWorkerResponse())
            self.late.after(self._cut_off_for(worker), partial(self.repeat, call), worker, _nothing)
        else:
            self._keeper.service.handle(call)
        self.late.worker_stops(worker)

    def _cut_off_for(self, worker: str) -> Nanoseconds:
        return self._partitions[worker] - self._keeper.clock.now()

    def _take_back_polls(self, worker: str) -> list[Call]:
        """The open polls of a worker, of which the service knows nothing any more."""
        polls = [
            poll
            for queue in self._keeper.service.cluster.queues
            for poll in list(queue.polls)
            if self._worker_of("PollWorkflowTaskQueue", poll.request) == worker
        ]
        for poll in polls:
            self._keeper.service.cancel(poll)
        return polls

    def _close_sticky_queue(self, request: Message) -> None:
        """What its worker will say itself in a moment: nobody is behind it any more."""
        if (
            isinstance(request, PollWorkflowTaskQueueRequest)
            and request.task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
        ):
            queues = self._keeper.service.cluster.queues
            kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
            queues.queue(request.namespace, request.task_queue.name, kind).shut_down = True

    def _points_of_call(self, method: str) -> list[CrashPoint]:
        self._calls_of[method] += 1
        points = [self._rpc_point(method, "request")] if self._names_calls else []
        if method not in _QUIET:
            self._requests += 1
            name = f"server-restart:{self._requests}"
            points.append(
                CrashPoint(name, name, "server-restart", "", time=self._keeper.clock.now())
            )
        return points

    def _rpc_point(self, method: str, moment: str) -> CrashPoint:
        name = f"rpc:{method}#{self._calls_of[method]}:{moment}"
        return CrashPoint(name, name, "rpc", moment, time=self._keeper.clock.now())

    def _worker_of(self, method: str, request: Message) -> str:
        """The identity of the worker that makes a call; empty if none does."""
        if method == "RespondQueryTaskCompleted":
            token: bytes = getattr(request, "task_token", b"")
            return self._askers_of_queries.get(token, "")
        if method not in _WORKERS or self._is_of_client(request):
            return ""
        identity: str = getattr(request, "identity", "")
        return identity

    def _is_of_client(self, request: Message) -> bool:
        """Whether it is about an activity that is completed from outside of its worker.

        The client that does so has, as a rule, the identity of the worker. But only workers say
        which version they are.
        """
        if getattr(request, "task_token", None) in self.given_away:
            return True
        return isinstance(request, ACTIVITY_REPORTS) and not (
            request.HasField("worker_version") or request.HasField("deployment_options")
        )

    def _note_query(self, worker: str, answer: Answer) -> None:
        if isinstance(answer, PollWorkflowTaskQueueResponse) and answer.HasField("query"):
            self._askers_of_queries[answer.task_token] = worker

    def _note_replay(self, answer: Answer) -> None:
        if not isinstance(answer, PollWorkflowTaskQueueResponse) or not answer.history.events:
            return
        if answer.previous_started_event_id and answer.history.events[0].event_id == 1:
            run = answer.workflow_execution
            self.replays.append(
                CrashPoint(
                    id="",
                    short_id="",
                    kind="replay",
                    moment="",
                    workflow_id=run.workflow_id,
                    run_id=run.run_id,
                    event_id=answer.started_event_id,
                    time=self._keeper.clock.now(),
                )
            )

    def _workers(self) -> list[str]:
        return [
            worker
            for killer in self.killers
            for worker in killer.workers()
            if worker not in self._dead
        ]

    def _refuse_dead(self, dead: _Polls, method: str, call: Call) -> None:
        """Answer what is left of a worker that was killed, so that it can be taken down."""
        if method in _POLLS:
            dead.keep(call)
            return
        call.respond(empty_answer(method))
        if method == "ShutdownWorker":
            dead.stop()


def _ignore(answer: Answer) -> None:
    """Nobody waits for it."""


def _nothing() -> None:
    """There is nothing left to be done."""
