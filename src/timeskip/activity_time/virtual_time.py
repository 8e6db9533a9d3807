"""What this package needs from a simulation's clock, and what it tells it in return."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Cancellable(Protocol):
    """Something that will happen unless cancelled; to cancel it late or twice is harmless."""

    def cancel(self) -> object: ...


class VirtualTime(Protocol):
    """A simulation's clock. All its methods may be called from any thread."""

    def now_ns(self) -> int:
        """Virtual nanoseconds since the Unix epoch."""
        ...

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, when virtual time has reached `due_ns`.

        The clock calls it on a thread of its own, never before `call_at` has returned, with no lock
        held that a method of `AttemptListener` takes, and moves on only after it has returned.
        """
        ...

    def hold(self) -> Callable[[], None]:
        """Have time stand still, after a callback of `call_at` that calls this, until it is let go."""
        ...

    def pass_until(self, woken: threading.Event) -> None:
        """Wait until `woken` is set, on the thread of an event loop that does nothing meanwhile.

        A clock that lives on that loop has to move itself.
        """
        ...


@dataclass(frozen=True, eq=False)
class RunningAttempt:
    """An attempt of an activity, or to handle a Nexus task, that a worker of this process runs.

    Compared by identity. `token` is the server's task token unless `is_local`: the server knows
    nothing of a local activity but the workflow run, `workflow_run_id`, whose task is running it.
    """

    token: bytes
    is_local: bool
    activity_type: str
    activity_id: str
    number: int
    workflow_id: str | None
    workflow_run_id: str | None
    is_nexus: bool = False

    @classmethod
    def of_nexus_task(cls, token: bytes, operation: str) -> RunningAttempt:
        """The handling of a Nexus task: `operation` is called by service and name."""
        return cls(token, False, operation, "", 1, None, None, is_nexus=True)

    def __str__(self) -> str:
        return f"{self.activity_type} ({self.activity_id}, attempt {self.number})"


class AttemptListener(Protocol):
    """Learns from any thread how attempts fare, so that time moves only while all are parked.

    The calls for one attempt never overlap and come in the order in which things happened. Each is
    made before whatever follows from it: an attempt is no longer parked once a callback of
    `VirtualTime.call_at` that wakes it has returned.
    """

    def attempt_started(self, attempt: RunningAttempt) -> None:
        """The worker runs the attempt; it is not parked."""
        ...

    def attempt_parked(
        self, attempt: RunningAttempt, parked: bool, *, blocks_loop: bool = False
    ) -> None:
        """The attempt waits for nothing but virtual time, or it no longer does.

        `blocks_loop`: it sleeps in `time.sleep` on its event loop's own thread. Nothing else on
        that loop can get on before the sleep ends, not even what would otherwise hold the clock.
        """
        ...

    def attempt_finished(
        self, attempt: RunningAttempt, *, outcome_follows: bool, is_left_open: bool
    ) -> None:
        """The activity's code has ended and takes no more part in time.

        `outcome_follows`: the worker will now report the outcome to the server. `is_left_open`: the
        activity said that something else completes it (`activity.raise_complete_async`). If neither,
        its worker was killed.
        """
        ...
