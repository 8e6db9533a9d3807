"""Task queues that requests and commands name."""

from __future__ import annotations

import re
from typing import Final

from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.taskqueue.v1 import TaskQueue

from timeskip.server.errors import invalid_argument
from timeskip.server.validation.limits import is_too_long

_RESERVED_PREFIX: Final = "/_sys/"
_INTERNAL_QUEUE: Final = "temporal-sys-per-ns-tq"

_PARTITION_NUMBER: Final = re.compile(r"\+?[0-9]+")


def fill_kind(task_queue: TaskQueue) -> None:
    """A queue of unspecified kind is a normal one."""
    if task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_UNSPECIFIED:
        task_queue.kind = TaskQueueKind.TASK_QUEUE_KIND_NORMAL


def validate_task_queue(task_queue: TaskQueue | None) -> None:
    """Refuse a queue (None: not set) that nobody may poll or schedule on, with INVALID_ARGUMENT."""
    queue = _validate_lengths(task_queue)
    if queue.name.startswith(_RESERVED_PREFIX):
        raise invalid_argument(
            f"task queue name cannot start with reserved prefix {_RESERVED_PREFIX}"
        )


def validate_user_task_queue(task_queue: TaskQueue | None, parent_queue: str = "") -> None:
    """Refuse also the queue of the server's own workers, on which users may not schedule.

    `parent_queue` is the queue of the workflow whose command it is, or "" for a client's request.
    """
    validate_task_queue(task_queue)
    if task_queue is not None and task_queue.name == _INTERNAL_QUEUE:
        parent = f" (in parent component task queue: {parent_queue})" if parent_queue else ""
        raise invalid_argument(
            f"cannot use internal per-namespace task queue:{_INTERNAL_QUEUE}{parent}"
        )


def validate_task_queue_partition(task_queue: TaskQueue | None) -> None:
    """Refuse what is neither a queue nor a partition of one, such as `/_sys/orders/2`."""
    queue = _validate_lengths(task_queue)
    if queue.name.startswith(_RESERVED_PREFIX):
        name, _, number = queue.name.removeprefix(_RESERVED_PREFIX).rpartition("/")
        if not name or not _PARTITION_NUMBER.fullmatch(number) or int(number) == 0:
            raise invalid_argument(f"invalid task queue partition name {queue.name}")


def validate_normal_name(task_queue: TaskQueue) -> None:
    """Refuse a normal queue that names the normal queue behind it, as only a sticky queue may."""
    if task_queue.normal_name and task_queue.kind != TaskQueueKind.TASK_QUEUE_KIND_STICKY:
        raise invalid_argument(
            "only sticky queues can have normal name. "
            f"tq: {task_queue.name}, normal name: {task_queue.normal_name}"
        )


def _validate_lengths(task_queue: TaskQueue | None) -> TaskQueue:
    if task_queue is None:
        raise invalid_argument("taskQueue is not set")
    if not task_queue.name:
        raise invalid_argument("missing task queue name")
    sticky = task_queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
    if is_too_long(task_queue.name) or (sticky and is_too_long(task_queue.normal_name)):
        raise invalid_argument("taskQueue length exceeds limit")
    return task_queue
