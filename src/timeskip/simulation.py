"""`Simulation`: a simulated Temporal service with a virtual clock, and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

import temporalio.client
import temporalio.common
import temporalio.converter
from google.protobuf.message import Message
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

import timeskip.histories
from timeskip import activity_time, frozen_time, running
from timeskip.activity_time import ActivityTime
from timeskip.clients import Clients
from timeskip.clock import (
    DEFAULT_START,
    END,
    ClockName,
    ManualClock,
    RealClock,
    clock_named,
    datetime_of,
    duration_nanoseconds,
    nanoseconds_of,
)
from timeskip.conditions import holds
from timeskip.diagnosis import Diagnostician
from timeskip.errors import SimulationClosed
from timeskip.faults import CrashPoints, Faults
from timeskip.faults.beginning import begin_faults
from timeskip.histories.run_records import RunRecord
from timeskip.lanes.alarms import Alarms
from timeskip.lanes.attempts import Attempts, SimulatedTime
from timeskip.lanes.awaits import name_of_callable
from timeskip.lanes.holds import enclosing_hold
from timeskip.lanes.lane import Lane
from timeskip.lanes.selection import LaneName, select
from timeskip.lanes.worker_registry import WorkerRegistry
from timeskip.portal import Portal
from timeskip.processes.worker_process import WorkerProcess
from timeskip.processes.worker_processes import WorkerProcesses
from timeskip.replays import Replays
from timeskip.run_list import records_of
from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.limits import Limits
from timeskip.situation import Situation
from timeskip.stall import StallWatch
from timeskip.timed_actions import TimedActions
from timeskip.workers import SimulatedWorker

Result = TypeVar("Result")

#: The queue that `sim.worker(...)` serves and `sim.task_queue` names. Each simulation is a service
#: of its own, so nobody else can poll it.
DEFAULT_TASK_QUEUE = "timeskip"

#: Real seconds between two looks at a condition while time is real.
_REAL_STEP = 0.005


class Simulation(WorkflowEnvironment):
    """A Temporal service that lives in this process, and whose time is virtual.

    A `temporalio.testing.WorkflowEnvironment`: `client`, `sleep`, `get_current_time`,
    `auto_time_skipping_disabled` and `shutdown` mean what they mean there. Use it as a context
    manager, `with` or `async with`.

    Time stands still while the test, a workflow or an activity is doing something. While the test
    waits and nobody else can do anything, time jumps to the next timer, timeout or retry.

    Args:
        lane: How the client reaches the service. "direct" has no gRPC and no core of the SDK:
            service, client and workers share an event loop. "wire" is real gRPC on 127.0.0.1 and
            the SDK's own core, several times slower.
        seed: Decides ids and, in the direct lane, every other choice that a real service leaves to
            chance: which worker gets a task, and in which order things happen that are due at one
            instant. Seed 0 keeps to the order in which they were asked for.
        start_time: The first instant, an aware datetime; 2024-01-01 UTC unless given.
        clock: "virtual", "real" (time passes as in production) or "manual" (see `advance`).
        namespace: The namespace that `client` uses. "default" exists as well.
        task_queue: The queue of `sim.worker(...)` and of `sim.task_queue`.
        search_attributes: Custom search attributes that the namespace knows.
        limits: How much a run may be, have and do; those of the real server unless given.
        max_activity_attempts: After so many failures of one activity in a row the test is told.
        stall_timeout: For how much real time the test waits for something that goes on without
            result, such as an activity that blocks. Stops in a debugger do not count.
        auto_replay: Whether every run is replayed at the end of a context that ends without an error;
            None: as pytest's options have it, or yes.
        retries_workflow_tasks: Whether workflow tasks that fail are tried again, as on a real server,
            instead of failing the test; for some time so with `expect_workflow_task_failures`.
        data_converter, interceptors, plugins: Those of `client`, as for `Client.connect`.
    """

    def __init__(
        self,
        *,
        lane: LaneName = "direct",
        seed: int = 0,
        start_time: datetime = DEFAULT_START,
        clock: ClockName = "virtual",
        namespace: str = "default",
        task_queue: str = DEFAULT_TASK_QUEUE,
        search_attributes: Sequence[temporalio.common.SearchAttributeKey[Any]] = (),
        limits: Limits = Limits(),  # noqa: B008 - immutable
        max_activity_attempts: int = 1000,
        stall_timeout: timedelta = timedelta(seconds=60),
        auto_replay: bool | None = None,
        retries_workflow_tasks: bool = False,
        data_converter: temporalio.converter.DataConverter = (
            temporalio.converter.DataConverter.default
        ),
        interceptors: Sequence[temporalio.client.Interceptor] = (),
        plugins: Sequence[temporalio.client.Plugin] = (),
    ) -> None:
        self.lane, self._make_lane = select(lane)
        self.seed = seed
        self.task_queue = task_queue
        self._clock = clock_named(clock, nanoseconds_of(start_time))
        self._start_time = datetime_of(self._clock.now())
        self._namespace = namespace
        self._search_attributes = search_attributes
        self._limits = limits
        self._max_activity_attempts = max_activity_attempts
        self._stall_timeout = stall_timeout
        self._auto_replay = auto_replay
        self._retries_workflow_tasks = retries_workflow_tasks
        self._data_converter = data_converter
        self._interceptors = interceptors
        self._plugins = plugins
        self._server: Lane | None = None
        self._portal: Portal | None = None
        self._given_workers: list[SimulatedWorker] = []
        self._closed = False
        self._faults: Faults | None = None
        self._processes: WorkerProcesses | None = None

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> Simulation:
        """Start the service and connect the client; takes some milliseconds."""
        if self._server is not None or self._closed:
            raise SimulationClosed("a simulation can be started only once; make a new one")
        namespaces = dict.fromkeys(("default", self._namespace))
        self._server = self._make_lane(clock=self._clock, seed=self.seed, namespaces=namespaces)
        self._server.start()
        cluster = self._server.service.cluster
        cluster.limits = self._limits
        cluster.answers_polls_at_shutdown = True
        for key in self._search_attributes:
            kind = IndexedValueType.ValueType(key.indexed_value_type)
            cluster.namespaces[self._namespace].search_attributes[key.name] = kind
        keeper = self._server.keeper
        keeper.workers_are_ours = True
        self._alarms = Alarms(keeper, self._max_activity_attempts)
        self._alarms.expecting = int(self._retries_workflow_tasks)
        self._alarms.tells_everybody = not self._retries_workflow_tasks
        cluster.observers.append(self._alarms)
        self._workers = WorkerRegistry(keeper, self._server.configure_worker)
        self._replays = Replays(self._server, self._workers.ledger, self._auto_replay)
        self._timed_actions = TimedActions(keeper, self._raise_everywhere)
        activity_time.install()
        self._time = SimulatedTime(keeper, self._clock)
        self._activity_time = ActivityTime(
            self._time,
            Attempts(keeper),
            self._workers.nexus_token,
            time_out=None if keeper.cores_are_simulated else self._workers.time_out,
        )
        self._workers.cancellation_comes = self._activity_time.cancellation_comes
        frozen_time.show(self._time)
        keeper.heartbeats.listeners.append(self._activity_time)
        self._situation = Situation(keeper, self._workers, self._activity_time)
        diagnostician = Diagnostician(keeper, self._alarms, self._situation, self._stall_timeout)
        diagnostician.begin(serves_others=self.lane == "wire")
        keeper.on_opened = self._alarms.call_opened
        self._alarms.why_nondeterministic = self._replays.why_nondeterministic
        keeper.on_abandoned = self._alarms.workflow_task_abandoned
        self._stall_watch = StallWatch(
            keeper,
            self._alarms,
            self._stall_timeout,
            diagnostician,
            is_stopping=self._workers.is_stopping,
        )
        self._stall_watch.start()
        self._clients = Clients(
            self._server,
            self._namespace,
            explain=self._alarms.explain,
            before_call=self._before_call,
            worker_plugins=(self._workers, self._activity_time),
        )
        try:
            self._client = self._clients.make(
                self._data_converter, self._interceptors, self._plugins
            )
        except BaseException:  # a plugin of the user's
            self.stop()
            raise
        running.begun(self)
        return self

    def stop(self) -> None:
        """End the service, and workers that a synchronous test has left running.

        Whoever still waits gets `SimulationClosed`.
        """
        self._closed = True
        with contextlib.ExitStack() as parts:
            parts.callback(self._stop_service)
            if self._portal is not None and not self._portal.block:
                parts.callback(self._stop_portal)
                for worker in self._workers_on(self._portal.loop):
                    parts.push(worker)

    async def shutdown(self) -> None:
        """The same, from an event loop: workers that were left running on it end as well."""
        try:
            for worker in self._workers_on(asyncio.get_running_loop()):
                await worker.__aexit__(None, None, None)
        finally:
            self.stop()

    def __enter__(self) -> Simulation:
        return self._started()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._check_replays_after(error)
        finally:
            self.stop()

    async def __aenter__(self) -> Simulation:
        return self._started()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._check_replays_after(error)
        finally:
            await self.shutdown()

    # -- client and workers -------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """A real client of the simulated service."""
        self._open()
        return self._client

    async def connect_client(self, **kwargs: Any) -> Client:
        """Another client of the service, with options as of `temporalio.client.Client.connect`.

        Unless given, the namespace is that of `client`.
        """
        self._open()
        return await self._clients.connect(**kwargs)

    def worker(
        self,
        *,
        workflows: Sequence[type] = (),
        activities: Sequence[Callable[..., Any]] = (),
        task_queue: str | None = None,
        fresh: Callable[[], Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> SimulatedWorker:
        """A real `temporalio.worker.Worker` to be used with `async with`, or with `with`.

        `options` are those of `Worker`. Synchronous activities get a thread pool unless
        `activity_executor` is given. In the direct lane `max_cached_workflows` is a limit only if it
        is not the SDK's default, 1,000: runs that wait together would be replayed again and again.

        A worker that a fault kills is replaced by another with the same options. Objects among
        these are the same in both; what a worker process would make anew, such as the instance
        that activities are methods of, is made by `fresh`, which is called for each worker and
        returns further options.
        """
        worker = SimulatedWorker(
            self,
            task_queue=self.task_queue if task_queue is None else task_queue,
            workflows=workflows,
            activities=activities,
            options=options,
            fresh=fresh,
        )
        self._given_workers.append(worker)
        return worker

    def worker_process(
        self,
        factory: str,
        *,
        task_queue: str | None = None,
        identity: str | None = None,
        may_crash: bool = False,
        **arguments: Any,
    ) -> WorkerProcess:
        """A worker in a process of its own, to be used with `async with`, or with `with`.

        The new process imports `factory` and calls it with a client of the service, with `arguments`,
        which are pickled, and, if it has a parameter `task_queue`, with that. It returns a
        `temporalio.worker.Worker` that is not running yet, or several, or is `async`.

        A fault kills the process with a real SIGKILL, and another takes its place. At the end of the
        context it is asked to shut down. None outlasts the test; see `docs/faults.md`.

        Args:
            factory: What makes the worker, such as "package.module:build_worker".
            task_queue: `sim.task_queue` unless given.
            identity: What the worker calls itself, and its successors too.
            may_crash: Whether it may end by itself, and is replaced then; otherwise the test fails.

        Raises:
            WorkerRefused: In the direct lane, which has no gRPC; or what is given cannot be handed over.
            WorkerProcessDied: On entry of the context, if the process ends before it is ready.
        """
        processes = self._worker_processes()
        if may_crash:
            self.faults  # noqa: B018 - what follows on the crash is their business
        return processes.worker(
            factory,
            task_queue=self.task_queue if task_queue is None else task_queue,
            identity=identity,
            may_crash=may_crash,
            arguments=arguments,
        )

    # -- faults -------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """What goes wrong in this simulation: nothing, unless it is told so here."""
        server = self._open()
        if self._faults is None:
            self._faults = begin_faults(
                server,
                nanoseconds_of(self._start_time),
                self._workers,
                self._activity_time,
                self._alarms,
            )
            if self._processes is not None:
                self._processes.expose_to(self._faults)
        return self._faults

    @property
    def crash_points(self) -> CrashPoints:
        """The places where a worker could have died since this, or `faults`, was first asked for.

        To be asked for before the workers and workflows of interest are started.
        """
        return self.faults.crash_points

    @property
    def fault_plan(self) -> str:
        """All faults that there were so far, in one line; empty if there were none."""
        return self._faults.plan if self._faults is not None else ""

    def check_faults(self) -> None:
        """Raise `FaultNeverActed` if a fault did not happen that is not optional."""
        if self._faults is not None:
            self._faults.verify()

    @property
    def runs(self) -> list[RunRecord]:
        """Every run that was started, in the order of their starts."""
        server = self._open()
        return server.call(lambda: records_of(server.service.cluster, self._workers.ledger))

    async def history(
        self, handle: temporalio.client.WorkflowHandle[Any, Any] | RunRecord | str
    ) -> timeskip.histories.History:
        """The history of a run as it is now, to be compared, asked and kept.

        Of a handle without a run id, or of a workflow id, that of the workflow's latest run. Payloads
        are decoded with the data converter of the handle's client, or else of `client`.
        """
        if isinstance(handle, str):
            handle = self.client.get_workflow_handle(handle)
        elif isinstance(handle, RunRecord):
            handle = self.client.get_workflow_handle(handle.workflow_id, run_id=handle.run_id)
        return await timeskip.histories.History.fetch(handle)

    def replay_failure(self, history: timeskip.histories.History) -> Exception | None:
        """Replay a history, such as a recorded one, as this test's worker of its workflow would.

        Why the real `temporalio.worker.Replayer` refused it, explained, or None if it did not.
        """
        return self._replays.failure(history, self._workers.workers)

    # -- time ---------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The virtual time, as an aware datetime in UTC."""
        return datetime_of(self._clock.now())

    @property
    def elapsed(self) -> timedelta:
        """How much virtual time has passed since the start."""
        return self.now - self._start_time

    @property
    def supports_time_skipping(self) -> bool:
        return not isinstance(self._clock, RealClock)

    @property
    def supports_time_skipping_v1(self) -> bool:
        return self.supports_time_skipping

    async def get_current_time(
        self, handle: temporalio.client.WorkflowHandle[Any, Any] | None = None
    ) -> datetime:
        return self.now

    async def sleep(self, duration: timedelta | float) -> None:
        """Wait until that much virtual time has passed (seconds, if it is a number)."""
        length = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
        await self._wait(self._clock.now() + duration_nanoseconds(length), "`sim.sleep(...)`")

    async def run_until(
        self, what: datetime | timedelta | Callable[[], bool | Awaitable[bool]]
    ) -> None:
        """Wait for an instant, for a span of time, or until a condition holds.

        A condition is looked at now, and then whenever everything that could happen at the current
        instant has happened. If it can never hold any more, `SimulationStuck` says why.
        """
        if isinstance(what, datetime):
            await self._wait(nanoseconds_of(what), "`sim.run_until(...)`")
        elif isinstance(what, timedelta):
            await self.sleep(what)
        else:
            # What is going on at this instant may be all that the condition needs.
            waiting = f"`sim.run_until({name_of_callable(what)})`"
            if not await holds(what):
                await self._wait(self._clock.now(), waiting, drives=True)
            with self._keeper.looks_for(waiting):
                while not await holds(what):
                    await self._step(waiting)

    def at(self, when: datetime | timedelta, action: Callable[..., Any], *arguments: Any) -> None:
        """Call `action(*arguments)` at a virtual instant, and await it if it is a coroutine.

        `when` is an instant, or a span from now. Time stands still until the action is done, unless
        the action itself waits for time. An exception in it is raised where the test waits. The
        action runs on the event loop that is running now, or, if there is none, on the one on which
        `run` runs coroutines.
        """
        server = self._open()
        due = (
            nanoseconds_of(when)
            if isinstance(when, datetime)
            else (self._clock.now() + duration_nanoseconds(when))
        )
        try:
            loop = asyncio.get_running_loop()
            server.enter()
        except RuntimeError:
            loop = self.portal.loop
            self.portal.run(self._enter())
        server.call(
            lambda: self._clock.schedule(
                due, lambda: self._timed_actions.act(loop, action, arguments), in_order=True
            )
        )
        self._keeper.notice()

    async def advance(self, duration: timedelta) -> None:
        """Move a manual clock forward, through everything that is due on the way."""
        if not isinstance(self._clock, ManualClock):
            raise ValueError("only a simulation with clock='manual' can be advanced by hand")
        target = self._clock.now() + duration_nanoseconds(duration)
        await self._wait(target, "`sim.advance(...)`", drives=True)

    @contextlib.contextmanager
    def auto_time_skipping_disabled(self) -> Iterator[None]:
        """Within the block, virtual time keeps the machine's pace, whoever waits for a result.

        `sleep` and `run_until` skip time all the same, as in the SDK's own environment.
        """
        server = self._open()
        already = not self._keeper.may_skip
        server.call(lambda: self._keeper.set_skipping(False))
        try:
            yield
        finally:
            if not already and self._server is server:
                server.call(lambda: self._keeper.set_skipping(True))

    @property
    def is_repeatable(self) -> bool:
        """Whether nothing but the code and the seed has decided so far what comes first.

        Not so on the wire lane, in synchronous tests, and where activities use threads and the like.
        """
        real = isinstance(self._clock, RealClock) or self._activity_time.real_work_seen
        return self.lane == "direct" and self._portal is None and not real

    # -- what the test expects ----------------------------------------------------------------

    @contextlib.contextmanager
    def expect_workflow_task_failures(self) -> Iterator[None]:
        """Within the block, failing workflow tasks are tried again as on a real server."""
        self._open()
        self._alarms.expecting += 1
        try:
            yield
        finally:
            self._alarms.expecting -= 1

    def check(self) -> None:
        """Raise what went wrong in the simulation while the test was not waiting for anything."""
        self._alarms.check()

    def check_replays(self, *, automatically: bool = False) -> None:
        """Replay every run that there is, closed or open, as its worker would after a restart.

        Each is replayed by the real `temporalio.worker.Replayer`, with the workflows and the options
        of the worker that ran it last, if this is a worker of `sim`. `automatically`: as at the end of
        a context, and without those that have been replayed so. Left out are runs that were
        nondeterministic while the test expected workflow tasks to fail. `ReplayWarning` tells of
        runs that only the core refuses.

        Raises:
            WorkflowNotDeterministic: A workflow does something else than its history says.
            ReplayFailed: A workflow fails in a replay for another reason.
        """
        self._open()
        (self._replays.check_automatically if automatically else self._replays.check)()

    def patches(
        self, *, absent: Iterable[str] = (), present: Iterable[str] = ()
    ) -> contextlib.AbstractContextManager[None]:
        """Within the block, runs meet `workflow.patched` as if the patches were absent, or present.

        They keep to that for good, as their histories do. `PatchNeverMet` warns of what none meets.
        """
        self._open()
        return self._workers.patches.chosen(absent, present)

    # -- synchronous tests --------------------------------------------------------------------

    def run(self, coroutine: Awaitable[Result]) -> Result:
        """Run a coroutine to its end, from a synchronous test.

        All coroutines of one simulation run on one event loop of its own.
        """
        keeper = self._open().keeper

        async def wait() -> Result:
            # When time was last looked at, nobody may have waited.
            keeper.notice()
            return await coroutine

        return self.portal.run(wait())

    @property
    def portal(self) -> Portal:
        """The event loop that serves synchronous tests."""
        if self._portal is None:
            self._portal = Portal(self._stall_watch.block_of)
        return self._portal

    # -- inside -------------------------------------------------------------------------------

    def _started(self) -> Simulation:
        """For a context, which may as well be that of a simulation that is running already."""
        return self.start() if self._server is None else self

    @property
    def _keeper(self) -> Any:
        return self._open().keeper

    def _open(self) -> Lane:
        if self._server is None:
            raise SimulationClosed(
                "the simulation has ended"
                if self._closed
                else "the simulation is not running yet: use it in a `with` or `async with` block"
            )
        return self._server

    def _worker_processes(self) -> WorkerProcesses:
        if self._processes is None:
            self._processes = self._replays.processes = WorkerProcesses(
                self._open(),
                self._workers,
                self._time,
                namespace=self._namespace,
                data_converter=self._data_converter,
                patience=self._stall_timeout,
                fail=self._alarms.raise_everywhere,
            )
            if self._faults is not None:
                self._processes.expose_to(self._faults)
        return self._processes

    async def _enter(self) -> None:
        self._open().enter()

    def _raise_everywhere(self, error: Exception) -> None:
        """Raise an error that nobody waits for where the test waits. For any thread."""
        self._keeper.loop.call_soon_threadsafe(self._alarms.raise_everywhere, error)

    def _check_replays_after(self, error: BaseException | None) -> None:
        if error is None and self._server is not None:
            self._replays.check_automatically()

    def _before_call(self, request: Message) -> None:
        self._open()
        self._alarms.before_call(request)

    async def _step(self, waiting: str) -> None:
        """Wait until time has moved, and all that follows from that has happened."""
        if isinstance(self._clock, RealClock):
            # Real time never stands still so that one could look.
            await asyncio.sleep(_REAL_STEP)
            self._alarms.check()
        else:
            await self._wait(None, waiting)

    async def _wait(self, until: int | None, waiting: str, *, drives: bool | None = None) -> None:
        if until is not None and until > END:
            raise OverflowError(f"{waiting} ends after the year 9999, where time ends")
        self._alarms.check()
        server = self._open()
        server.enter()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        hold = server.keeper.holds.take(waiting, enclosing_hold.get())

        def settle(error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def wake(error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the test's loop is gone, and so is the waiter
                loop.call_soon_threadsafe(settle, error)

        drives = not isinstance(self._clock, ManualClock) if drives is None else drives
        wait = server.call(lambda: server.keeper.wait_until(until, wake, hold, drives=drives))
        try:
            await done
        finally:
            hold.release()
            with contextlib.suppress(RuntimeError):  # the simulation has ended meanwhile
                server.call(lambda: server.keeper.forget(wait))

    def _workers_on(self, loop: asyncio.AbstractEventLoop) -> list[SimulatedWorker]:
        """The workers of `worker()` that run on this loop."""
        return [worker for worker in self._given_workers if worker.loop is loop]

    def _stop_portal(self) -> None:
        portal, self._portal = self._portal, None
        if portal is not None:
            portal.stop()

    def _stop_service(self) -> None:
        if self._server is not None:
            self._clients.close()
            running.ended(self)
            self._stall_watch.stop()
            if self._processes is not None:
                self._server.call(self._processes.kill_all)
            frozen_time.hide(self._time)
            self._activity_time.close()
            self._server.call(self._end_calls)
            self._server.stop()
            self._server = None

    def _end_calls(self) -> None:
        """Tell everybody who waits for news of the service that there will be none."""
        told = "the simulation has ended"
        self._alarms.end_waits(SimulationClosed(told))
        # To this the SDK's workers do not try again for minutes, but give up.
        self._open().service.close(ServiceError(StatusCode.PERMISSION_DENIED, told))
