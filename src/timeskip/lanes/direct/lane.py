"""The direct lane: service, clients and workers on one event loop, with nothing in between."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from google.protobuf.message import Message
from temporalio.client import Interceptor
from temporalio.service import ConnectConfig, RPCError
from temporalio.worker import WorkerConfig

from timeskip.activity_time import held_elsewhere
from timeskip.clock import Clock, VirtualClock
from timeskip.lanes.activation_executor import ActivationExecutor
from timeskip.lanes.direct import seam
from timeskip.lanes.direct.client import DirectServiceClient
from timeskip.lanes.direct.custom_slots import DirectTuner
from timeskip.lanes.direct.loop import no_loop
from timeskip.lanes.direct.made_up_ids import MadeUpIds
from timeskip.lanes.entrance import Entrance
from timeskip.lanes.guests import IN_PROCESS, SimulatedServiceClient
from timeskip.lanes.holds import Hold
from timeskip.lanes.time_keeper import Grace, TimeKeeper
from timeskip.server.choices import choices_of
from timeskip.server.service import Service

if TYPE_CHECKING:
    from timeskip.lanes.direct.worker_access import WorkerAccess

Result = TypeVar("Result")


class _Grace(Grace):
    """Workers poll as soon as the loop lets them, so a quiet loop means that no poll is on its way.

    A thread of the test's may be about to start a worker.
    """

    def of_new_queue(self) -> float:
        return self.never_polled if _other_threads_run() else 0.0


_GRACE = _Grace(polled_before=0.0, expected=0.0)

#: Who clients and workers say that they are: the same in every process, for the sake of histories.
_IDENTITY = "timeskip"

#: A worker takes half as many turns of its event loop from its start to its first poll.
_TURNS_TO_BEGIN = 8

#: Tells the lanes of this process apart.
_NUMBERS = itertools.count(1)

#: Real seconds between two looks whether another loop than one's own still runs.
_LOOK_AGAIN = 0.1


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
        self.keeper.cores_are_simulated = True
        choices = choices_of(seed)
        self.service.cluster.choices = choices
        self.clock.rank = choices.rank
        self._activations = ActivationExecutor()
        self._moving = threading.Lock()
        self.entrance: Entrance | None = None
        #: Workers that have been made since somebody has waited for their like.
        self.new_workers: list[WorkerAccess] = []
        self.client_interceptors: Sequence[Interceptor] = (
            MadeUpIds(self.service.cluster.ids.uuid),
        )
        self.address = f"lane-{next(_NUMBERS)}{IN_PROCESS}:7233"

    def start(self) -> None:
        """Nothing runs yet; from now on workers with a direct client get the simulated core."""
        seam.install()

    def stop(self) -> None:
        """Nobody is served any more."""
        self.keeper.move_to(no_loop(), 0)
        self.keeper.holds.close()
        self._activations.shutdown()

    def enter(self) -> None:
        """Live on the running loop, unless another one that runs is home. For any thread."""
        keeper = self.keeper
        loop = asyncio.get_running_loop()
        if keeper.loop is loop:
            return
        keeper.loops.watch_running_loop()
        with self._moving:
            if not keeper.loop.is_running():
                keeper.move_to(loop, threading.get_ident())

    def at_home(
        self, make: Callable[[], Coroutine[Any, Any, Result]], *, gives_up: bool = False
    ) -> Coroutine[Any, Any, Result]:
        """To be awaited at once: the result of a coroutine that is made and run on the simulation's
        loop.

        It begins anew if that loop stops meanwhile and the simulation lives on another one.
        `gives_up`: raises if something blocks that loop for too long.
        """
        if self.keeper.loop is asyncio.get_running_loop():
            return make()
        return self._taken_home(make, gives_up=gives_up)

    async def _taken_home(
        self, make: Callable[[], Coroutine[Any, Any, Result]], *, gives_up: bool
    ) -> Result:
        while True:
            self.enter()
            home = self.keeper.loop
            if home is asyncio.get_running_loop():
                return await make()
            hold = self.keeper.holds.take("a call is on its way between two event loops")
            coroutine = _arrive(hold, make)
            try:
                # Not in the context of an activity: that belongs to its own loop, and has its time.
                there = Context().run(asyncio.run_coroutine_threadsafe, coroutine, home)
            except RuntimeError:  # it was closed just now
                coroutine.close()
                hold.release()
                continue
            try:
                await self._done_or_stopped(there, home, gives_up=gives_up)
                if there.done() and not there.cancelled():
                    return there.result()
            finally:
                if not home.is_closed():
                    there.cancel()
                hold.release()

    async def _done_or_stopped(
        self, there: Future[Any], home: asyncio.AbstractEventLoop, *, gives_up: bool
    ) -> None:
        """Wait on one loop for what goes on on another, but not if that does not run any more."""
        loop = asyncio.get_running_loop()
        # It may be an activity that waits for the answer to a call: that is not its work.
        with held_elsewhere():
            news = loop.create_future()

        def tell() -> None:
            if not news.done():
                news.set_result(None)

        def look() -> None:
            if not home.is_running():
                tell()
            elif news.done():
                return
            elif gives_up and self.keeper.standstill is not None:
                news.set_exception(self.keeper.standstill)
            else:
                loop.call_later(_LOOK_AGAIN, look)

        def done(_: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # it was not waited for
                loop.call_soon_threadsafe(tell)

        there.add_done_callback(done)
        Context().run(look)
        await news

    def expect(self, worker: WorkerAccess) -> None:
        """A worker has been made, and is about to poll."""
        self.new_workers = [each for each in self.new_workers if not each.has_begun]
        self.new_workers.append(worker)

    async def let_workers_begin(self) -> None:
        """Let workers that have just been made poll, as they do while a call is on its way.

        Otherwise whatever a test sends in a row to a new workflow would always reach it at once,
        which is rare in production. One that is not run yet is waited for once, and in vain.
        """
        for _ in range(_TURNS_TO_BEGIN):
            if all(worker.has_begun for worker in self.new_workers):
                break
            await asyncio.sleep(0)
        self.new_workers.clear()

    def tell_home(self, function: Callable[[], object]) -> None:
        """Have the simulation's loop call `function`; at once, if that is the running one."""
        home = self.keeper.loop
        if threading.get_ident() == self.keeper.thread_id or not home.is_running():
            function()
        else:
            home.call_soon_threadsafe(function)

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
        while self.keeper.standstill is None:
            done, _ = concurrent.futures.wait([future], _LOOK_AGAIN)
            if done:
                return future.result()
        if threading.current_thread() is threading.main_thread():
            # A synchronous test has failed of it, and is reported. The loop's thread, which is
            # blocked in code of the user's, touches nothing meanwhile.
            return function()
        raise self.keeper.standstill

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
        before_call: Callable[[Message], None],
    ) -> SimulatedServiceClient:
        """A client that calls the service in process."""
        config = ConnectConfig(target_host=self.address, identity=_IDENTITY)
        return DirectServiceClient(config, self, explain, before_call)

    async def connect_as(
        self,
        config: ConnectConfig,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
    ) -> SimulatedServiceClient:
        """The same with options of the user's, of which those of the transport mean nothing here."""
        if config.identity == ConnectConfig(target_host=config.target_host).identity:
            config = replace(config, identity=_IDENTITY)
        return DirectServiceClient(config, self, explain, before_call)


def _other_threads_run() -> bool:
    """Whether there are threads that are neither the first nor a simulation's."""
    return any(
        not thread.name.startswith(("timeskip", "MainThread")) for thread in threading.enumerate()
    )


async def _arrive(hold: Hold, make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What `make` makes, once it has reached its loop."""
    hold.release()
    return await make()
