"""What a test comes by when nothing goes wrong, and what is left of it then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from timeskip.clock import Nanoseconds, nanoseconds_of
from timeskip.faults.crash_points import CrashPoint, CrashPoints
from timeskip.faults.faults import Faults
from timeskip.fuzzing.endings import Endings
from timeskip.histories.run_records import RunRecord

#: Calls that do not belong to what a test is about. Histories are fetched by workers and by clients
#: that wait for a result, in an order that means nothing.
_HOUSEKEEPING = tuple(
    f"rpc:{method}#"
    for method in (
        "CreateNexusEndpoint",
        "DeleteNexusEndpoint",
        "DescribeNamespace",
        "GetSystemInfo",
        "GetWorkflowExecutionHistory",
        "RecordWorkerHeartbeat",
        "ShutdownWorker",
    )
)


class Explored(Protocol):
    """What is needed of a simulation."""

    @property
    def faults(self) -> Faults: ...

    @property
    def runs(self) -> list[RunRecord]: ...

    @property
    def now(self) -> datetime: ...


@dataclass(frozen=True)
class Surroundings:
    """The baseline of fault plans.

    Attributes:
        points: The crash points.
        calls: The places of calls, of clients and workers, that are no polls.
        runs, endings: What is left of the workflows.
        start, end: The first instant and the last.
    """

    points: CrashPoints
    calls: list[CrashPoint]
    runs: list[RunRecord]
    endings: Endings
    start: Nanoseconds
    end: Nanoseconds


def explore(simulation: Explored) -> Callable[[], Surroundings]:
    """Note what a simulation comes by from now on. What is returned tells it when the test is over."""
    calls: dict[str, CrashPoint] = {}

    def note(point: CrashPoint) -> bool:
        if point.kind == "rpc" and not point.id.startswith(_HOUSEKEEPING):
            calls.setdefault(point.id, point)
        return False

    start = nanoseconds_of(simulation.now)
    # A rule that looks at everything and never acts.
    simulation.faults.fail_rpc("UNAVAILABLE", at=note, optional=True)

    def surroundings() -> Surroundings:
        runs = simulation.runs
        return Surroundings(
            simulation.faults.crash_points,
            list(calls.values()),
            runs,
            Endings(runs),
            start,
            nanoseconds_of(simulation.now),
        )

    return surroundings
