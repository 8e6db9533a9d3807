"""A folder of histories, replayed by several processes at once."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from timeskip.histories.corpus import ReplayedFile, Verdict, name_in, replay_files
from timeskip.histories.replaying.core import close_replay_thread
from timeskip.histories.workflow_source import WorkflowSource
from timeskip.sdk_exit import guard_exit

#: Files that a process is given at a time, at most, and for how many times each has files at least.
#: One batch is always underway to it, so that it never waits.
_BATCH = 8
_TURNS = 4

#: Real seconds after which processes that tell of nothing are given up. The SDK ends a workflow that
#: blocks after two, unless it blocks outside of Python. A long history takes longer: it is read and
#: replayed at so many bytes a second, even by a slow machine.
_PATIENCE = 60.0
_BYTES_A_SECOND = 50_000

_Outcome = ReplayedFile | Exception


def replay_in_processes(
    folder: Path, files: Sequence[Path], source: WorkflowSource, processes: int
) -> Iterator[ReplayedFile]:
    """Replay the files, each told as soon as that is done, in whatever order.

    A process that dies is replaced; the file that it died of is told as failed.

    Raises:
        WorkflowsNotFound: A process could not import what `source` names.
    """
    waiting = deque(files)
    batch = max(1, min(_BATCH, len(files) // (processes * _TURNS)))
    replayers = [_Process(folder, source) for _ in range(min(processes, len(files)))]
    try:
        while True:
            for process in replayers:
                process.feed(waiting, batch)
            replayers = [process for process in replayers if not process.is_done()]
            if not replayers:
                return
            patience = max(process.patience for process in replayers)
            ready = wait([process.connection for process in replayers], patience)
            if not ready:
                for process in replayers:
                    process.give_up()
            for process in [each for each in replayers if each.connection in ready]:
                outcome = process.receive()
                if isinstance(outcome, Exception):
                    raise outcome
                yield outcome
                if process.has_died:
                    waiting.extendleft(reversed(process.given))
                    process.end()
                    replayers.remove(process)
                    if waiting:
                        replayers.append(_Process(folder, source))
    finally:
        for process in replayers:
            process.end()


class _Process:
    """A process that replays files as it is given them."""

    def __init__(self, folder: Path, source: WorkflowSource) -> None:
        context = multiprocessing.get_context("spawn")
        self._folder = folder
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, folder, source, sys.path), daemon=True
        )
        with _interrupts_ignored():
            self._process.start()
        theirs.close()
        #: Files that it has not told of yet, in their order.
        self.given: deque[Path] = deque()
        self.has_died = False
        self._was_given_up = False

    @property
    def patience(self) -> float:
        """Real seconds that its next file may take."""
        try:
            size = self.given[0].stat().st_size if self.given else 0
        except OSError:  # it cannot be read either, which will be told
            size = 0
        return _PATIENCE + size / _BYTES_A_SECOND

    def feed(self, waiting: deque[Path], size: int) -> None:
        """Give it files, enough to go on with."""
        while waiting and len(self.given) <= size:
            batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
            self.given.extend(batch)
            self._send(batch)

    def is_done(self) -> bool:
        """Whether there is nothing left for it; then it is ended."""
        if self.given or self.has_died:
            return False
        self.end()
        return True

    def receive(self) -> _Outcome:
        """What came of the next of its files, or why it can do none."""
        try:
            outcome: _Outcome = self.connection.recv()
        except (EOFError, OSError):
            self.has_died = True
            self._process.join()
            why = (
                f"its replay did not end within {self.patience:.0f} seconds"
                if self._was_given_up
                else f"the process that replayed it died (exit code {self._process.exitcode})"
            )
            name = name_in(self._folder, self.given.popleft())
            return ReplayedFile(name, Verdict.FAILED, why)
        if isinstance(outcome, ReplayedFile):
            self.given.popleft()
        return outcome

    def give_up(self) -> None:
        """Have it die."""
        self._was_given_up = True
        self._process.kill()

    def end(self) -> None:
        """Let it end, if it has not."""
        if self.given:
            self._process.terminate()
        else:
            self._send(None)
        self._process.join()
        self.connection.close()

    def _send(self, batch: list[Path] | None) -> None:
        try:
            self.connection.send(batch)
        except OSError:
            return  # it has died, which is noticed where its answers are read


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes that are started within ignore Ctrl+C: whoever started them ends them, too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(
    connection: Connection[Any, Any], folder: Path, source: WorkflowSource, path: list[str]
) -> None:
    """What such a process does."""
    guard_exit()
    sys.path[:] = path
    try:
        settings = source.settings()
    except Exception as error:  # noqa: BLE001 - it is raised in the process that wants to know
        connection.send(error)
        return
    while (batch := connection.recv()) is not None:
        for replayed in replay_files(folder, batch, settings):
            connection.send(replayed)
    close_replay_thread()
