"""What a fault may do with a request on its way to the service, or with an answer on its way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from temporalio.api.failure.v1 import Failure

from timeskip.faults.crash_points import CrashPoint
from timeskip.server.errors import ServiceError


class Passage(Protocol):
    """Something that comes by the places of `points`; it waits there for the verdict of one rule.

    A verdict calls exactly one of the methods that say how it goes on, and may call others before.
    """

    @property
    def points(self) -> Sequence[CrashPoint]:
        """Where it is, the most specific first."""
        ...

    @property
    def worker(self) -> str:
        """The identity of the worker that reports or is served; empty for other clients."""
        ...

    # -- how it goes on -----------------------------------------------------------------------

    def go_on(self) -> None:
        """As if nothing were the matter."""
        ...

    def forget(self) -> None:
        """It arrives nowhere, and there is nobody left who would notice: the worker was killed."""
        ...

    def lose(self) -> None:
        """It arrives nowhere. Who waits for it sees a broken connection and may try again."""
        ...

    def delay(self, by: timedelta) -> None:
        """It arrives after so much virtual time, in which it stops nobody's clock."""
        ...

    def repeat(self) -> None:
        """The service gets the request twice. A task is not handed out twice: that is refused."""
        ...

    def refuse(self, error: ServiceError) -> None:
        """The caller gets an error instead of an answer. A request does not reach the service."""
        ...

    def fail_activity(self, failure: Failure) -> None:
        """The attempt of an activity that this is about fails, whatever its code does or did."""
        ...

    def time_out_activity(self) -> None:
        """The attempt of an activity that this is about is lost, and nobody but time notices."""
        ...

    # -- what else may happen -----------------------------------------------------------------

    def kill_worker(self, restart_after: timedelta | None) -> None:
        """`worker` is gone with all that it held. Another takes its place, if not None."""
        ...

    def kill_all_workers(self, restart_after: timedelta | None) -> None:
        """All workers are gone, and come back."""
        ...

    def terminate_worker(self, restart_after: timedelta | None) -> None:
        """`worker` shuts down, and gives in what it has. Another takes its place, if not None."""
        ...

    def stop_worker(self, length: timedelta) -> None:
        """`worker` hangs for so much virtual time; its open calls stay open."""
        ...

    def evict_workflow(self) -> None:
        """The worker loses what it has cached of the workflow as soon as it does not work on it."""
        ...

    def drop_sticky_queue(self) -> None:
        """The service forgets which worker has the workflow cached."""
        ...

    def partition_worker(self, length: timedelta) -> None:
        """Whatever the worker sends or is sent arrives only after so much virtual time."""
        ...

    def restart_server(self) -> None:
        """All open calls break, and what the service holds only in memory is gone."""
        ...
