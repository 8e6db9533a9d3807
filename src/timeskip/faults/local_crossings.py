"""Local activities come by as well, although the service never sees them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_task import ActivityTask

from timeskip.clock import duration_nanoseconds
from timeskip.errors import FaultImpossible
from timeskip.faults.crossings import Crossing
from timeskip.faults.line import FaultLine
from timeskip.faults.places import Place
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.errors import ServiceError


class LocalCrossing(Crossing):
    """A local activity that begins or has ended, in a worker that waits for `settle`."""

    def __init__(
        self,
        line: FaultLine,
        worker: str,
        places: Sequence[Place],
        moment: str,
        token: bytes,
        keeper: TimeKeeper,
        settle: Callable[[Failure | None], None],
    ) -> None:
        super().__init__(line, worker, places, [place.point(moment) for place in places])
        self._token = token
        self._keeper = keeper
        self._settle = settle

    def go_on(self) -> None:
        self._settle(None)

    def forget(self) -> None:
        # Whoever is left there is dead, and does nothing with it.
        self._settle(None)

    def delay(self, by: timedelta) -> None:
        waits, run_id = self._keeper.local_waits, self._place().run.run_id
        waits.attempt(run_id, self._token, waits=True)
        self._keeper.notice()

        def arrive() -> None:
            waits.finished(run_id, self._token)
            self._settle(None)

        self.line.late.after(duration_nanoseconds(by), arrive, self.worker, arrive)

    def fail_activity(self, failure: Failure) -> None:
        self._settle(failure)

    def lose(self) -> None:
        self._refuse()

    def time_out_activity(self) -> None:
        self._refuse()

    def repeat(self) -> None:
        self._refuse()

    def refuse(self, error: ServiceError) -> None:
        self._refuse()

    def _refuse(self) -> None:
        raise FaultImpossible(f"nothing is sent at {self.points[0]} that could be lost or refused")


class LocalActivityLine:
    """Implements `timeskip.lanes.watched_bridge.LocalActivityWatch`."""

    def __init__(self, line: FaultLine, keeper: TimeKeeper) -> None:
        self._line = line
        self._keeper = keeper

    async def __call__(self, worker: str, task: ActivityTask, *, begins: bool) -> Failure | None:
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[Failure | None] = loop.create_future()

        def settle(failure: Failure | None) -> None:
            with contextlib.suppress(RuntimeError):  # the worker's loop is closed
                loop.call_soon_threadsafe(_set, settled, failure)

        self.come_by(worker, task, begins=begins, settle=settle)
        return await settled

    def come_by(
        self,
        worker: str,
        task: ActivityTask,
        *,
        begins: bool,
        settle: Callable[[Failure | None], None],
    ) -> None:
        self._line.soon(partial(self._decide, worker, task, begins, settle))

    def _decide(
        self,
        worker: str,
        task: ActivityTask,
        begins: bool,
        settle: Callable[[Failure | None], None],
    ) -> None:
        start = task.start
        places = self._line.places_of_local_activity(
            start.workflow_execution.run_id, start.activity_type, start.activity_id, begins=begins
        )
        moment = "before-start" if begins else "before-report"
        self._line.decide(
            LocalCrossing(self._line, worker, places, moment, task.task_token, self._keeper, settle)
        )


def _set(settled: asyncio.Future[Failure | None], failure: Failure | None) -> None:
    if not settled.done():
        settled.set_result(failure)
