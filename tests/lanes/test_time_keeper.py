"""The rule by which virtual time moves, on a loop and a clock that are moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import HistoryEventFilterType, QueryResultType
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    RespondQueryTaskCompletedRequest,
)

from tests.conformance.commands import complete_workflow, schedule_activity, start_timer
from tests.lanes.hand_loop import HandLoop
from tests.server.engine_driver import Sent
from tests.server.hand_worker import QUEUE, HandWorker, execution_of
from timeskip.clock import SECOND, ManualClock, Nanoseconds
from timeskip.lanes.time_keeper import Grace, TimeKeeper
from timeskip.server.run import Run
from timeskip.server.service import Service

GRACE = Grace(polled_before=0.025, never_polled=0.05, expected=10.0)


class Desk:
    """A service, its time keeper, and everybody who has to do with them."""

    def __init__(self) -> None:
        self.loop = HandLoop()
        self.worker = HandWorker()
        self.clock = self.worker.clock
        self.keeper = TimeKeeper(self.worker.service, self.clock, self.loop.as_loop, GRACE)
        self.keeper.workers_are_ours = True
        self.stuck = 0
        self.keeper.on_stuck = self._count_stuck
        self._start = self.clock.now()

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return (self.clock.now() - self._start) / SECOND

    def look(self) -> float:
        """Apply the rule; the virtual seconds since the start afterwards."""
        self.keeper.notice()
        self.loop.run_ready()
        return self.elapsed

    def run(self, *commands: Command) -> Run:
        """A run whose first workflow task has been answered with these commands."""
        run = self.worker.start()
        self.worker.complete(self.worker.workflow_task(), *commands)
        return run

    def wait_for_close(self, run: Run) -> Sent:
        """A client that waits for the end of a run."""
        sent = self.worker.send(
            "GetWorkflowExecutionHistory",
            GetWorkflowExecutionHistoryRequest(
                namespace="default",
                execution=execution_of(run),
                wait_new_event=True,
                history_event_filter_type=(
                    HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
                ),
            ),
        )
        self.keeper.opened(sent.call)
        return sent

    def sleep(self, seconds: float | None, **options: Any) -> list[BaseException | None]:
        """A test that waits; what it is woken with, once it is."""
        woken: list[BaseException | None] = []
        until: Nanoseconds | None = None
        if seconds is not None:
            until = self.clock.now() + int(seconds * SECOND)
        hold = self.keeper.holds.take("the test waits")
        self.keeper.wait_until(until, woken.append, hold, **options)
        return woken

    def _count_stuck(self) -> None:
        self.stuck += 1


@pytest.fixture
def desk() -> Desk:
    return Desk()


def charge() -> Command:
    return schedule_activity("charge", task_queue=QUEUE, start_to_close=60)


# -- who waits ------------------------------------------------------------------------------------


def test_time_stands_still_if_nobody_waits(desk: Desk) -> None:
    desk.run(start_timer("reminder", 5))
    assert desk.look() == 0


def test_time_jumps_to_the_next_due_time_for_a_client_that_waits(desk: Desk) -> None:
    run = desk.run(start_timer("reminder", 5))
    desk.wait_for_close(run)
    assert desk.look() == 5


def test_time_jumps_for_a_sleep(desk: Desk) -> None:
    woken = desk.sleep(3)
    assert desk.look() == 3
    assert woken == [None]
    assert desk.keeper.holds.count == 1, "what the test does next is not done yet"


def test_time_stops_where_a_sleep_ends(desk: Desk) -> None:
    desk.run(start_timer("reminder", 5))
    desk.sleep(3)
    assert desk.look() == 3
    assert desk.look() == 3


def test_everything_due_at_one_instant_happens_before_time_moves_on(desk: Desk) -> None:
    order = [desk.sleep(2), desk.sleep(2), desk.sleep(4)]
    desk.look()
    assert [len(woken) for woken in order] == [1, 1, 0]


def test_wait_for_a_step_ends_when_time_has_moved_once(desk: Desk) -> None:
    run = desk.run(start_timer("reminder", 5))
    woken = desk.sleep(None)
    desk.look()
    assert desk.elapsed == 5
    assert not woken, "a workflow task follows from the timer"
    desk.worker.complete(desk.worker.workflow_task())
    desk.look()
    assert woken == [None]
    assert run.is_open


def test_forgotten_wait_is_not_woken_and_leaves_nothing_due(desk: Desk) -> None:
    woken: list[BaseException | None] = []
    hold = desk.keeper.holds.take("the test waits")
    wait = desk.keeper.wait_until(desk.clock.now() + SECOND, woken.append, hold)
    desk.keeper.forget(wait)
    assert desk.look() == 0
    assert not woken
    assert desk.worker.service.next_due() is None


def test_failed_waits_are_woken_with_the_error(desk: Desk) -> None:
    waits = [desk.sleep(1), desk.sleep(None)]
    error = RuntimeError("the simulation has ended")
    desk.keeper.fail_waits(error)
    assert waits == [[error], [error]]


# -- who is busy ----------------------------------------------------------------------------------


def test_active_hold_stops_time(desk: Desk) -> None:
    desk.sleep(3)
    hold = desk.keeper.holds.take("a call is being answered")
    assert desk.look() == 0
    hold.release()
    assert desk.look() == 3


def test_parked_hold_does_not_stop_time(desk: Desk) -> None:
    desk.sleep(3)
    desk.keeper.holds.take("a call waits").park()
    assert desk.look() == 3


def test_workflow_task_at_a_worker_stops_time(desk: Desk) -> None:
    desk.worker.start()
    task = desk.worker.workflow_task()
    desk.sleep(3)
    assert desk.look() == 0
    desk.worker.complete(task, complete_workflow())
    assert desk.look() == 3


def test_workflow_task_that_waits_for_its_local_activities_does_not_stop_time(desk: Desk) -> None:
    run = desk.worker.start()
    desk.worker.workflow_task()
    desk.sleep(3)
    desk.keeper.waiting_for_local_activities.add(run.run_id)
    assert desk.look() == 3


def test_query_at_a_worker_stops_time(desk: Desk) -> None:
    run = desk.run()
    desk.worker.query(run)
    task = desk.worker.workflow_task()
    desk.sleep(3)
    assert desk.look() == 0
    answer = RespondQueryTaskCompletedRequest(
        namespace="default",
        task_token=task.task_token,
        completed_type=QueryResultType.QUERY_RESULT_TYPE_ANSWERED,
    )
    desk.worker.send("RespondQueryTaskCompleted", answer)
    assert desk.look() == 3


def test_activity_at_a_worker_stops_time_unless_it_sleeps(desk: Desk) -> None:
    desk.run(charge())
    task = desk.worker.activity_task()
    desk.sleep(3)
    assert desk.look() == 0
    desk.keeper.parked.add(task.task_token)
    assert desk.look() == 3


def test_blocked_loop_lets_time_move_whatever_else_is_going_on(desk: Desk) -> None:
    """An activity in `time.sleep` on the loop of everybody else: only time can wake it."""
    desk.run(start_timer("reminder", 5))
    desk.keeper.holds.take("a call that cannot get on")
    desk.keeper.blocked_loops += 1
    desk.clock.schedule(desk.clock.now() + SECOND, lambda: setattr(desk.keeper, "blocked_loops", 0))
    assert desk.look() == 1


# -- what waits for a worker ----------------------------------------------------------------------


def test_task_that_nobody_ever_polled_for_gets_a_short_grace(desk: Desk) -> None:
    desk.worker.start()
    desk.sleep(3)
    assert desk.look() == 0
    desk.loop.pass_time(0.049)
    assert desk.elapsed == 0
    desk.loop.pass_time(0.002)
    assert desk.elapsed == 3
    assert list(desk.keeper.passed_over.values()) == [1]


def test_task_of_a_queue_that_was_polled_before_gets_a_shorter_one(desk: Desk) -> None:
    desk.worker.hang_up(desk.worker.ask_for_workflow_task())
    desk.worker.start()
    desk.sleep(3)
    desk.look()
    desk.loop.pass_time(0.026)
    assert desk.elapsed == 3


def test_task_is_passed_over_once_for_many_jumps(desk: Desk) -> None:
    desk.worker.start()
    desk.sleep(3)
    desk.sleep(5)
    desk.look()
    desk.loop.pass_time(0.06)
    for hold in list(desk.keeper.holds.open.values()):
        hold.release()
    assert desk.look() == 5
    assert list(desk.keeper.passed_over.values()) == [1]


def test_worker_that_has_just_started_is_waited_for(desk: Desk) -> None:
    desk.keeper.expect_poller(QUEUE)
    desk.worker.start()
    desk.sleep(3)
    desk.look()
    desk.loop.pass_time(9)
    assert desk.elapsed == 0
    poll = desk.worker.ask_for_workflow_task()
    assert poll.answers
    assert desk.look() == 0, "the worker is busy now"


def test_poll_gives_every_task_a_new_grace(desk: Desk) -> None:
    desk.worker.start()
    desk.sleep(3)
    desk.sleep(4)
    desk.look()
    desk.loop.pass_time(0.06)
    assert desk.elapsed == 3
    desk.keeper.opened(desk.worker.ask_for_workflow_task("another queue").call)
    for hold in list(desk.keeper.holds.open.values()):
        hold.release()
    assert desk.look() == 3
    desk.loop.pass_time(0.06)
    assert desk.elapsed == 4


def test_task_that_events_have_overtaken_gets_no_grace(desk: Desk) -> None:
    desk.worker.terminate(desk.worker.start())
    desk.sleep(3)
    assert desk.look() == 3


def test_every_task_has_a_grace_of_its_own(desk: Desk) -> None:
    """Also one that takes the place in memory of a task that was passed over."""
    for _ in range(20):
        run = desk.worker.start()
        desk.sleep(1)
        before = desk.elapsed
        assert desk.look() == before
        desk.loop.pass_time(0.06)
        assert desk.elapsed == before + 1
        for hold in list(desk.keeper.holds.open.values()):
            hold.release()
        desk.worker.terminate(run)


# -- workers that have gone -----------------------------------------------------------------------


def test_task_of_a_worker_elsewhere_stops_time_for_as_long_as_it_may_take(desk: Desk) -> None:
    desk.keeper.workers_are_ours = False
    run = desk.worker.start()
    desk.worker.workflow_task()
    desk.wait_for_close(run)
    desk.look()
    desk.loop.pass_time(9.9)
    assert desk.elapsed == 0
    desk.loop.pass_time(0.2)
    assert desk.elapsed == 10, "the workflow task has timed out"


def test_next_task_of_a_worker_elsewhere_has_a_time_of_its_own(desk: Desk) -> None:
    desk.keeper.workers_are_ours = False
    run = desk.worker.start()
    desk.wait_for_close(run)
    for _ in range(3):
        task = desk.worker.workflow_task()
        desk.look()
        desk.loop.pass_time(6)
        assert desk.elapsed == 0
        desk.worker.complete(task)
        desk.worker.signal(run)


def test_task_that_its_worker_gave_up_does_not_stop_time(desk: Desk) -> None:
    run = desk.worker.start()
    desk.worker.workflow_task()
    assert run.workflow_task is not None
    desk.wait_for_close(run)
    assert desk.look() == 0
    desk.keeper.abandon(run.workflow_task)
    assert desk.look() == 10


# -- nothing can happen ---------------------------------------------------------------------------


def test_wait_that_can_never_end_is_told(desk: Desk) -> None:
    desk.wait_for_close(desk.run())
    desk.look()
    assert desk.stuck == 1
    assert desk.elapsed == 0


def test_nothing_is_stuck_if_nobody_waits(desk: Desk) -> None:
    desk.run()
    desk.look()
    assert not desk.stuck


def test_query_alone_does_not_make_time_jump(desk: Desk) -> None:
    """No timer of a workflow can answer it."""
    run = desk.run(start_timer("reminder", 5))
    desk.worker.query(run)
    desk.look()
    desk.loop.pass_time(0.06)
    assert desk.elapsed == 0
    assert desk.stuck == 1


def test_query_at_a_sticky_queue_waits_until_it_is_sent_elsewhere(desk: Desk) -> None:
    worker = desk.worker
    worker.hang_up(worker.ask_for_workflow_task("sticky"))
    run = worker.start()
    worker.complete(worker.workflow_task(), sticky_queue="sticky", sticky_timeout=5)
    worker.query(run)
    desk.look()
    desk.loop.pass_time(0.06)
    assert desk.elapsed == 5


# -- other clocks ---------------------------------------------------------------------------------


def test_manual_time_does_not_move_by_itself() -> None:
    clock = ManualClock()
    loop = HandLoop()
    keeper = TimeKeeper(Service(clock), clock, loop.as_loop)
    started = clock.now()
    keeper.wait_until(
        started + SECOND, lambda error: None, keeper.holds.take("waits"), drives=False
    )
    keeper.notice()
    loop.run_ready()
    assert clock.now() == started


def test_time_that_does_not_skip_keeps_the_machines_pace(desk: Desk) -> None:
    desk.keeper.set_skipping(False)
    woken = desk.sleep(3, drives=False)
    desk.look()
    desk.loop.pass_time(2.9)
    assert not woken
    desk.loop.pass_time(0.2)
    assert woken == [None]
    assert desk.elapsed == 3


def test_time_that_does_not_skip_jumps_for_who_drives_it(desk: Desk) -> None:
    desk.keeper.set_skipping(False)
    desk.sleep(3)
    assert desk.look() == 3


def test_time_skips_again_from_where_the_machine_has_come(desk: Desk) -> None:
    desk.keeper.set_skipping(False)
    desk.loop.pass_time(2)
    desk.keeper.set_skipping(True)
    assert desk.elapsed == 2


# -- the loop -------------------------------------------------------------------------------------


def test_many_changes_are_looked_at_once(desk: Desk) -> None:
    for _ in range(5):
        desk.keeper.notice()
    assert desk.loop.run_ready() == 1


def test_change_after_the_end_is_harmless(desk: Desk) -> None:
    desk.loop.close()
    desk.keeper.notice()
    desk.keeper.notice()


def test_nothing_is_left_on_a_loop_that_time_has_moved_away_from(desk: Desk) -> None:
    desk.worker.start()
    desk.sleep(3)
    desk.look()
    desk.keeper.notice()
    other = HandLoop()
    desk.keeper.move_to(other.as_loop, thread_id=0)
    desk.loop.pass_time(60)
    assert desk.elapsed == 0
    desk.keeper.notice()
    other.pass_time(0.06)
    assert desk.elapsed == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda keeper: keeper.holds.take("a call").release(),
        lambda keeper: keeper.expect_poller_no_more(QUEUE),
        lambda keeper: keeper.set_skipping(True),
    ],
    ids=["a hold is released", "a worker has stopped", "time may skip"],
)
def test_rule_is_applied_when_something_changes(
    desk: Desk, change: Callable[[TimeKeeper], None]
) -> None:
    assert desk.loop.run_ready() == 0
    change(desk.keeper)
    assert desk.loop.run_ready() == 1
