from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue

from tests.server.validation.refusals import refusal
from timeskip.server.validation.task_queues import (
    fill_kind,
    validate_normal_name,
    validate_task_queue,
    validate_task_queue_partition,
    validate_user_task_queue,
)

STICKY = TaskQueueKind.TASK_QUEUE_KIND_STICKY
NORMAL = TaskQueueKind.TASK_QUEUE_KIND_NORMAL


@pytest.mark.parametrize(
    ("task_queue", "message"),
    [
        (None, "taskQueue is not set"),
        (TaskQueue(), "missing task queue name"),
        (TaskQueue(name="q" * 1001), "taskQueue length exceeds limit"),
        (TaskQueue(name="é" * 501), "taskQueue length exceeds limit"),
        (
            TaskQueue(name="q", kind=STICKY, normal_name="n" * 1001),
            "taskQueue length exceeds limit",
        ),
        (
            TaskQueue(name="/_sys/q/1"),
            "task queue name cannot start with reserved prefix /_sys/",
        ),
    ],
)
def test_validate_task_queue_refuses(task_queue: TaskQueue | None, message: str) -> None:
    assert refusal(validate_task_queue, task_queue) == message


def test_validate_task_queue_accepts_the_longest_name() -> None:
    validate_task_queue(TaskQueue(name="q" * 1000))


def test_validate_user_task_queue_refuses_the_internal_queue() -> None:
    internal = TaskQueue(name="temporal-sys-per-ns-tq")
    validate_task_queue(internal)
    assert (
        refusal(validate_user_task_queue, internal)
        == "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq"
    )
    assert refusal(validate_user_task_queue, internal, "orders") == (
        "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq "
        "(in parent component task queue: orders)"
    )


@pytest.mark.parametrize("name", ["orders", "/_sys/orders/1", "/_sys/a/b/12"])
def test_validate_task_queue_partition_accepts(name: str) -> None:
    validate_task_queue_partition(TaskQueue(name=name))


@pytest.mark.parametrize(
    "name", ["/_sys/orders", "/_sys/orders/0", "/_sys/orders/x", "/_sys//1", "/_sys/"]
)
def test_validate_task_queue_partition_refuses(name: str) -> None:
    message = refusal(validate_task_queue_partition, TaskQueue(name=name))
    assert message == f"invalid task queue partition name {name}"


def test_validate_normal_name_is_for_sticky_queues_only() -> None:
    validate_normal_name(TaskQueue(name="q", kind=STICKY, normal_name="n"))
    message = refusal(validate_normal_name, TaskQueue(name="q", kind=NORMAL, normal_name="n"))
    assert message == "only sticky queues can have normal name. tq: q, normal name: n"


def test_fill_kind_makes_an_unspecified_queue_normal() -> None:
    queue = TaskQueue(name="q")
    fill_kind(queue)
    assert queue.kind == NORMAL
    sticky = TaskQueue(name="q", kind=STICKY)
    fill_kind(sticky)
    assert sticky.kind == STICKY
