"""What a simulation needs of a lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from google.protobuf.message import Message
from temporalio.client import Interceptor
from temporalio.service import ConnectConfig, RPCError
from temporalio.worker import WorkerConfig

from timeskip.lanes.entrance import Entrance
from timeskip.lanes.guests import SimulatedServiceClient
from timeskip.lanes.time_keeper import TimeKeeper
from timeskip.server.service import Service

Result = TypeVar("Result")


class Lane(Protocol):
    """A way for clients and workers to reach one simulated service."""

    service: Service
    keeper: TimeKeeper
    client_interceptors: Sequence[Interceptor]
    """What clients need besides."""
    entrance: Entrance | None
    """How other processes reach the service, once it is served; None if they cannot."""

    @property
    def address(self) -> str:
        """What clients of this process call its host and port."""
        ...

    def start(self) -> None:
        """Begin to serve."""
        ...

    def stop(self) -> None:
        """End open calls, and leave no thread, task or socket behind."""
        ...

    def enter(self) -> None:
        """The running event loop uses the simulation from now on. For any thread."""
        ...

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` where service and clock may be touched."""
        ...

    def configure_worker(self, config: WorkerConfig) -> None:
        """Change what the lane needs to be different in a worker that is being made."""
        ...

    def connect(
        self,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
    ) -> SimulatedServiceClient:
        """A client of the service that tells the clock what it does.

        `explain` turns a gRPC error that stands for an exception of the simulation into that one;
        `before_call` is called with the request of every call before it is sent, and may raise.
        """
        ...

    async def connect_as(
        self,
        config: ConnectConfig,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
    ) -> SimulatedServiceClient:
        """The same with options of the user's."""
        ...
