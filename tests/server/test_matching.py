"""Task queues: who gets which task, and which tasks still count."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse

from tests.conformance.commands import schedule_activity
from tests.server.engine_driver import Sent
from tests.server.hand_worker import QUEUE, HandWorker
from timeskip.clock import SECOND


def workflow_of(sent: Sent) -> str:
    assert isinstance(sent.answer, PollWorkflowTaskQueueResponse)
    return sent.answer.workflow_execution.workflow_id


def test_oldest_task_goes_first() -> None:
    worker = HandWorker()
    for workflow_id in ("first", "second", "third"):
        worker.start(workflow_id)
    given = [worker.workflow_task().workflow_execution.workflow_id for _ in range(3)]
    assert given == ["first", "second", "third"]


def test_poller_that_waited_longest_is_served_first() -> None:
    worker = HandWorker()
    polls = [worker.ask_for_workflow_task() for _ in range(3)]
    worker.start("first")
    worker.start("second")
    assert [workflow_of(poll) for poll in polls[:2]] == ["first", "second"]
    assert polls[2].is_open


def test_poller_that_has_hung_up_gets_no_task() -> None:
    worker = HandWorker()
    gone, waiting = worker.ask_for_workflow_task(), worker.ask_for_workflow_task()
    worker.hang_up(gone)
    worker.start()
    assert workflow_of(waiting) == "order"


def test_poller_that_lost_its_patience_gets_an_empty_answer() -> None:
    worker = HandWorker()
    poll = worker.ask_for_workflow_task()
    worker.expire(poll)
    assert poll.answers == [PollWorkflowTaskQueueResponse()]
    worker.start()
    assert worker.workflow_task().task_token


def test_task_that_events_have_overtaken_does_not_wait() -> None:
    worker = HandWorker()
    run = worker.start()
    assert [queue.name for queue in worker.cluster.queues.waiting()] == [QUEUE]
    worker.terminate(run)
    assert not list(worker.cluster.queues.waiting())


def test_activity_task_of_an_earlier_attempt_does_not_wait() -> None:
    worker = HandWorker()
    worker.start()
    activity = schedule_activity("charge", task_queue=QUEUE, schedule_to_start=5, start_to_close=5)
    worker.complete(worker.workflow_task(), activity)
    worker.jump()
    kinds = {queue.kind for queue in worker.cluster.queues.waiting()}
    assert len(kinds) == 1, "only the workflow task that tells of the timeout"


def test_sticky_worker_is_there_while_it_polls() -> None:
    worker = HandWorker()
    poll = worker.ask_for_workflow_task("sticky")
    worker.advance_to(worker.clock.now() + 60 * SECOND)
    run = worker.start()
    worker.complete(worker.workflow_task(), sticky_queue="sticky")
    worker.signal(run)
    assert workflow_of(poll) == "order"


def test_sticky_worker_is_gone_ten_seconds_after_its_last_poll() -> None:
    worker = HandWorker()
    worker.hang_up(worker.ask_for_workflow_task("sticky"))
    run = worker.start()
    worker.complete(worker.workflow_task(), sticky_queue="sticky")
    worker.advance_to(worker.clock.now() + 10 * SECOND)
    worker.signal(run)
    assert worker.workflow_task(QUEUE).workflow_execution.workflow_id == "order"


def test_sticky_worker_that_polled_just_now_is_waited_for() -> None:
    worker = HandWorker()
    worker.hang_up(worker.ask_for_workflow_task("sticky"))
    run = worker.start()
    worker.complete(worker.workflow_task(), sticky_queue="sticky", sticky_timeout=5)
    worker.signal(run)
    other = worker.ask_for_workflow_task(QUEUE)
    assert other.is_open
    worker.jump()
    assert worker.clock.now() == run.start_time + 5 * SECOND
    assert workflow_of(other) == "order"
