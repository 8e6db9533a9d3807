"""What a simulation needs of a lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol, TypeVar

from temporalio.client import Interceptor
from temporalio.service import RPCError, ServiceClient

from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.service import Service

Result = TypeVar("Result")


class Lane(Protocol):
    """A way for clients and workers to reach one simulated service."""

    service: Service
    keeper: TimeKeeper
    workflow_task_executor: Executor | None
    """What runs the code of workflows; None stands for the SDK's own threads."""
    client_interceptors: Sequence[Interceptor]
    """What clients need besides."""

    def start(self) -> None:
        """Begin to serve."""
        ...

    def stop(self) -> None:
        """End open calls, and leave no thread, task or socket behind."""
        ...

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` where service and clock may be touched."""
        ...

    def connect(
        self,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[bool], None],
    ) -> ServiceClient:
        """A client of the service that tells the clock what it does.

        `explain` turns a gRPC error that stands for an exception of the simulation into that one;
        `before_call` is called before every call, is told whether it waits for time, and may
        raise.
        """
        ...
