"""Task queues: tasks that wait for a poller, and pollers that wait for a task."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from temporalio.api.common.v1 import WorkerVersionCapabilities
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import TaskQueueType

from timeskip.clock import SECOND, DueTime, Nanoseconds
from timeskip.server.calls import Call
from timeskip.server.dispatch_rates import DispatchRate

if TYPE_CHECKING:
    from timeskip.server.cluster import Cluster

#: A worker that has not polled for so long is forgotten, and a sticky queue that nobody has polled is
#: let go of, as a real server does it.
_DESERTED: Nanoseconds = 300 * SECOND

#: So many of these are looked for when a new one begins. If it were one, they could become ever more.
_LOOKS = 2

#: A sticky queue that nobody polled for this long counts as having no worker.
STICKY_WORKER_GONE: Nanoseconds = 10 * SECOND


class Task(Protocol):
    """Something a worker can be given. `dispatch` answers the poll, or returns False if it is stale."""

    def dispatch(self, poll: Call) -> bool: ...

    @property
    def workflow_id(self) -> str: ...

    @property
    def is_stale(self) -> bool:
        """Whether events have overtaken the task, so that no worker will be given it."""


class PollerInfo(NamedTuple):
    """One worker as `DescribeTaskQueue` shows it."""

    identity: str
    last_access: Nanoseconds
    version: WorkerVersionCapabilities | None = None
    deployment: WorkerDeploymentOptions | None = None
    #: How many tasks a second it wants, if it says so.
    rate_per_second: float | None = None


class TaskQueue:
    """First in, first out on both sides, unless the cluster chooses otherwise."""

    __slots__ = (
        "kind",
        "name",
        "namespace",
        "next_dispatch",
        "pollers",
        "polls",
        "rate",
        "shut_down",
        "tasks",
    )

    def __init__(self, namespace: str, name: str, kind: TaskQueueType.ValueType) -> None:
        self.namespace = namespace
        self.name = name
        self.kind = kind
        self.tasks: deque[Task] = deque()
        self.polls: dict[Call, None] = {}
        #: By identity, the one that has polled last at the end.
        self.pollers: dict[str, PollerInfo] = {}
        self.shut_down = False
        self.rate = DispatchRate()
        #: When a task will be given to a poll that waits for one, if the rate is what keeps it.
        self.next_dispatch: DueTime | None = None

    def last_polled(self) -> Nanoseconds | None:
        return next((poller.last_access for poller in reversed(self.pollers.values())), None)

    def polled_by(self, worker: PollerInfo) -> None:
        """Remember who polls, and forget who has not done so for long."""
        self.pollers.pop(worker.identity, None)
        self.pollers[worker.identity] = worker
        while True:
            eldest = next(iter(self.pollers.values()))
            if worker.last_access - eldest.last_access < _DESERTED:
                return
            del self.pollers[eldest.identity]

    def forget_workers(self) -> None:
        """Nobody is known to have polled, nor to have asked for a rate."""
        self.pollers.clear()
        self.rate = DispatchRate()


class TaskQueues:
    """All task queues of a cluster. Matching happens in `match`, after a request was handled in full."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._queues: dict[tuple[str, str, int], TaskQueue] = {}
        self._matchable: dict[TaskQueue, None] = {}
        self._sticky: deque[TaskQueue] = deque()
        self.on_unmatched: Callable[[TaskQueue], None] | None = None

    def queue(self, namespace: str, name: str, kind: TaskQueueType.ValueType) -> TaskQueue:
        key = (namespace, name, kind)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = TaskQueue(namespace, name, kind)
        return queue

    def sticky_queue(self, namespace: str, name: str) -> TaskQueue:
        """The queue that only one worker polls, and nobody once that worker is gone."""
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        is_new = (namespace, name, kind) not in self._queues
        queue = self.queue(namespace, name, kind)
        if is_new:
            for _ in range(min(_LOOKS, len(self._sticky))):
                self._let_go_if_deserted(self._sticky.popleft())
            self._sticky.append(queue)
        return queue

    def _let_go_if_deserted(self, queue: TaskQueue) -> None:
        last = queue.last_polled()
        recently = last is not None and self._cluster.clock.now() - last < _DESERTED
        if recently or queue.polls or queue.tasks:
            self._sticky.append(queue)
        else:
            del self._queues[queue.namespace, queue.name, queue.kind]

    def existing(
        self, namespace: str, name: str, kind: TaskQueueType.ValueType
    ) -> TaskQueue | None:
        return self._queues.get((namespace, name, kind))

    def __iter__(self) -> Iterator[TaskQueue]:
        return iter(self._queues.values())

    def waiting(self) -> Iterator[TaskQueue]:
        """Queues that hold tasks which no poller took and which somebody still needs."""
        for queue in self._queues.values():
            if not queue.tasks:
                continue
            if any(task.is_stale for task in queue.tasks):
                queue.tasks = deque(task for task in queue.tasks if not task.is_stale)
            if queue.tasks:
                yield queue

    def add(self, queue: TaskQueue, task: Task) -> None:
        queue.tasks.append(task)
        self._matchable[queue] = None

    def poll(self, queue: TaskQueue, call: Call, worker: PollerInfo) -> None:
        """Let `call` of this worker wait for a task of `queue`."""
        queue.polled_by(worker)
        queue.rate.ask(worker.rate_per_second, self._cluster.clock.now())
        queue.shut_down = False
        queue.polls[call] = None
        self._matchable[queue] = None

    def forget_poll(self, queue: TaskQueue, call: Call) -> None:
        queue.polls.pop(call, None)
        self._matchable[queue] = None

    def has_sticky_worker(self, queue: TaskQueue) -> bool:
        """Whether the worker behind a sticky queue is still there."""
        if queue.shut_down:
            return False
        if queue.polls:
            return True
        last = queue.last_polled()
        return last is not None and self._cluster.clock.now() - last < STICKY_WORKER_GONE

    def match(self) -> None:
        """Give tasks to pollers until one side of each queue is empty, or its rate is reached."""
        choices = self._cluster.choices
        now = self._cluster.clock.now()
        while self._matchable:
            queue = next(iter(self._matchable))
            del self._matchable[queue]
            while queue.tasks and queue.polls and queue.rate.allows(now):
                poll = next(islice(queue.polls, choices.one_of(len(queue.polls)), None))
                place = choices.one_of(len(queue.tasks))
                task = queue.tasks[place]
                del queue.tasks[place]
                if task.dispatch(poll):
                    queue.polls.pop(poll, None)
                    queue.rate.spend(now)
            self._await_next_dispatch(queue)

    def _await_next_dispatch(self, queue: TaskQueue) -> None:
        ready = queue.rate.ready if queue.tasks and queue.polls else None
        if queue.next_dispatch is not None:
            if queue.next_dispatch.when == ready and not queue.next_dispatch.cancelled:
                return
            queue.next_dispatch.cancel()
            queue.next_dispatch = None
        if ready is not None:
            queue.next_dispatch = self._cluster.clock.schedule(
                ready, lambda: self._matchable.update({queue: None})
            )
