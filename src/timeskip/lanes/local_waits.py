"""Which workflow tasks wait for the time of local activities alone.

Local activities belong to the workflow task that runs them, so the service knows nothing of them. The
task waits for time if all attempts that the worker's core still counts on do: they are parked, or a
fault has delayed their beginning or their end. It waits as well while the core knows of none that
runs, only of some that it will try again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class _Run:
    """Of the attempts, by task token, whether each waits for time."""

    attempts: dict[bytes, bool] = field(default_factory=dict)
    given_up: set[bytes] = field(default_factory=set)
    is_idle: bool = False

    @property
    def waits(self) -> bool:
        return self.is_idle or (bool(self.attempts) and all(self.attempts.values()))


class LocalWaits:
    """For any thread. `runs` has the ids of the runs whose tasks wait; `ended` is told of an end."""

    def __init__(self, runs: set[str], ended: Callable[[str], None]) -> None:
        self._runs = runs
        self._ended = ended
        self._known: dict[str, _Run] = {}
        self._lock = threading.Lock()

    def attempt(self, run_id: str, token: bytes, *, waits: bool) -> None:
        """An attempt waits for time, or does something."""
        with self._lock:
            run = self._known.setdefault(run_id, _Run())
            if token not in run.given_up:
                run.attempts[token] = waits
            self._look_at(run_id, run)

    def finished(self, run_id: str, token: bytes) -> None:
        """An attempt has ended, or what was late of it has arrived."""
        with self._lock:
            run = self._known.setdefault(run_id, _Run())
            run.attempts.pop(token, None)
            run.given_up.discard(token)
            self._look_at(run_id, run)

    def give_up(self, run_id: str, token: bytes) -> None:
        """The core does not wait for an attempt any more, whatever its code still does."""
        with self._lock:
            run = self._known.setdefault(run_id, _Run())
            run.attempts.pop(token, None)
            run.given_up.add(token)
            self._look_at(run_id, run)

    def idle(self, run_id: str, *, is_idle: bool) -> None:
        """Whether none runs, but some are waited for."""
        with self._lock:
            run = self._known.setdefault(run_id, _Run())
            run.is_idle = is_idle
            self._look_at(run_id, run)

    def _look_at(self, run_id: str, run: _Run) -> None:
        if run.waits:
            self._runs.add(run_id)
        elif run_id in self._runs:
            self._runs.discard(run_id)
            self._ended(run_id)
        if not (run.attempts or run.given_up or run.is_idle):
            del self._known[run_id]
