"""The clients of a simulation: its own, and those that a test connects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import temporalio.client
import temporalio.worker
from google.protobuf.message import Message
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import ConnectConfig, RPCError, ServiceClient

from timeskip.assertion_failures import AssertionFailures
from timeskip.lanes import guests
from timeskip.lanes.lane import Lane


class Clients:
    """Makes clients of one service; until `close` everybody in this process can, by its address.

    `explain` and `before_call` are those of `Lane.connect`; `worker_plugins` are for the workers of
    all these clients.
    """

    def __init__(
        self,
        server: Lane,
        namespace: str,
        *,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
        worker_plugins: Sequence[temporalio.worker.Plugin],
    ) -> None:
        self._server = server
        self._namespace = namespace
        self._explain = explain
        self._before_call = before_call
        self._worker_plugins = worker_plugins
        guests.install()
        guests.receive(server.address, self._receive)

    def close(self) -> None:
        """The service ends."""
        guests.dismiss(self._server.address)

    def make(
        self,
        data_converter: DataConverter,
        interceptors: Sequence[temporalio.client.Interceptor],
        plugins: Sequence[temporalio.client.Plugin],
    ) -> Client:
        """The simulation's own client, which needs no running event loop."""
        return Client(
            self._connection(),
            namespace=self._namespace,
            data_converter=data_converter,
            interceptors=self._completed(interceptors),
            plugins=plugins,
        )

    def another(self, client: Client) -> Client:
        """The same client with a connection of its own, as another process would have it."""
        config = client.config()
        config["service_client"] = self._connection()
        return Client(**config)

    async def connect(
        self, *, interceptors: Sequence[temporalio.client.Interceptor] = (), **options: Any
    ) -> Client:
        """Another one, with options as of `Client.connect`."""
        return await Client.connect(
            self._server.address,
            interceptors=self._completed(interceptors),
            **{"namespace": self._namespace, **options},
        )

    async def _receive(self, config: ConnectConfig) -> ServiceClient:
        client = await self._server.connect_as(config, self._explain, self._before_call)
        client.worker_plugins = self._worker_plugins
        return client

    def _connection(self) -> ServiceClient:
        service_client = self._server.connect(self._explain, self._before_call)
        service_client.worker_plugins = self._worker_plugins
        return service_client

    def _completed(
        self, interceptors: Sequence[temporalio.client.Interceptor]
    ) -> list[temporalio.client.Interceptor]:
        return [*interceptors, *self._server.client_interceptors, AssertionFailures()]
