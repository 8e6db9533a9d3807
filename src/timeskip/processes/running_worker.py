"""A worker process as the simulation sees it: what it serves, and what its activities wait for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_task import ActivityTask

from timeskip.activity_time.virtual_time import (
    AttemptListener,
    Cancellable,
    RunningAttempt,
    VirtualTime,
)
from timeskip.lanes.holds import Hold
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.lanes.worker_registry import WorkerRegistry
from timeskip.processes.child_process import ChildProcess
from timeskip.processes.messages import (
    Answer,
    Assignment,
    AttemptFinished,
    AttemptParked,
    AttemptStarted,
    BeginsCall,
    DropsActivity,
    DropsNexusTask,
    EndsCall,
    Evict,
    Failed,
    FailedWorkflowTask,
    FailsWorkflowTask,
    HeartbeatAnswered,
    HeartbeatIsLate,
    Leaves,
    LocalActivityComesBy,
    Ready,
    TimesOut,
    Wake,
    WakeAt,
    WakeNoMore,
    Woken,
    WorkerFacts,
)
from timeskip.processes.surroundings import Surroundings
from timeskip.server.matching import TaskQueue
from timeskip.server.workflow_tasks import WorkflowTask

if TYPE_CHECKING:
    from timeskip.server.activities import Activity

#: Reasons for which a process holds the time; others are numbers of timers, and pairs for calls.
_STARTS = "starts"
_LEAVES = "leaves"


class RunningWorker:
    """From the start of a process to its end.

    `on_ready` and `on_end` are called on threads of the process.

    Attributes:
        up: Done when it is ready to work, or will never be; with an error if that is wrong.
        ended: Done when it has ended; with an error if it did not end as it should.
        is_awaited: Whether the test waits for one of these, and so learns of errors.
        is_to_end: Whether somebody wants it to end, so that its end is no surprise.
        restart_after: Once it has ended, virtual time until another takes its place, if not None.
        deadline: Ends it when it takes too long to start or to end.
        exceeded: What took it too long.
        failure: Why it could not go on, in its own words.
        facts: What its workers serve.
        surroundings: What it got from this process when it was started.
    """

    def __init__(
        self,
        assignment: Assignment,
        clock_descriptor: int | None,
        keeper: TimeKeeper,
        registry: WorkerRegistry,
        time: VirtualTime,
        attempts: AttemptListener,
        on_ready: Callable[[RunningWorker], None],
        on_end: Callable[[RunningWorker], None],
    ) -> None:
        self._keeper = keeper
        self._registry = registry
        self._time = time
        self._listener = attempts
        self.assignment = assignment
        self.identity = assignment.identity
        self.surroundings = Surroundings.of_this_process()
        self.process = ChildProcess(
            assignment,
            clock_descriptor,
            self._receive,
            lambda: on_end(self),
            surroundings=self.surroundings,
        )
        self.up: Future[None] = Future()
        self.ended: Future[None] = Future()
        self.is_awaited = False
        self.is_ready = False
        self.is_to_end = False
        self.restart_after: timedelta | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.exceeded = ""
        self.failure = ""
        self.facts: tuple[WorkerFacts, ...] = ()
        #: Workers of the process that have not begun to shut down.
        self._still_to_leave = 0
        self._on_ready = on_ready
        self._lock = threading.RLock()
        self._is_dead = False
        self._namespace = ""
        self._attempts: dict[int, RunningAttempt] = {}
        self._parked: set[int] = set()
        self._timers: dict[int, Cancellable] = {}
        self._holds: dict[object, Hold] = {}
        self._failing: dict[int, WorkflowTask | None] = {}
        #: Timers whose time came while it was stopped.
        self._late: list[int] | None = None
        #: Attempts that sleep in `time.sleep` on the event loop of the process.
        self._blocking: set[int] = set()
        #: Whether a fault delays what it has sent, or what it waits for.
        self._awaits_late = False

    def start(self) -> None:
        """Start the process. No time passes until it is ready."""
        self._hold(_STARTS, "a worker process starts")
        try:
            self.process.start()
        except BaseException:
            self._release(_STARTS)
            raise

    # -- what befalls it; where the simulation's clock runs --------------------------------------

    def kill(self) -> None:
        """Kill the process. When this returns nothing of it runs any more."""
        self.is_to_end = True
        self.process.kill()
        self.lay_down()

    def lay_down(self) -> None:
        """It is dead: nobody waits for what it was doing. For any thread."""
        with self._lock:
            if self._is_dead:
                return
            self._is_dead = True
            for number in list(self._attempts):
                self._finish(AttemptFinished(number, outcome_follows=False, is_left_open=False))
            for timer in self._timers.values():
                timer.cancel()
            for reason in list(self._holds):
                self._release(reason)
        self._let_hold_time()
        self._keeper.notice()

    def stand_still(self) -> None:
        """Stop the process. What it has holds no time any more."""
        self.process.stand_still()
        with self._lock:
            if self._late is None:
                self._late = []
            self._let_calls_wait()
        self._keeper.standing_workers.add(self.identity)
        self._keeper.notice()

    def go_on(self) -> None:
        """Let the process run again: much of what it waited for is due."""
        with self._lock:
            late, self._late = self._late or [], None
            for number in late:
                self._wake(number)
        self._let_hold_time()
        self.process.go_on()
        self._keeper.notice()

    def leave(self) -> None:
        """Ask the process to end. Time passes only if it waits for it."""
        self.is_to_end = True
        with self._lock:
            if self._is_dead or _LEAVES in self._holds:
                return
            self._hold(_LEAVES, "a worker process ends")
            self._keeper.stopping_workers += 1
            self._let_time_pass()
        if self._late is not None:
            self.go_on()
        self.process.ask_to_end()

    def left(self) -> None:
        """It has ended, in whatever way."""
        with self._lock:
            if _LEAVES in self._holds:
                self._keeper.stopping_workers -= 1
        self.lay_down()

    def settle(self, error: Exception | None) -> None:
        """It has ended: tell those who wait for that, or for its beginning."""
        if self.deadline is not None:
            self.deadline.cancel()
        for future in (self.up, self.ended):
            if future.done():
                continue
            if error is not None and self.is_awaited:
                future.set_exception(error)
            else:
                future.set_result(None)

    def evict(self, run_id: str) -> None:
        """Have it forget a workflow."""
        self.process.send(Evict(run_id))

    def is_perhaps(self, identity: str) -> bool:
        """Whether a call of a worker of that name may have come from here.

        What it does may be known to the service before it is known here.
        """
        return not self.is_ready or self.identity == identity

    def heartbeat_answered(self, token: bytes, *, cancels: bool) -> None:
        """The service answers a heartbeat of an attempt, perhaps of this process's."""
        self.process.send(HeartbeatAnswered(token, cancels))

    def await_late(self, is_late: bool) -> None:
        """A fault delays something that it has sent, or waits for; or nothing of that any more."""
        with self._lock:
            self._awaits_late = is_late
            self._let_time_pass()

    def heartbeat_is_late(self, token: bytes) -> None:
        """A heartbeat of an attempt, perhaps of this process's, takes virtual time."""
        self.process.send(HeartbeatIsLate(token))

    def will_poll(self, queue: TaskQueue, started: Iterable[Activity]) -> bool:
        """Whether it will, as soon as it has done what it is doing right now."""
        if self._is_dead or self.is_to_end or queue.namespace != self._namespace:
            return False
        if self.identity in self._keeper.standing_workers:
            return False
        if queue.kind == TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW:
            waiting = next(iter(queue.tasks), None)
            name = waiting.run.task_queue if isinstance(waiting, WorkflowTask) else queue.name
            if name != queue.name and queue.pollers and self.identity not in queue.pollers:
                return False  # it is the sticky queue of another worker, perhaps a dead one
            return any(facts.workflows and facts.task_queue == name for facts in self.facts)
        if queue.kind == TaskQueueType.TASK_QUEUE_TYPE_NEXUS:
            return any(
                facts.nexus_services and facts.task_queue == queue.name for facts in self.facts
            )
        if queue.kind != TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY:
            return False
        busy = {activity.token for activity in started if activity.identity == self.identity}
        # Some it may work on although the service does not wait for them any more.
        busy.update(
            attempt.token
            for attempt in list(self._attempts.values())
            if not (attempt.is_local or attempt.is_nexus)
        )
        return any(
            facts.takes_activities
            and facts.task_queue == queue.name
            and len(busy) < facts.room_for_activities
            for facts in self.facts
        )

    # -- what it tells; on a thread of its own ---------------------------------------------------

    def _receive(self, message: object) -> None:
        with self._lock:
            if not self._is_dead:
                self._heed(message)

    def _heed(self, message: object) -> None:
        match message:
            case Ready():
                self.identity, self._namespace = message.identity, message.namespace
                self.facts = message.workers
                self._still_to_leave = len(message.workers)
                self.is_ready = True
                self.is_awaited = False
                self._on_ready(self)
                self.up.set_result(None)
                self._release(_STARTS)
            case Failed():
                self.failure = message.traceback
            case AttemptStarted():
                self._attempts[message.number] = message.attempt
                self._listener.attempt_started(message.attempt)
                self._let_time_pass()
            case AttemptParked():
                self._park(message)
            case AttemptFinished():
                self._finish(message)
                self._let_time_pass()
            case WakeAt():
                fall_due = partial(self._fall_due, message.timer)
                self._timers[message.timer] = self._time.call_at(message.due, fall_due)
            case WakeNoMore():
                timer = self._timers.pop(message.timer, None)
                if timer is not None:
                    timer.cancel()
            case Woken():
                self._release(message.timer)
            case FailsWorkflowTask() | FailedWorkflowTask():
                self._on_clock(partial(self._workflow_task_fails, message))
            case LocalActivityComesBy():
                self._local_activity_comes_by(message)
            case BeginsCall():
                self._begin_call(message)
            case EndsCall():
                self._release(("call", message.question))
            case TimesOut():
                self._on_clock(partial(self._keeper.tell_timeout, message.token))
            case DropsActivity():
                self._on_clock(partial(self._keeper.lay_down_activity, message.token))
            case DropsNexusTask():
                self._on_clock(partial(self._keeper.lay_down_nexus_task, message.token))
            case Leaves():
                self._still_to_leave -= 1
                self._let_time_pass()
                self._on_clock(self.leave)

    def _park(self, message: AttemptParked) -> None:
        number = message.number
        self._listener.attempt_parked(self._attempts[number], message.parked)
        (self._parked.add if message.parked else self._parked.discard)(number)
        blocked = bool(self._blocking)
        blocks = message.parked and message.blocks_loop
        (self._blocking.add if blocks else self._blocking.discard)(number)
        if self._blocking:
            self._let_calls_wait()
            self._keeper.standing_workers.add(self.identity)
        elif blocked:
            self._let_hold_time()
        self._let_time_pass()

    def _finish(self, message: AttemptFinished) -> None:
        attempt = self._attempts.pop(message.number)
        self._parked.discard(message.number)
        self._blocking.discard(message.number)
        self._listener.attempt_finished(
            attempt,
            outcome_follows=message.outcome_follows,
            is_left_open=message.is_left_open,
        )

    def _let_hold_time(self) -> None:
        """What it has holds time, unless there is still a reason why nothing of it runs."""
        if self._is_dead or not (self._blocking or self._late is not None):
            self._keeper.standing_workers.discard(self.identity)

    def _let_calls_wait(self) -> None:
        """Nobody takes their answers for now."""
        for reason in [reason for reason in self._holds if isinstance(reason, tuple)]:
            self._release(reason)

    def _let_time_pass(self) -> None:
        """Time has to pass while it waits for nothing else, and nobody else can get on."""
        waits = bool(self._attempts) or self._awaits_late
        parked = waits and len(self._parked) == len(self._attempts)
        for reason, hold in self._holds.items():
            if isinstance(reason, tuple):
                continue  # the service knows when a call waits
            leaves = reason == _LEAVES and not self._still_to_leave
            if self._blocking or (leaves and parked):
                hold.park()
            else:
                hold.resume()

    def _fall_due(self, number: int) -> None:
        with self._lock:
            if self._is_dead or self._timers.pop(number, None) is None:
                return
            if self._late is not None:
                self._late.append(number)
            else:
                self._wake(number)

    def _wake(self, number: int) -> None:
        self._hold(number, "an activity of a worker process wakes up")
        self.process.send(Wake(number))

    def _workflow_task_fails(self, message: FailsWorkflowTask | FailedWorkflowTask) -> None:
        if isinstance(message, FailsWorkflowTask):
            run = self._keeper.service.cluster.runs.get(message.run_id)
            self._failing[message.question] = run.workflow_task if run is not None else None
            self.process.send(Answer(message.question))
            return
        task = self._failing.pop(message.question, None)
        if task is not None:
            self._keeper.abandon(task)

    def _begin_call(self, message: BeginsCall) -> None:
        reason = ("call", message.question)
        self._hold(reason, f"{message.rpc} of a worker process is being answered")
        self.process.send(Answer(message.question, str(self._holds[reason].id).encode()))

    def _local_activity_comes_by(self, message: LocalActivityComesBy) -> None:
        def settle(failure: Failure | None) -> None:
            told = failure.SerializeToString() if failure is not None else b""
            self.process.send(Answer(message.question, told))

        watch = self._registry.local_activities
        if watch is None:
            settle(None)
        else:
            task = ActivityTask.FromString(message.task)
            watch.come_by(self.identity, task, begins=message.begins, settle=settle)

    # -- inside ----------------------------------------------------------------------------------

    def _on_clock(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the simulation has ended
            self._keeper.loop.call_soon_threadsafe(action)

    def _hold(self, reason: object, told: str) -> None:
        self._holds[reason] = self._keeper.holds.take(told)

    def _release(self, reason: object) -> None:
        hold = self._holds.pop(reason, None)
        if hold is not None:
            hold.release()
