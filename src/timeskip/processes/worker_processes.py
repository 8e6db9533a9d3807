"""All worker processes of one simulation."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from temporalio.converter import DataConverter

from timeskip import frozen_time
from timeskip.clock import RealClock, duration_nanoseconds
from timeskip.errors import ReplayFailed, WorkerProcessDied, WorkerRefused
from timeskip.faults import Faults
from timeskip.lanes.attempts import Attempts, SimulatedTime
from timeskip.lanes.entrance import Entrance
from timeskip.lanes.lane import Lane
from timeskip.lanes.worker_registry import KnownWorker, WorkerRegistry
from timeskip.processes.messages import Assignment, RecordedRun, ReplayRequest
from timeskip.processes.process_killer import ProcessKiller
from timeskip.processes.replay_process import ReplayImpossible, replay_elsewhere
from timeskip.processes.running_worker import RunningWorker
from timeskip.processes.shared_clock import SharedClock
from timeskip.processes.worker_process import WorkerProcess
from timeskip.server.matching import TaskQueue

Result = TypeVar("Result")

#: What the first process calls itself unless told otherwise.
_IDENTITY = "worker-process"

_NEEDS_WIRE = (
    "a worker process reaches the service by gRPC, which the direct lane does without. Use "
    '`Simulation(lane="wire")`, `@pytest.mark.timeskip(lane="wire")` for one test, or '
    "`pytest --timeskip-lane=wire` for all. In the direct lane `sim.worker(...)` dies in the same "
    "places, without a process."
)
_NEEDS_SIGNALS = (
    "worker processes need the signals of a POSIX system. `sim.worker(...)` dies in the same "
    "places, without a process."
)
_FACTORY = re.compile(r"[\w.]+:[\w.]+")


class WorkerProcesses:
    """Starts processes and ends them. What is not said to be for any thread is for the clock's."""

    def __init__(
        self,
        lane: Lane,
        registry: WorkerRegistry,
        time: SimulatedTime,
        *,
        namespace: str,
        data_converter: DataConverter,
        patience: timedelta,
        fail: Callable[[Exception], None],
    ) -> None:
        """`patience`: real time that a process may take to start and to end. `fail`: ends the test."""
        if lane.entrance is None:
            raise WorkerRefused(_NEEDS_WIRE)
        if sys.platform == "win32":
            raise WorkerRefused(_NEEDS_SIGNALS)
        self._lane = lane
        self._entrance: Entrance = lane.entrance
        self._keeper = keeper = lane.keeper
        self._registry = registry
        self._time = time
        self._namespace = namespace
        self._data_converter = _pickled(data_converter)
        self._patience = patience.total_seconds()
        self._fail = fail
        self._keys = map(str, itertools.count(1))
        self._living: dict[RunningWorker, WorkerProcess] = {}
        self._known: dict[RunningWorker, list[KnownWorker]] = {}
        #: By identity and task queue, who has worked, even if it is dead by now.
        self._worked: dict[tuple[str, str], tuple[WorkerProcess, RunningWorker]] = {}
        self._clock: SharedClock | None = None
        if not isinstance(keeper.clock, RealClock):
            self._clock = SharedClock(keeper.clock.now())
            keeper.on_time_moved = self._clock.show
        registry.will_poll_elsewhere = self._will_poll
        keeper.heartbeats.listeners_elsewhere = self._that_may_be
        keeper.on_late = self._is_late
        #: What is to be done about a process that dies by itself, though its test says that it may.
        self._on_crash: Callable[[str], None] = lambda identity: None

    # -- what a test asks for -----------------------------------------------------------------

    def worker(
        self,
        factory: object,
        *,
        task_queue: str,
        identity: str | None,
        arguments: Mapping[str, Any],
        may_crash: bool,
    ) -> WorkerProcess:
        """A worker to be started. For any thread."""
        if not isinstance(factory, str) or _FACTORY.fullmatch(factory) is None:
            raise WorkerRefused(
                f"{factory!r} does not tell a new process what makes its worker: that has to be a "
                'string such as "package.module:build_worker"'
            )
        return WorkerProcess(
            self,
            factory,
            task_queue=task_queue,
            identity=identity,
            arguments=arguments,
            may_crash=may_crash,
        )

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` where the clock runs. For any thread."""
        return self._lane.call(function)

    def start(self, worker: WorkerProcess) -> RunningWorker:
        """Start a process."""
        assignment = Assignment(
            parent=os.getpid(),
            factory=worker.factory,
            arguments=worker.pickled_arguments,
            task_queue=worker.task_queue,
            address=self._entrance.address,
            namespace=self._namespace,
            identity=worker.given_identity or self._registry.new_identity(_IDENTITY),
            data_converter=self._data_converter,
            pass_key=next(self._keys),
            shows_time=frozen_time.is_installed(),
        )
        running = RunningWorker(
            assignment,
            self._clock.descriptor if self._clock is not None else None,
            self._keeper,
            self._registry,
            self._time,
            Attempts(self._keeper),
            self._ready,
            self._ended,
        )
        self._living[running] = worker
        try:
            running.start()
        except BaseException:
            del self._living[running]
            raise
        self._expect(running, "was not ready to work")
        return running

    def end(self, running: RunningWorker, *, kills: bool) -> None:
        """A process is not needed any more."""
        running.restart_after = None
        if running not in self._living:
            return
        if kills:
            self.bury(running)
        else:
            running.is_awaited = True
            running.leave()
            self._expect(running, "did not end although it was asked to")

    def kill_all(self) -> None:
        """End what is left of all processes, for good."""
        for running in list(self._living):
            running.kill()
            running.process.wait()
        if self._clock is not None:
            self._keeper.on_time_moved = None
            self._clock.close()

    # -- what faults ask for ------------------------------------------------------------------

    def expose_to(self, faults: Faults) -> None:
        """Let faults befall the processes from now on. For any thread."""
        faults.add_killer(ProcessKiller(self))
        self._on_crash = faults.worker_died

    def living(self) -> list[RunningWorker]:
        """The processes that work, the oldest first."""
        return [running for running in self._living if not running.is_to_end]

    def bury(self, running: RunningWorker) -> WorkerProcess:
        """Kill a process, if it is not dead yet. Nothing that it has sent arrives any more."""
        running.kill()
        self._entrance.dead.add(running.assignment.pass_key)
        for known in self._known.pop(running, []):
            self._registry.workers.remove(known)
        return self._living.pop(running)

    def replace_after(self, worker: WorkerProcess, length: timedelta | None) -> None:
        """Start another process after so much virtual time, or never."""
        if not length:
            if length is not None:
                worker.replace()
            return
        due = self._keeper.clock.now() + duration_nanoseconds(length)
        self._keeper.clock.schedule(due, worker.replace, in_order=True)

    # -- what replays ask for; for any thread -------------------------------------------------

    def that_worked(self, identity: str, task_queue: str) -> WorkerProcess | None:
        """Whose process has worked under that name."""
        found = self._worked.get((identity, task_queue))
        return found[0] if found is not None else None

    def that_knows(self, workflow_type: str) -> tuple[WorkerProcess, str] | None:
        """The last that has this workflow, and on which task queue."""
        for (_, task_queue), (worker, running) in reversed(self._worked.items()):
            for facts in running.facts:
                if facts.task_queue == task_queue and workflow_type in facts.workflows:
                    return worker, task_queue
        return None

    def replay(self, worker: WorkerProcess, runs: Sequence[RecordedRun]) -> list[str]:
        """Replay runs in a process that makes the workers again; blocks the thread that calls.

        Raises what `timeskip.Simulation.check_replays` does. What is to be said of runs that pass is
        returned.
        """
        running = next(ran for one, ran in reversed(self._worked.values()) if one is worker)
        # The service hears nothing any more from the process that it was.
        assignment = replace(running.assignment, pass_key="")
        request = ReplayRequest(assignment, tuple(runs))
        try:
            return replay_elsewhere(request, running.surroundings, self._patience)
        except ReplayImpossible as error:
            told = (
                f"the runs of the worker process of {worker.factory} cannot be replayed: a process "
                f"that is to replay them {error}"
            )
            if worker.may_crash:
                return [told]
            raise ReplayFailed(
                f"{told}\n\n`auto_replay=False` leaves them alone.", workflow_id=runs[0].workflow_id
            ) from None

    # -- what becomes of processes; on threads of theirs --------------------------------------

    def _ready(self, running: RunningWorker) -> None:
        worker = self._living.get(running)
        if worker is not None:
            for facts in running.facts:
                self._worked[running.identity, facts.task_queue] = worker, running
        self._later(partial(self._announce, running))

    def _announce(self, running: RunningWorker) -> None:
        """Let those who tell of workers know what it serves."""
        if running not in self._living:
            return
        if running.deadline is not None:
            running.deadline.cancel()
        known = [
            KnownWorker(
                facts.task_queue, facts.workflows, facts.activities, facts.nexus_services, None
            )
            for facts in running.facts
        ]
        self._known[running] = known
        self._registry.workers += known
        self._keeper.notice()

    def _ended(self, running: RunningWorker) -> None:
        self._later(partial(self._settle, running))

    def _settle(self, running: RunningWorker) -> None:
        """A process has ended, and perhaps nobody knows that yet."""
        worker = self._living.get(running)
        if worker is None:  # it was killed
            running.settle(None)
            return
        if worker.may_crash and running.is_ready and not running.is_to_end:
            self._on_crash(running.identity)
            running.settle(None)
            return
        error = self._what_is_wrong(running)
        if error is not None and not running.is_awaited:
            self._fail(error)
        running.settle(error)
        for known in self._known.pop(running, []):
            known.has_stopped = True
            self._registry.forsake_tasks(known.task_queue)
        del self._living[running]
        # Before the one that has ended lets go of the time.
        self.replace_after(worker, running.restart_after)
        running.left()

    def _what_is_wrong(self, running: RunningWorker) -> WorkerProcessDied | None:
        told = f"the worker process of {running.assignment.factory}"
        if running.exceeded:
            told += f" {running.exceeded} for {self._patience:g} seconds of real time"
        elif not running.is_ready and not running.is_to_end:
            told += f" has ended {running.process.ending()} before it was ready to work"
        elif not running.is_to_end:
            told += (
                f" has ended {running.process.ending()}, and no fault of the test's has ended it. If "
                "it may, say so with `may_crash=True`: another takes its place then"
            )
        elif running.failure:
            told += " could not shut down"
        else:
            return None
        words = running.failure or running.process.last_errors
        return WorkerProcessDied(f"{told}.\n\n{words.strip() or 'It has written nothing.'}")

    # -- inside -------------------------------------------------------------------------------

    def _expect(self, running: RunningWorker, otherwise: str) -> None:
        """Have a process that takes too long say where it stands, and end."""

        def is_too_late() -> None:
            running.exceeded = otherwise
            running.process.ask_where_it_stands()

        running.deadline = self._keeper.loop.call_later(self._patience, is_too_late)

    def _is_late(self, identity: str, is_late: bool) -> None:
        for running in self._living:
            if running.identity == identity:
                running.await_late(is_late)

    def _that_may_be(self, identity: str) -> list[RunningWorker]:
        return [running for running in self._living if running.is_perhaps(identity)]

    def _will_poll(self, queue: TaskQueue) -> bool:
        started = self._keeper.service.cluster.started_activities.values()
        return any(
            running.will_poll(queue, started) and not self._registry.is_cut_off(running.identity)
            for running in self._living
        )

    def _later(self, action: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the simulation has ended
            self._keeper.loop.call_soon_threadsafe(action)


def _pickled(converter: DataConverter) -> bytes:
    try:
        return pickle.dumps(converter)
    except Exception as error:
        raise WorkerRefused(
            f"the simulation's data converter cannot be handed to a worker process: {error}. Its "
            "classes have to be importable, and its codec has to be picklable."
        ) from error
