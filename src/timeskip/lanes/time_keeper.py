"""The rule by which virtual time moves, and the moving.

Time moves only if nothing else can happen. In the order in which they are checked:

1. no hold is active (`timeskip.lanes.holds`): no client call is on its way in or out, no callback
   of the test runs at this instant;
2. no worker is processing a workflow task or a query, and every activity attempt and Nexus task that
   a worker runs is parked in a virtual sleep;
3. no task waits that a polling worker could take. A task in a queue that nobody polls does not stop
   time, but a worker that has just started, or is about to poll again, gets a short *real* grace;
4. somebody waits for time: a long poll, `sim.sleep`, `sim.run_until`, a worker that stops; or the
   test waits for something else, and it is its turn (`timeskip.lanes.idle_tests`);
5. the event loops of the tests have nothing to do (`timeskip.lanes.quiescence`).

Then time jumps to the earliest due time, whatever is due happens, and the rule is applied again.
If somebody waits and nothing is due, nothing can ever happen again: the simulation is stuck, and
says so.

Not every wait makes time jump. Under the manual clock only `sim.advance` does. While a test has
switched skipping off only its own `sim.sleep` and `sim.run_until` do, and otherwise virtual time
keeps the machine's pace, as in the SDK's own environment.

All methods but `notice` belong to the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass, replace

from timeskip.clock import (
    MICROSECOND,
    SECOND,
    Clock,
    DueTime,
    ManualClock,
    Nanoseconds,
    RealClock,
    VirtualClock,
)
from timeskip.lanes.completers import Completers
from timeskip.lanes.heartbeats import Heartbeats
from timeskip.lanes.holds import Hold, Holds
from timeskip.lanes.idle_tests import Idleness, IdleTests
from timeskip.lanes.local_waits import LocalWaits
from timeskip.lanes.quiescence import Loops
from timeskip.server import workflow_tasks
from timeskip.server.calls import Call
from timeskip.server.matching import Task, TaskQueue
from timeskip.server.run import Run
from timeskip.server.service import Service
from timeskip.server.workflow_tasks import WorkflowTask

#: Real seconds between two looks whether a test has turned from another simulation to this one.
_LOOK_AGAIN = 0.05

#: Real seconds in which an attempt that was told of its timeout should end. It may take no notice.
_LAST_WORDS = 2.0

#: So often time jumps before everybody else has a turn, although nothing has happened.
_JUMPS = 100


@dataclass(frozen=True)
class Grace:
    """Real seconds to wait for a poll before time jumps over a waiting task."""

    polled_before: float = 0.025
    never_polled: float = 0.05
    expected: float = 10.0

    def of_new_queue(self) -> float:
        """For a task in a queue that nobody has polled yet."""
        return self.never_polled


class Wait:
    """Somebody who waits until virtual time has reached `until`, or, if that is None, for one step.

    `drives`: time jumps for this wait even while it does not for others.
    """

    __slots__ = ("drives", "due", "hold", "moved", "until", "wake")

    def __init__(
        self,
        until: Nanoseconds | None,
        wake: Callable[[BaseException | None], None],
        hold: Hold,
        drives: bool,
    ) -> None:
        self.until = until
        self.wake = wake
        self.hold = hold
        self.drives = drives
        self.moved = False
        self.due: DueTime | None = None


class _Waiting:
    """The grace of a task that waits, in real seconds of the loop."""

    __slots__ = ("_end", "_served_since", "is_passed_over")

    def __init__(self, end: float) -> None:
        self._end = end
        self._served_since: float | None = None
        #: Whether time has moved although it waited.
        self.is_passed_over = False

    def end(self, now: float, expected: float | None) -> float:
        """When the grace ends; `expected` is how long a poll that is sure to come may take."""
        if expected is None:
            self._served_since = None
            return self._end
        if self._served_since is None:
            self._served_since = now
        return max(self._end, self._served_since + expected)


class TimeKeeper:
    """Moves one service's clock."""

    def __init__(
        self,
        service: Service,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        grace: Grace = Grace(),
    ) -> None:
        self.service = service
        self.clock = clock
        self.loop = loop
        self.grace = grace
        #: Brings a call to the service. Faults stand in between.
        self.carry: Callable[[Call], None] = service.handle
        self.holds = Holds(self.notice)
        #: The loops on which clients and workers of this process run.
        self.loops = Loops(loop, self._move)
        self.waits: dict[Wait, None] = {}
        self.parked: set[bytes] = set()
        #: Attempts that the service has given up, and that are told so: until when on the loop their
        #: workers have time to be done with them.
        self._timed_out: dict[bytes, float] = {}
        self.completers = Completers(service.cluster)
        self.heartbeats = Heartbeats()
        #: The tokens of tasks that faults keep from getting on, whatever their workers say of them.
        self.laid_down: set[bytes] = set()
        #: Whether time may jump for whoever waits, unless clients hold locks on it.
        self.may_skip = not isinstance(clock, ManualClock)
        self._skips = self.may_skip
        service.cluster.time_locks.on_change = self._update_skipping
        service.before_call = self._catch_up
        #: While virtual time keeps the machine's pace: an instant of each that belong together.
        self._pace: tuple[Nanoseconds, float] | None = None
        #: Whether virtual time is also that of the cores of workers.
        self.cores_are_simulated = False
        #: Whether every worker lives in this process, so that none can vanish with a task.
        self.workers_are_ours = False
        #: Since when each run's workflow task is known to be with a worker.
        self._first_seen: dict[str, tuple[WorkflowTask, float]] = {}
        #: Runs whose open workflow task waits for time, as its local activities do.
        self.waiting_for_local_activities = service.cluster.heartbeating_runs
        self.local_waits = LocalWaits(
            self.waiting_for_local_activities, self._local_activities_go_on
        )
        #: Activities that sleep in `time.sleep` on their own event loop, so that nothing else of
        #: that loop can get on before the sleep ends.
        self.blocked_loops = 0
        #: Workers of which nothing runs for now: their process is stopped, or sleeps in `time.sleep` on
        #: its event loop. What they have does not keep time from moving.
        self.standing_workers: set[str] = set()
        #: Queues at which a worker that was started in this process has not polled yet.
        self.expected_pollers: dict[str, None] = {}
        #: Workers that stop, and that give time to what they still run.
        self.stopping_workers = 0
        #: What a test waits for by looking itself, again and again, each in words.
        self.conditions: dict[object, str] = {}
        #: How often time has jumped for tests that only this simulation can wake, though not by time.
        self.idle_jumps = 0
        #: Due times at which workers that are gone, or cut off, reach the service again.
        self.returns_of_workers = 0
        #: Told of a worker, by its name, whether anything that it has sent, or waits for, is late.
        self.on_late: Callable[[str, bool], None] | None = None
        #: Whether a worker of this process has been told to stop and has not stopped yet.
        self.is_stopping: Callable[[], bool] | None = None
        #: Whether such a worker waits for activities that wait for nothing but time.
        self.is_kept_from_stopping: Callable[[], bool] = lambda: False
        self.on_stuck: Callable[[], None] | None = None
        #: Told when tests wait for something else than time that only the simulation can bring
        #: about, and of what is due next. Whether that must not happen any more.
        self.on_idle: Callable[[Nanoseconds | None], bool] | None = None
        #: Told of each call that is not answered at once, but for polls.
        self.on_opened: Callable[[Call], None] | None = None
        #: Told of each workflow task that its worker will let time out.
        self.on_abandoned: Callable[[Run, WorkflowTask], None] | None = None
        self.on_time_moved: Callable[[Nanoseconds], None] | None = None
        #: Why callers in other threads wait no longer for the loop, which something blocks.
        self.standstill: Exception | None = None
        #: The thread that runs the loop; 0 until it is known.
        self.thread_id = 0
        #: Not that of whoever changed something: it may be an activity, whose time is its own.
        self._context = Context()
        self._considering = False
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle_tests = IdleTests()
        #: How many tasks time has jumped over, by the name and the kind of their queue.
        self.passed_over: Counter[tuple[str, int]] = Counter()
        self._waiting: dict[Task, _Waiting] = {}
        #: Whether a worker that is known to be about will poll the queue as soon as it can.
        self.will_poll: Callable[[TaskQueue], bool] | None = None

    def notice(self) -> None:
        """Something changed: apply the rule again soon. Safe from any thread."""
        if self._considering:
            return
        self._considering = True
        try:
            if threading.get_ident() == self.thread_id:
                # Waking the loop from its own thread would cost two system calls for nothing.
                self._soon = self.loop.call_soon(self._consider, context=self._context)
            else:
                self._soon = self.loop.call_soon_threadsafe(self._consider, context=self._context)
        except RuntimeError:
            # The loop is closed: the simulation has ended, or will go on on another loop.
            self._considering = False

    def move_to(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        """Live on another loop from now on, which runs on the thread with that id."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._pace is not None:
            virtual, real = self._pace
            self._pace = virtual, real - self.loop.time() + loop.time()
        self.loop = loop
        self.thread_id = thread_id
        self.loops.move_to(loop)
        self._considering = False
        self.notice()

    @property
    def skips(self) -> bool:
        """Whether time jumps for whoever waits."""
        return self._skips

    def set_skipping(self, skips: bool) -> None:
        """Let virtual time jump again, or let it keep the machine's pace from now on."""
        if not isinstance(self.clock, VirtualClock):
            return
        if self._pace is not None:
            self._keep_pace()
        self.may_skip = skips
        self._update_skipping()

    def _catch_up(self) -> None:
        """Let time be what it has to be now, if it keeps the machine's pace, or that of a test."""
        if self._pace is not None:
            if not self._is_driven():
                self._keep_pace()
        elif self._skips and self.completers.are_needed():
            self._go_along()

    def _update_skipping(self) -> None:
        """Take into account whether time is to jump, and whether clients hold locks on it."""
        skips = self.may_skip and not self.service.cluster.time_locks.hold_time
        if skips != self._skips and isinstance(self.clock, VirtualClock):
            self._skips = skips
            self._pace = None if skips else (self.clock.now(), self.loop.time())
        self.notice()

    @contextlib.contextmanager
    def looks_for(self, condition: str) -> Iterator[None]:
        """A test looks again and again whether a condition holds. Safe from any thread."""
        token = object()
        self.conditions[token] = condition
        try:
            yield
        finally:
            del self.conditions[token]

    def wait_until(
        self,
        until: Nanoseconds | None,
        wake: Callable[[BaseException | None], None],
        hold: Hold,
        *,
        drives: bool = True,
    ) -> Wait:
        """Call `wake` when time has reached `until` (or has moved once, if None)."""
        wait = Wait(until, wake, hold, drives)
        self.waits[wait] = None
        if until is not None:
            wait.due = self.clock.schedule(until, lambda: self._wake(wait), in_order=True)
        hold.park()
        return wait

    def forget(self, wait: Wait) -> None:
        """Whoever waited does so no longer, perhaps before it was woken."""
        self.waits.pop(wait, None)
        if wait.due is not None:
            wait.due.cancel()

    def fail_waits(self, error: BaseException) -> None:
        for wait in list(self.waits):
            self._wake(wait, error)

    def opened(self, call: Call) -> None:
        """A call stays open. If it is a poll, workers are about, and tasks deserve a new grace."""
        if call.is_task_poll:
            self._renew_grace()
            self.expected_pollers.pop(call.task_queue, None)
        elif self.on_opened is not None:
            self.on_opened(call)
        self.notice()

    def abandon(self, task: WorkflowTask) -> None:
        """The worker that has the task is done with it. If it did not answer, it never will."""
        if task.run.workflow_task is task:
            task.abandoned = True
            if self.on_abandoned is not None:
                self.on_abandoned(task.run, task)
            self.notice()

    def tell_timeout(self, token: bytes) -> None:
        """A worker tells an attempt, which the service has given up, that it has run out of time."""
        self._timed_out[token] = self.loop.time() + _LAST_WORDS
        self.notice()

    def lay_down_activity(self, token: bytes) -> None:
        """The worker that had an attempt says nothing of its end: it will time out, or has."""
        self._timed_out.pop(token, None)
        if token in self.service.cluster.started_activities:
            self.parked.add(token)
        self.notice()

    def lay_down_nexus_task(self, token: bytes) -> None:
        """A handler has given up a task without an answer: its request will time out."""
        if token in self.service.cluster.started_nexus_tasks:
            self.parked.add(token)
            self.notice()

    def _local_activities_go_on(self, run_id: str) -> None:
        run = self.service.cluster.runs.get(run_id)
        if run is not None:
            with contextlib.suppress(RuntimeError):  # the simulation has ended before
                self.loop.call_soon_threadsafe(workflow_tasks.heartbeats_end, run)

    def expect_poller(self, task_queue: str) -> None:
        """A worker has been started in this process and will poll soon. Safe from any thread."""
        self.expected_pollers[task_queue] = None
        with contextlib.suppress(RuntimeError):  # the simulation has ended before
            self.loop.call_soon_threadsafe(self._renew_grace)

    def expect_poller_no_more(self, task_queue: str) -> None:
        """The worker has stopped, perhaps without ever having polled."""
        self.expected_pollers.pop(task_queue, None)
        self.notice()

    def _consider(self) -> None:
        self._considering = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if isinstance(self.clock, RealClock):
            self._follow_real_time()
            return
        self._catch_up()
        pace = None if self._is_driven() else self._pace
        if pace is not None and self._look_again_at_next_due(pace):
            return
        if self._may_move():
            if self.blocked_loops:
                self._move()
            else:
                looks_for_tests = not self._is_wanted() or self.completers.are_needed()
                self.loops.act_when_quiet(look_for_tests=looks_for_tests)

    def _move(self) -> None:
        """Let time pass for as long as nothing else can happen.

        Not without end in one go: a schedule may have something to do at every instant that comes,
        and nothing to show for it.
        """
        for _ in range(_JUMPS):
            if not self._may_move():
                return
            stepped = [wait for wait in self.waits if wait.until is None and wait.moved]
            if stepped:
                for wait in stepped:
                    self._wake(wait)
                return
            if self.blocked_loops:
                due = self._target()
            elif not self._is_wanted():
                due = self._due_for_idle_tests()
            elif self.completers.are_needed() and not self.loops.has_looked_for_tests:
                self.notice()
                return
            elif completers := self._completers():
                due = self._due_for_completers(completers)
                if due is None:
                    return
            else:
                due = self._target()
            if due is None:
                if self.on_stuck is not None and self.is_waited_for():
                    self.on_stuck()
                return
            self._note_passed_over()
            self._jump_to(due)
        self.notice()

    def _due_for_idle_tests(self) -> Nanoseconds | None:
        """Where to jump although nobody waits for time, if the next due time has come for tests."""
        due = self.service.next_due()
        idle = self.loops.idle
        if idle and self.holds.others_are_open():
            # The test waits there.
            self._timer = self.loop.call_later(_LOOK_AGAIN, self.notice)
            return None
        if self.is_stopping is not None and self.is_stopping():
            if self.is_kept_from_stopping():
                return due
            # The SDK's core wakes the test when it is done.
            idle = [replace(each, may_have_news=True) for each in idle]
        only_this_can_wake = bool(idle) and all(
            each.next_timer is None and not each.may_have_news for each in idle
        )
        if only_this_can_wake and self.on_idle is not None and self.on_idle(due):
            return None
        seconds = self._idle_tests.seconds_before(due, self.clock.now(), idle)
        if seconds == 0.0:
            self.idle_jumps += only_this_can_wake
            return due
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._idle_tests_waited, seconds)
        return None

    def _completers(self) -> list[Idleness]:
        """Where the test is about to complete activities."""
        return self.completers.among(self.loops.idle) if self.completers.are_needed() else []

    def _due_for_completers(self, completers: list[Idleness]) -> Nanoseconds | None:
        """Where to jump for whoever waits, if it is not too far for those who complete activities."""
        due = self._target()
        seconds = self.completers.sleeps.seconds_before(due, self.clock.now(), completers)
        if seconds == 0.0:
            return due
        if seconds is not None:
            self._timer = self.loop.call_later(seconds, self._completers_waited, seconds)
        return None

    def _completers_waited(self, seconds: float) -> None:
        self.completers.waited(seconds)
        self.notice()

    def _go_along(self) -> None:
        """Those who complete activities heartbeat at instants that are as far apart as their sleeps."""
        reached = self.completers.sleeps.reached(self.loop.time())
        # Whole microseconds, as all that is due: what people see of a time has no more.
        reached -= reached % MICROSECOND
        when = min(reached, self.service.next_due() or reached)
        if when > self.clock.now():
            self._jump_to(when)

    def _idle_tests_waited(self, seconds: float) -> None:
        self._idle_tests.waited(seconds)
        self.notice()

    def _note_passed_over(self) -> None:
        """Time is about to move although tasks wait."""
        if not self._waiting:
            return
        for queue in self.service.cluster.queues.waiting():
            for task in queue.tasks:
                waiting = self._waiting.get(task)
                if waiting is not None and not waiting.is_passed_over:
                    waiting.is_passed_over = True
                    self.passed_over[queue.name, queue.kind] += 1

    def pass_blocked_until(self, woken: threading.Event) -> None:
        """Let time pass right here, on the loop's thread, while something blocks the loop."""
        while not woken.is_set() and (due := self.service.next_due()) is not None:
            if isinstance(self.clock, RealClock):
                woken.wait(max(due - self.clock.now(), 0) / SECOND)
                self.service.run_due()
            else:
                self._jump_to(due)

    def _follow_real_time(self) -> None:
        self.service.run_due()
        self._look_again_at_next_due((self.clock.now(), self.loop.time()))

    def _keep_pace(self) -> None:
        """Do what has become due while virtual time kept the machine's pace."""
        assert self._pace is not None
        virtual, real = self._pace
        now = virtual + int((self.loop.time() - real) * SECOND) // MICROSECOND * MICROSECOND
        while (due := self.service.next_due()) is not None and due <= now:
            self._jump_to(due)
        if now > self.clock.now():
            self._jump_to(now)
        # Not what the jumps have left there: the pace is that of the whole span.
        self._pace = (virtual, real)

    def _look_again_at_next_due(self, pace: tuple[Nanoseconds, float]) -> bool:
        """Come back when something is due at the machine's pace; False if nothing is."""
        due = self.service.next_due()
        if due is None:
            return False
        virtual, real = pace
        delay = (due - virtual) / SECOND - (self.loop.time() - real)
        # A day at most: a timer far away is looked at again then.
        self._timer = self.loop.call_later(min(max(delay, 0.0), 86_400.0), self._consider)
        return True

    def _is_driven(self) -> bool:
        return any(wait.drives for wait in self.waits)

    def _jump_to(self, when: Nanoseconds) -> None:
        if when > self.clock.now():
            self.clock.advance_to(when)
            if self._pace is not None:
                self._pace = (when, self.loop.time())
            if self.on_time_moved is not None:
                self.on_time_moved(when)
        for wait in self.waits:
            wait.moved = True
        self.service.run_due()

    def _may_move(self) -> bool:
        if self.blocked_loops:
            return not self.holds.firm
        if self.holds.count:
            return False
        cluster = self.service.cluster
        standing = self.standing_workers
        for query in cluster.started_queries.values():
            # A run may have been closed while its worker, which has the query, runs local ones.
            waits = self._waits_for_local_activities(query.run)
            if not waits and query.identity not in standing:
                return False
        for run_id, run in cluster.started_workflow_tasks.items():
            if run_id in self.waiting_for_local_activities or self._is_abandoned(run):
                continue
            if run.workflow_task is None or run.workflow_task.identity not in standing:
                return False
        for token, activity in cluster.started_activities.items():
            if token not in self.parked and self.is_worked_on(token, activity.identity):
                return False
        if self._timed_out and self._hears_of_timeout():
            return False
        for token, nexus_task in cluster.started_nexus_tasks.items():
            if token not in self.parked and self.is_worked_on(token, nexus_task.identity):
                return False
        return (self._is_wanted() or self._skips) and not self._gives_grace()

    def _hears_of_timeout(self) -> bool:
        """Whether an attempt is about to end because it was told that it has run out of time."""
        now = self.loop.time()
        self._timed_out = {token: end for token, end in self._timed_out.items() if end > now}
        ends = [end for token, end in self._timed_out.items() if token not in self.parked]
        if ends:
            self._timer = self.loop.call_later(min(ends) - now, self.notice)
        return bool(ends)

    def is_worked_on(self, token: bytes, identity: str) -> bool:
        """Whether the worker that has a task, and does not wait for time, can get on with it."""
        activity = self.service.cluster.started_activities.get(token)
        if activity is not None and activity.is_deserted:
            return False
        return token not in self.laid_down and identity not in self.standing_workers

    def _is_wanted(self) -> bool:
        return (
            self.is_waited_for()
            or self.stopping_workers > 0
            or self.service.cluster.time_locks.are_all_gone
        )

    def is_waited_for(self) -> bool:
        """Whether somebody waits for time, or for an answer that may take some."""
        cluster = self.service.cluster
        return bool(
            self.waits or cluster.time_waits or cluster.sleeping_calls or cluster.open_queries()
        )

    def _target(self) -> Nanoseconds | None:
        """Where to jump: the next due time, unless only queries wait, which no timer can answer.

        Unless it brings back a worker, or local activities to an end for which queries have to wait, or
        the timeout of a workflow task that nobody works on any more.
        """
        if not (self._skips or self.blocked_loops or self._is_driven()):
            return None
        cluster = self.service.cluster
        only_queries_wait = not (
            self.waits
            or cluster.time_waits
            or cluster.sleeping_calls
            or self.stopping_workers
            or self.returns_of_workers
            or cluster.time_locks.are_all_gone
            or self.blocked_loops
            or self._queries_wait_for_local_activities()
            or self._queries_wait_for_timeouts()
        )
        return cluster.next_query_due() if only_queries_wait else self.service.next_due()

    def _queries_wait_for_timeouts(self) -> bool:
        """For those of workflow tasks that their worker has dropped."""
        tasks = (run.workflow_task for run in self.service.cluster.open_queries().values())
        return any(task is not None and task.abandoned for task in tasks)

    def _queries_wait_for_local_activities(self) -> bool:
        """For those of their run, or for the slot of a worker of its queue."""
        if not (self.cores_are_simulated and self.waiting_for_local_activities):
            return False
        cluster = self.service.cluster
        queues = {cluster.runs[run_id].task_queue for run_id in self.waiting_for_local_activities}
        return any(run.task_queue in queues for run in cluster.open_queries().values())

    def _waits_for_local_activities(self, run: Run) -> bool:
        """As on a real server. On the wire the core says by the machine's time that it is at work."""
        return self.cores_are_simulated and run.run_id in self.waiting_for_local_activities

    def _renew_grace(self) -> None:
        """What waited in vain may be polled for after all."""
        for task, waiting in list(self._waiting.items()):
            if waiting.is_passed_over:
                del self._waiting[task]

    def _gives_grace(self) -> bool:
        """Whether a task waits for which a poll may be on its way right now."""
        now = self.loop.time()
        ends: list[float] = []
        still_waiting: dict[Task, _Waiting] = {}
        for queue in self.service.cluster.queues.waiting():
            if queue.polls:
                continue  # its tasks wait for their time: the rate is what keeps them
            is_served = queue.name in self.expected_pollers or (
                self.will_poll is not None and self.will_poll(queue)
            )
            short = self.grace.polled_before if queue.pollers else self.grace.of_new_queue()
            for task in queue.tasks:
                waiting = self._waiting.get(task) or _Waiting(now + short)
                still_waiting[task] = waiting
                end = waiting.end(now, self.grace.expected if is_served else None)
                if end > now:
                    ends.append(end)
        self._waiting = still_waiting
        if ends:
            self._timer = self.loop.call_later(min(ends) - now, self.notice)
            return True
        return False

    def _is_abandoned(self, run: Run) -> bool:
        """Whether the worker that holds the run's workflow task will never answer.

        A worker of another process may have died without a word. Its task stops time only for as
        long as a real server would have waited for it.
        """
        task = run.workflow_task
        if task is None or task.abandoned:
            return True
        if self.workers_are_ours:
            return False
        now = self.loop.time()
        known, since = self._first_seen.get(run.run_id, (None, now))
        if known is not task:
            since = now
            self._first_seen[run.run_id] = task, now
        end = since + task.timeout / SECOND
        if now >= end:
            task.abandoned = True
            return True
        self._timer = self.loop.call_later(end - now, self.notice)
        return False

    def _wake(self, wait: Wait, error: BaseException | None = None) -> None:
        if wait in self.waits:
            self.forget(wait)
            wait.hold.resume()
            wait.wake(error)
