"""What faults have delayed: it arrives after some virtual time."""

from __future__ import annotations

from collections.abc import Callable

from timeskip.clock import DueTime, Nanoseconds
from timeskip.lanes.time_keeper import TimeKeeper


class LateArrivals:
    """Everything that is on a long way, by the worker that sends or waits for it."""

    def __init__(self, keeper: TimeKeeper) -> None:
        self._keeper = keeper
        self._late: dict[str, dict[DueTime, Callable[[], None]]] = {}
        self._stopping: set[str] = set()

    def after(
        self,
        delay: Nanoseconds,
        arrive: Callable[[], None],
        worker: str,
        give_up: Callable[[], None],
    ) -> None:
        """Have something arrive later, or `give_up` if its worker is killed by then.

        What a client of the test waits for makes time pass; what a worker does, does not.
        """
        when = self._keeper.clock.now() + delay
        if not worker:
            hold = self._keeper.holds.take("something that a fault has delayed")

            def wake(error: BaseException | None) -> None:
                arrive()
                hold.release()

            self._keeper.wait_until(when, wake, hold)
            return

        def is_due() -> None:
            late.pop(due)
            self._keeper.returns_of_workers -= 1
            if not late:
                self._nothing_left(worker)
            arrive()

        late = self._late.setdefault(worker, {})
        due = self._keeper.clock.schedule(when, is_due)
        late[due] = give_up
        self._keeper.returns_of_workers += 1
        self._tell(worker, is_late=True)
        self._keeper.notice()

    def worker_stops(self, worker: str) -> None:
        """A worker that stops waits for what it has sent: that takes time."""
        if self._late.get(worker) and worker not in self._stopping:
            self._stopping.add(worker)
            self._keeper.stopping_workers += 1
            self._keeper.notice()

    def worker_dies(self, worker: str) -> None:
        """What a worker waits for is given up."""
        late = self._late.pop(worker, {})
        self._keeper.returns_of_workers -= len(late)
        self._nothing_left(worker)
        for due, give_up in late.items():
            due.cancel()
            give_up()

    def _nothing_left(self, worker: str) -> None:
        self._late.pop(worker, None)
        self._tell(worker, is_late=False)
        if worker in self._stopping:
            self._stopping.discard(worker)
            self._keeper.stopping_workers -= 1
            self._keeper.notice()

    def _tell(self, worker: str, *, is_late: bool) -> None:
        if self._keeper.on_late is not None:
            self._keeper.on_late(worker, is_late)
