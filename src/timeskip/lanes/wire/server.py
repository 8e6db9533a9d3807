"""A gRPC server for one simulated service, on a thread and an event loop of its own.

A thread of its own, because the loop of the test may be blocked (a synchronous test, a debugger, a
`time.sleep` in an async activity) while workers and clients have to be served.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar, cast

from google.protobuf.message import Message
from temporalio.client import Interceptor
from temporalio.service import (
    ConnectConfig,
    GrpcCompression,
    RetryConfig,
    RPCError,
)
from temporalio.worker import WorkerConfig

from timeskip.clock import Clock, RealClock, VirtualClock
from timeskip.lanes.activation_executor import ActivationExecutor
from timeskip.lanes.entrance import Entrance
from timeskip.lanes.guests import SimulatedServiceClient
from timeskip.lanes.time_keeper import Grace, TimeKeeper
from timeskip.lanes.wire.client import HoldingServiceClient
from timeskip.lanes.wire.completion_loop import CompletionLoop
from timeskip.lanes.wire.grpc_server import GrpcServer
from timeskip.lanes.wire.routing import Routing
from timeskip.sdk_exit import guard_exit
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.service import Service

Result = TypeVar("Result")

#: The only address that is ever bound.
HOST = "127.0.0.1"

_OPTIONS = (
    # Size is checked by `Routing`, in the words that SDKs know.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # SDKs ping idle connections; without this grpcio hangs up on them after a minute or two.
    ("grpc.http2.max_ping_strikes", 0),
    # Two servers on one port would share the calls between them; better to be told.
    ("grpc.so_reuseport", 0),
    # Thousands of workflows may be started at once. Beyond these limits, by default 1,000 and
    # 3,000, gRPC refuses calls at random, and with a code that SDKs do not try again.
    ("grpc.server.max_pending_requests", 1_000_000),
    ("grpc.server.max_pending_requests_hard_limit", 1_000_000),
)

#: As often as the SDK does unless told otherwise, but nothing here gets better by waiting.
_RETRIES = RetryConfig(initial_interval_millis=1, max_interval_millis=20)

#: For the answers to travel with which open calls end. They are written at once.
_FAREWELL_SECONDS = 0.5


class PortTaken(OSError):  # noqa: N818 - says what is the matter
    """The port that was asked for cannot be had: it is in use, or not for everybody."""


class NoThreads(RuntimeError):  # noqa: N818 - says what is the matter
    """What goes for threads are greenlets of one thread, in which two event loops cannot run."""


_NO_THREADS = (
    "the wire lane serves in a thread of its own, and `threading.Thread` begins none here: it has been "
    "replaced (by gevent's `monkey.patch_all`, for example). Use the direct lane, or run `timeskip "
    "serve` in a process of its own and connect to it."
)


class WireServer:
    """Serves one service until it is stopped.

    `port` 0 takes any free one; `address` says which. `start` and `stop` block and may be called from
    any thread, also from a running event loop; each is done within milliseconds. `grace` is how long
    time waits for workers that may be about to poll.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        clock: Clock | None = None,
        seed: int = 0,
        namespaces: Iterable[str] = ("default",),
        grace: Grace = Grace(),  # noqa: B008 - immutable
    ) -> None:
        self.clock = clock if clock is not None else VirtualClock()
        self.service = Service(self.clock, seed=seed, namespaces=namespaces)
        self.port = port
        self._loop = CompletionLoop()
        self.keeper = TimeKeeper(self.service, self.clock, self._loop, grace)
        self.client_interceptors: Sequence[Interceptor] = ()
        self.entrance: Entrance | None = None
        self._activations = ActivationExecutor()
        self._thread = threading.Thread(target=self._run, name="timeskip-wire", daemon=True)
        self._started: Future[None] = Future()
        self._stopping = asyncio.Event()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def start(self) -> None:
        """Begin to serve; raises `PortTaken` if the port is in use, `NoThreads` under gevent."""
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            raise

    def stop(self) -> None:
        """End open calls, and leave no thread, task or socket behind. Stopping twice is harmless."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self.keeper.holds.close()
        self._activations.shutdown()

    def configure_worker(self, config: WorkerConfig) -> None:
        """Have workflows run on the loop of their worker: to hand them to threads takes longer."""
        if config.get("workflow_task_executor") is None:
            # The SDK names a pool of threads, and uses it as any executor.
            config["workflow_task_executor"] = cast("ThreadPoolExecutor", self._activations)

    def connect(
        self,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
    ) -> SimulatedServiceClient:
        """A client that reaches the server by gRPC."""
        config = ConnectConfig(
            target_host=self.address,
            grpc_compression=GrpcCompression.NONE,
            retry_config=_RETRIES,
        )
        client = HoldingServiceClient(config, self.keeper, explain, before_call)
        # On the server's own loop, so that simulations can be made without a running one.
        asyncio.run_coroutine_threadsafe(client._connected_client(), self._loop).result()
        guard_exit()
        return client

    async def connect_as(
        self,
        config: ConnectConfig,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
    ) -> SimulatedServiceClient:
        """The same with options of the user's."""
        if config.retry_config is None:
            config = replace(config, retry_config=_RETRIES)
        client = HoldingServiceClient(config, self.keeper, explain, before_call)
        if not config.lazy:
            await client._connected_client()
        guard_exit()
        return client

    def enter(self) -> None:
        """The running event loop uses the simulation from now on. For any thread."""
        self.keeper.loops.watch_running_loop()

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` on the server's thread, where service and clock may be touched."""
        if threading.current_thread() is self._thread:
            return function()
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                future.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return future.result()

    def _run(self) -> None:
        if asyncio._get_running_loop() is not None:
            self._loop.close()
            self._started.set_exception(NoThreads(_NO_THREADS))
            return
        try:
            self.keeper.thread_id = threading.get_ident()
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._serve())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _serve(self) -> None:
        try:
            _require_free(self.port)
            routing = Routing(self.keeper)
            server = GrpcServer(self._loop, routing.handle, _OPTIONS)
            port = server.add_port(self.address)
            if port == 0:  # somebody else was faster
                raise PortTaken(f"cannot listen on {self.address}: the port is in use")
            self.port = port
            self.entrance = routing.entrance = Entrance(self.address)
            server.start()
        except BaseException as error:  # noqa: BLE001 - `start` raises it
            self._started.set_exception(error)
            return
        if isinstance(self.clock, RealClock):
            self.keeper.notice()
        self._started.set_result(None)
        await self._stopping.wait()
        self.service.close(ServiceError(StatusCode.UNAVAILABLE, "the server has stopped"))
        await server.stop(_FAREWELL_SECONDS)


def _require_free(port: int) -> None:
    """Find out whether the port can be had: grpcio gives no reason, and complains on stderr."""
    with socket.socket() as probe:
        # As grpcio does it, so that a server which has just ended is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {HOST}:{port}: {error.strerror}") from None
