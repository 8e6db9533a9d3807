"""The direct lane: service, clients and workers on one event loop, with nothing in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

from temporalio.client import Interceptor
from temporalio.service import ConnectConfig, RPCError, ServiceClient
from temporalio.worker import WorkerConfig

from timeskip.clock import Clock, VirtualClock
from timeskip.lanes.direct import seam
from timeskip.lanes.direct.activation_executor import ActivationExecutor
from timeskip.lanes.direct.client import DirectServiceClient
from timeskip.lanes.direct.custom_slots import DirectTuner
from timeskip.lanes.direct.loop import no_loop
from timeskip.lanes.direct.made_up_ids import MadeUpIds
from timeskip.lanes.time_keeper import Grace, TimeKeeper
from timeskip.server.choices import choices_of
from timeskip.server.service import Service

Result = TypeVar("Result")

#: Workers poll as soon as the loop lets them, so a quiet loop means that no poll is on its way.
_GRACE = Grace(polled_before=0.0, never_polled=0.0, expected=0.0)

#: Who clients and workers say that they are: the same in every process, for the sake of histories.
_IDENTITY = "timeskip"


class DirectLane:
    """A service that lives on the event loop of the first client or worker that uses it.

    Everything happens on that loop, one thing after the other, so one seed gives one history.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        namespaces: Iterable[str] = ("default",),
    ) -> None:
        self.clock = clock if clock is not None else VirtualClock()
        self.service = Service(self.clock, seed=seed, namespaces=namespaces)
        self.keeper = TimeKeeper(self.service, self.clock, no_loop(), _GRACE)
        choices = choices_of(seed)
        self.service.cluster.choices = choices
        self.clock.rank = choices.rank
        self._activations = ActivationExecutor()
        self.client_interceptors: Sequence[Interceptor] = (
            MadeUpIds(self.service.cluster.ids.uuid),
        )

    def start(self) -> None:
        """Nothing runs yet; from now on workers with a direct client get the simulated core."""
        seam.install()

    def stop(self) -> None:
        """Nobody is served any more."""
        self.keeper.move_to(no_loop(), 0)
        self._activations.shutdown()

    def bind(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Live on `loop`, which is running, unless another one runs already; whether it does."""
        home = self.keeper.loop
        if home is loop:
            return True
        if home.is_running():
            return False
        self.keeper.move_to(loop, threading.get_ident())
        self.keeper.loops.watch_running_loop()
        return True

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` where service and clock may be touched."""
        loop = self.keeper.loop
        if not loop.is_running() or threading.get_ident() == self.keeper.thread_id:
            return function()
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                future.set_exception(error)

        loop.call_soon_threadsafe(run)
        return future.result()

    def configure_worker(self, config: WorkerConfig) -> None:
        """Have workflows run on the loop, and slot suppliers within reach."""
        if config.get("workflow_task_executor") is None:
            # The SDK names a pool of threads, and uses it as any executor.
            config["workflow_task_executor"] = cast("ThreadPoolExecutor", self._activations)
        tuner = config.get("tuner")
        if tuner is not None:
            config["tuner"] = DirectTuner(tuner)

    def connect(
        self,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[bool], None],
    ) -> ServiceClient:
        """A client that calls the service in process."""
        config = ConnectConfig(target_host="direct", identity=_IDENTITY)
        return DirectServiceClient(config, self, explain, before_call)
