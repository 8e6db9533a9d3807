"""Clients of a simulation that it has not made itself, and their workers.

Suites connect further clients by the address of the first one, to give them another data converter or
other interceptors, or build them around its service client. Both have to reach the same simulation, and
their workers need what the workers of its own client get from that.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import temporalio.client
import temporalio.worker
from temporalio.service import ConnectConfig, ServiceClient, _BridgeServiceClient
from temporalio.worker import Worker

from timeskip.errors import SimulationClosed

#: No name server knows such names, so nobody else can ever be reached instead.
IN_PROCESS = ".timeskip.invalid"
"""How the host names of services end that can be reached in their own process only."""

Connect = Callable[[ConnectConfig], Awaitable[ServiceClient]]

_services: dict[str, Connect] = {}


class SimulatedServiceClient(_BridgeServiceClient):
    """A service client of a simulation."""

    #: For all workers of clients around this one.
    worker_plugins: Sequence[temporalio.worker.Plugin] = ()


_connect_elsewhere = ServiceClient.connect
_make_worker = Worker.__init__


def install() -> None:
    """Redirect `ServiceClient.connect` and `Worker`; doing it twice is harmless."""
    ServiceClient.connect = staticmethod(_connect)  # type: ignore[method-assign]
    Worker.__init__ = _made  # type: ignore[method-assign]


def receive(address: str, connect: Connect) -> None:
    """From now on clients of this process that ask for `address` are made by `connect`."""
    _services[address] = connect


def dismiss(address: str) -> None:
    """The service at `address` has ended."""
    _services.pop(address, None)


async def _connect(config: ConnectConfig) -> ServiceClient:
    address = config.target_host.replace("localhost:", "127.0.0.1:")
    connect = _services.get(address)
    if connect is not None:
        return await connect(config)
    if address.partition(":")[0].endswith(IN_PROCESS):
        raise SimulationClosed(
            f"the simulation whose address was {address!r} has ended, or is one of another process, "
            'which only lane="wire" lets clients reach'
        )
    return await _connect_elsewhere(config)


@functools.wraps(_make_worker)
def _made(self: Worker, client: temporalio.client.Client, *given: Any, **options: Any) -> None:
    service_client = client.service_client.worker_service_client
    if isinstance(service_client, SimulatedServiceClient):
        options["plugins"] = [*options.get("plugins", ()), *service_client.worker_plugins]
    _make_worker(self, client, *given, **options)
