"""User timers: `StartTimer`, `CancelTimer` and the firing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.command.v1 import StartTimerCommandAttributes
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    HistoryEvent,
    TimerCanceledEventAttributes,
    TimerFiredEventAttributes,
    TimerStartedEventAttributes,
)

from timeskip.clock import DueTime
from timeskip.server import workflow_tasks
from timeskip.server.applied_events import applies

if TYPE_CHECKING:
    from timeskip.server.run import Run


class UserTimer:
    """A timer that is running."""

    __slots__ = ("due", "started_event_id", "timer_id")

    def __init__(self, timer_id: str, started_event_id: int, due: DueTime) -> None:
        self.timer_id = timer_id
        self.started_event_id = started_event_id
        self.due = due


def start(run: Run, attributes: StartTimerCommandAttributes, completed_id: int) -> HistoryEvent:
    return run.add(
        EventType.EVENT_TYPE_TIMER_STARTED,
        TimerStartedEventAttributes(
            timer_id=attributes.timer_id,
            start_to_fire_timeout=attributes.start_to_fire_timeout,
            workflow_task_completed_event_id=completed_id,
        ),
    )


@applies(EventType.EVENT_TYPE_TIMER_STARTED)
def _set(run: Run, event: HistoryEvent) -> None:
    started = event.timer_started_event_attributes
    due = run.cluster.clock.schedule(
        event.event_time.ToNanoseconds() + started.start_to_fire_timeout.ToNanoseconds(),
        lambda: _fire_expired(run),
    )
    run.timers[started.timer_id] = UserTimer(started.timer_id, event.event_id, due)


@applies(EventType.EVENT_TYPE_TIMER_FIRED)
def _note_firing(run: Run, event: HistoryEvent) -> None:
    run.timers.pop(event.timer_fired_event_attributes.timer_id).due.cancel()


@applies(EventType.EVENT_TYPE_TIMER_CANCELED)
def _note_cancellation(run: Run, event: HistoryEvent) -> None:
    timer = run.timers.pop(event.timer_canceled_event_attributes.timer_id, None)
    if timer is not None:
        timer.due.cancel()


def cancel(run: Run, timer_id: str, completed_id: int, identity: str) -> HistoryEvent:
    """Cancel a running timer, or one whose firing the workflow has not seen yet."""
    timer = run.timers.get(timer_id)
    if timer is not None:
        started_event_id = timer.started_event_id
    else:
        fired = run.history.take_buffered_timer_fired(timer_id)
        if fired is None:
            raise AssertionError(f"commands were checked, yet timer {timer_id!r} is unknown")
        started_event_id = fired.timer_fired_event_attributes.started_event_id
    return run.add(
        EventType.EVENT_TYPE_TIMER_CANCELED,
        TimerCanceledEventAttributes(
            timer_id=timer_id,
            started_event_id=started_event_id,
            workflow_task_completed_event_id=completed_id,
            identity=identity,
        ),
    )


def _fire_expired(run: Run) -> None:
    """Fire every timer of the run that is due by now, as one change, in the order of their due times."""
    now = run.cluster.clock.now()
    expired = sorted(
        (timer for timer in run.timers.values() if timer.due.when <= now),
        key=lambda timer: (timer.due.when, timer.started_event_id),
    )
    for timer in expired:
        run.add(
            EventType.EVENT_TYPE_TIMER_FIRED,
            TimerFiredEventAttributes(
                timer_id=timer.timer_id, started_event_id=timer.started_event_id
            ),
        )
    workflow_tasks.schedule_if_needed(run)
    run.commit()
