"""What faults do to worker processes: real signals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from timeskip.processes.running_worker import RunningWorker

if TYPE_CHECKING:
    from timeskip.processes.worker_processes import WorkerProcesses


class ProcessKiller:
    """Implements `timeskip.faults.killers.Killer` for the worker processes of a simulation."""

    def __init__(self, processes: WorkerProcesses) -> None:
        self._processes = processes

    def workers(self) -> list[str]:
        """The identities of the processes that live, the oldest first."""
        return list(dict.fromkeys(running.identity for running in self._processes.living()))

    def kill(
        self, identity: str, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        """SIGKILL."""
        for running in self._of(identity):
            worker = self._processes.bury(running)
            self._processes.replace_after(worker, restart_after)
        done()

    def stop(self, identity: str) -> bool:
        """SIGSTOP."""
        for running in self._of(identity):
            running.stand_still()
        return True

    def go_on(self, identity: str) -> None:
        """SIGCONT."""
        for running in self._of(identity):
            running.go_on()

    def terminate(
        self, identity: str, restart_after: timedelta | None, done: Callable[[], None]
    ) -> None:
        """SIGTERM."""
        for running in self._of(identity):
            running.restart_after = restart_after
            running.ended.add_done_callback(lambda _: done())
            running.leave()

    def evict(self, identity: str, run_id: str) -> None:
        """Have a process forget a workflow."""
        for running in self._of(identity):
            running.evict(run_id)

    def _of(self, identity: str) -> list[RunningWorker]:
        return [each for each in self._processes.living() if each.identity == identity]
