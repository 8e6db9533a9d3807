"""What a worker process and the simulation tell each other, beside gRPC."""

from __future__ import annotations

from dataclasses import dataclass

from timeskip.activity_time.virtual_time import RunningAttempt
from timeskip.clock import Nanoseconds

# -- to the process -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assignment:
    """What a process is to do; the first message.

    Attributes:
        parent: The process id of the test, with which this one ends.
        factory: What makes the worker, as "package.module:name".
        arguments: Pickled, the keywords for `factory`; unpickled once its module can be imported.
        task_queue: Goes to `factory`, if that takes it.
        address, namespace, identity: Of the process's client.
        data_converter: Pickled, that of the client.
        pass_key: What the calls of the process are known by.
        shows_time: Whether clocks show virtual time in the process.
    """

    parent: int
    factory: str
    arguments: bytes
    task_queue: str
    address: str
    namespace: str
    identity: str
    data_converter: bytes
    pass_key: str
    shows_time: bool


@dataclass(frozen=True)
class RecordedRun:
    """A run that is to be replayed; `history` is serialized."""

    workflow_id: str
    task_queue: str
    history: bytes


@dataclass(frozen=True)
class ReplayRequest:
    """Replay runs of workers such as `assignment` makes. For a process that does only that.

    Answered with `ReplayBegins` and `Replayed`, or with `Failed`.
    """

    assignment: Assignment
    runs: tuple[RecordedRun, ...]


@dataclass(frozen=True)
class Wake:
    """The time of a timer has come. Answered with `Woken` once its attempt is known to go on."""

    timer: int


@dataclass(frozen=True)
class HeartbeatAnswered:
    """The service answers a heartbeat; `cancels`: so that the worker cancels the activity."""

    token: bytes
    cancels: bool


@dataclass(frozen=True)
class HeartbeatIsLate:
    """A fault has delayed a heartbeat, or its answer."""

    token: bytes


@dataclass(frozen=True)
class Answer:
    """To `FailsWorkflowTask`, `LocalActivityComesBy` and `BeginsCall`.

    `told` is a serialized `Failure`, or the number of a hold.
    """

    question: int
    told: bytes = b""


@dataclass(frozen=True)
class Evict:
    """Forget a workflow that is cached."""

    run_id: str


# -- from the process -----------------------------------------------------------------------------


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker in the process serves."""

    task_queue: str
    workflows: tuple[str, ...]
    activities: tuple[str, ...]
    nexus_services: tuple[str, ...]
    takes_activities: bool
    room_for_activities: int


@dataclass(frozen=True)
class Ready:
    """The workers begin to poll, all under one name."""

    identity: str
    namespace: str
    workers: tuple[WorkerFacts, ...]


@dataclass(frozen=True)
class Failed:
    """The process cannot go on: why, as text."""

    traceback: str


@dataclass(frozen=True)
class ReplayBegins:
    """The workers of a `ReplayRequest` are made."""


@dataclass(frozen=True)
class ReplayFailure:
    """A `timeskip.ReplayFailed`.

    `explanation` is pickled, that of a `timeskip.WorkflowNotDeterministic`; empty if there is none.
    """

    told: str
    workflow_id: str
    is_nondeterminism: bool
    explanation: bytes


@dataclass(frozen=True)
class Replayed:
    """What came of a `ReplayRequest`. `warnings`: what is to be said of runs that pass."""

    warnings: tuple[str, ...]
    failure: ReplayFailure | None


@dataclass(frozen=True)
class AttemptStarted:
    """A worker runs an attempt, from now on known by its number."""

    number: int
    attempt: RunningAttempt


@dataclass(frozen=True)
class AttemptParked:
    """The attempt waits for nothing but virtual time, or no longer does."""

    number: int
    parked: bool
    blocks_loop: bool


@dataclass(frozen=True)
class AttemptFinished:
    """The code of the attempt has ended."""

    number: int
    outcome_follows: bool
    is_left_open: bool


@dataclass(frozen=True)
class WakeAt:
    """Something waits for a virtual time."""

    timer: int
    due: Nanoseconds


@dataclass(frozen=True)
class WakeNoMore:
    """It waits no longer."""

    timer: int


@dataclass(frozen=True)
class Woken:
    """What follows from the end of a wait is known."""

    timer: int


@dataclass(frozen=True)
class FailsWorkflowTask:
    """A workflow task is about to fail; to be answered."""

    question: int
    run_id: str


@dataclass(frozen=True)
class FailedWorkflowTask:
    """The worker is done with that task, and perhaps will not report it."""

    question: int


@dataclass(frozen=True)
class LocalActivityComesBy:
    """A local activity begins, or has run to its end; to be answered. `task`: an `ActivityTask`."""

    question: int
    task: bytes
    begins: bool


@dataclass(frozen=True)
class BeginsCall:
    """Code in the process is about to call the service; to be answered."""

    question: int
    rpc: str


@dataclass(frozen=True)
class EndsCall:
    """It has its answer."""

    question: int


@dataclass(frozen=True)
class TimesOut:
    """An attempt has run out of time, and is told so."""

    token: bytes


@dataclass(frozen=True)
class DropsActivity:
    """An attempt had run out of time, so the worker does not report it."""

    token: bytes


@dataclass(frozen=True)
class DropsNexusTask:
    """A Nexus task was cancelled, so the worker does not report it."""

    token: bytes


@dataclass(frozen=True)
class Leaves:
    """A worker shuts down; its activities know if they are to be cancelled at once."""
