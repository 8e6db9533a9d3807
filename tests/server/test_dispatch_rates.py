"""At which moments the tasks of a queue are given out to workers that want few of them a second."""

from __future__ import annotations

import math

import pytest
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueMetadata
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
)

from tests.conformance.commands import schedule_activity
from tests.server.engine_driver import Sent
from tests.server.hand_worker import QUEUE, HandWorker
from timeskip.clock import SECOND, Nanoseconds
from timeskip.server.errors import ServiceError, StatusCode


class Scene:
    """A workflow's activities that wait, and polls for them."""

    def __init__(self, activities: int) -> None:
        self.worker = HandWorker()
        self.start: Nanoseconds = self.worker.clock.now()
        self._activities = activities

    def poll(self, rate: float | None) -> Sent:
        metadata = None
        if rate is not None:
            metadata = TaskQueueMetadata()
            metadata.max_tasks_per_second.value = rate
        request = PollActivityTaskQueueRequest(
            namespace="default",
            task_queue=TaskQueue(name=QUEUE),
            identity="worker",
            task_queue_metadata=metadata,
        )
        return self.worker.send("PollActivityTaskQueue", request)

    def schedule(self) -> None:
        self.worker.start()
        self.worker.complete(
            self.worker.workflow_task(),
            *(
                schedule_activity(str(n), task_queue=QUEUE, start_to_close=1e6)
                for n in range(self._activities)
            ),
        )

    def pass_time(self, seconds: float) -> None:
        self.worker.advance_to(self.worker.clock.now() + int(seconds * SECOND))

    def moments(self, rate: float, end: float = 10) -> list[float]:
        """When tasks come to a worker with polls enough, in seconds from now."""
        polls = [self.poll(rate) for _ in range(self._activities)]
        began = self.worker.clock.now()
        moments: list[float] = []
        while True:
            now = self.worker.clock.now()
            given = sum(_is_task(poll) for poll in polls)
            moments += [round((now - began) / SECOND, 3)] * (given - len(moments))
            due = self.worker.service.next_due()
            if given == self._activities or due is None or due > began + end * SECOND:
                return moments
            self.worker.advance_to(due)


def _is_task(poll: Sent) -> bool:
    return isinstance(poll.answer, PollActivityTaskQueueResponse) and bool(poll.answer.task_token)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (1, [0, 0, 1, 2, 3]),
        (2, [0, 0, 0, 0.5, 1]),
        (2.5, [0, 0, 0, 0.2, 0.6]),
        (0.5, [0, 1, 3, 5, 7]),
        (4_000, [0, 0, 0, 0, 0]),
        (math.nan, [0, 0, 0, 0, 0]),
        (0, []),
        (-1, []),
    ],
)
def test_a_queue_that_has_rested_makes_up_for_a_second(rate: float, expected: list[float]) -> None:
    scene = Scene(activities=5)
    scene.schedule()
    assert scene.moments(rate) == expected


def test_the_first_tasks_without_a_rate_count_once_there_is_one() -> None:
    scene = Scene(activities=4)
    scene.schedule()
    assert _is_task(scene.poll(None))
    assert scene.moments(1, end=3) == [0, 1, 2]


@pytest.mark.parametrize("before", [0, 0.01])
def test_a_higher_rate_brings_the_next_task_nearer(before: float) -> None:
    scene = Scene(activities=4)
    scene.schedule()
    scene.poll(before)
    scene.poll(before)
    scene.pass_time(1)
    given = sum(map(_is_task, scene.worker.sent))
    scene.poll(0.5)
    scene.pass_time(2.9)
    assert sum(map(_is_task, scene.worker.sent)) == given
    scene.pass_time(0.1)
    assert sum(map(_is_task, scene.worker.sent)) == given + 1


def test_nothing_is_due_once_nobody_polls() -> None:
    scene = Scene(activities=2)
    scene.schedule()
    polls = [scene.poll(0.01), scene.poll(0.01)]
    assert [_is_task(poll) for poll in polls] == [True, False]
    before = scene.worker.service.next_due()
    scene.worker.hang_up(polls[1])
    after = scene.worker.service.next_due()
    assert before == scene.start + 99 * SECOND
    assert after is not None
    assert after > before


def test_a_task_that_nobody_needs_any_more_does_not_count() -> None:
    scene = Scene(activities=1)
    scene.schedule()
    run = scene.worker.runs[0]
    scene.worker.terminate(run)
    assert not _is_task(scene.poll(0.01))
    scene.schedule()
    assert sum(map(_is_task, scene.worker.sent)) == 1


def test_a_restart_forgets_the_rate() -> None:
    scene = Scene(activities=2)
    scene.schedule()
    scene.poll(0)
    scene.worker.service.restart(ServiceError(StatusCode.UNAVAILABLE, "restarted"))
    assert _is_task(scene.poll(None))
