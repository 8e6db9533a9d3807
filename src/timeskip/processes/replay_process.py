"""Processes in which the runs of worker processes are replayed.

To start one takes a second, so that it stays for other tests that have their workers from the same
place.
"""

from __future__ import annotations

import pickle
import queue
import threading

from timeskip.errors import ReplayFailed, WorkflowNotDeterministic
from timeskip.processes.child_process import ChildProcess
from timeskip.processes.messages import (
    Failed,
    ReplayBegins,
    Replayed,
    ReplayFailure,
    ReplayRequest,
)
from timeskip.processes.surroundings import Surroundings

_PROGRAM = "timeskip.processes.replayer"

#: As many stay at one time.
_MOST_KEPT = 4


class ReplayImpossible(Exception):  # noqa: N818 - says what is the matter
    """The process has not come to an answer: why, in words."""


class _ReplayProcess:
    def __init__(self, factory: str, surroundings: Surroundings) -> None:
        self._factory = factory
        self._surroundings = surroundings
        self._heard: queue.SimpleQueue[object | None] = queue.SimpleQueue()
        self._child: ChildProcess | None = None

    def is_for(self, factory: str, surroundings: Surroundings) -> bool:
        return self._factory == factory and self._surroundings.are_like(surroundings)

    @property
    def has_ended(self) -> bool:
        return self._child is not None and not self._child.is_alive

    def answer(self, request: ReplayRequest, patience: float) -> Replayed:
        if self._child is None:
            self._child = ChildProcess(
                request,
                None,
                self._heard.put,
                lambda: self._heard.put(None),
                surroundings=self._surroundings,
                program=_PROGRAM,
            )
            self._child.start()
        else:
            self._child.send(request)
        try:
            heard = self._heard.get(timeout=patience)
        except queue.Empty:
            self._child.ask_where_it_stands()
            self._child.wait()
            raise ReplayImpossible(
                f"was not ready for {patience:g} seconds of real time.\n\n{self._words()}"
            ) from None
        if isinstance(heard, ReplayBegins):
            heard = self._heard.get()
        if isinstance(heard, Failed):
            raise ReplayImpossible(f"cannot make the worker again.\n\n{heard.traceback.strip()}")
        if not isinstance(heard, Replayed):
            raise ReplayImpossible(f"has ended {self._child.ending()}.\n\n{self._words()}")
        return heard

    def end(self) -> None:
        if self._child is not None and self._child.is_alive:
            self._child.kill()

    def _words(self) -> str:
        assert self._child is not None
        return self._child.last_errors.strip() or "It has written nothing."


_kept: list[_ReplayProcess] = []
_lock = threading.Lock()


def replay_elsewhere(
    request: ReplayRequest, surroundings: Surroundings, patience: float
) -> list[str]:
    """Replay runs in a process that makes their workers again; blocks the thread that calls.

    `patience`: real seconds that it may take until it has made them. What is to be said of runs that
    pass is returned.

    Raises what `timeskip.Simulation.check_replays` does, and `ReplayImpossible`.
    """
    factory = request.assignment.factory
    with _lock:
        found = next((one for one in _kept if one.is_for(factory, surroundings)), None)
        if found is None or found.has_ended:
            found = _ReplayProcess(factory, surroundings)
        _kept[:] = [one for one in _kept if one is not found and not one.has_ended]
        _kept.append(found)
        while len(_kept) > _MOST_KEPT:
            _kept.pop(0).end()
        answer = found.answer(request, patience)
    if answer.failure is not None:
        raise _error(answer.failure)
    return list(answer.warnings)


def _error(failure: ReplayFailure) -> ReplayFailed:
    if not failure.is_nondeterminism:
        return ReplayFailed(failure.told, workflow_id=failure.workflow_id)
    explanation = pickle.loads(failure.explanation) if failure.explanation else None
    return WorkflowNotDeterministic(
        failure.told, workflow_id=failure.workflow_id, explanation=explanation
    )
