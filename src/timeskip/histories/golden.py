"""Golden histories: recorded once, kept in a file, compared with and replayed ever after."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import temporalio.api.history.v1

from timeskip.errors import (
    GoldenHistoryMissing,
    GoldenHistoryNotWritten,
    HistoryUnreadable,
)
from timeskip.histories.comparison import Difference
from timeskip.histories.explanation import difference_lines
from timeskip.histories.history import History
from timeskip.histories.normal_form import Ignored, without

#: Not written if they do not count: no replay needs them, and they tell of the machine.
_NOT_WRITTEN = (
    Ignored.IDENTITIES,
    Ignored.NAMESPACE_IDS,
    Ignored.REQUEST_IDS,
    Ignored.STACK_TRACES,
    Ignored.TASK_IDS,
)

#: Bytes: file systems mostly allow 255 for a name, and the test's own is in it, too.
_LONGEST_NAME = 80


@dataclass(frozen=True)
class GoldenOutcome:
    """What came of a comparison with a file: what was written, and why, or what was wrong."""

    path: Path
    difference: Difference | None = None
    replay_failure: Exception | None = None
    written: str = ""
    """Why the file was written, such as "new"; empty if it was not."""

    @property
    def is_equal(self) -> bool:
        """Whether the assertion holds."""
        return bool(self.written) or (self.difference is None and self.replay_failure is None)


class GoldenHistory:
    """The history in a file, which `==` compares with that of a run, and replays.

    Equal to a `History` if nothing differs on that history's terms, and if the code of today replays
    what is in the file. `golden_history("payment")` is another one of the same test, in a file of its
    own.

    Args:
        path: The file.
        shown: The path as people are told it.
        command: What to run to have the file written.
        update: Whether to write the file if it is missing or not equal.
        replay: Replays a history with the code of today: why it failed, or None.
        report: Is given what came of each comparison.
    """

    def __init__(
        self,
        path: Path,
        *,
        shown: str,
        command: str,
        update: bool = False,
        replay: Callable[[History], Exception | None] | None = None,
        report: Callable[[GoldenOutcome], None] = lambda outcome: None,
    ) -> None:
        self.path = path
        self.outcome: GoldenOutcome | None = None
        self._shown = shown
        self._command = command
        self._update = update
        self._replay = replay
        self._report = report
        self._written: History | None = None
        self._named: dict[str, GoldenHistory] = {}

    def __call__(self, name: str) -> GoldenHistory:
        if name not in self._named:
            named = self.in_file_name(name, longest=_LONGEST_NAME, kept=" ")
            file_name = f"{self.path.stem}-{named}{self.path.suffix}"
            self._named[name] = GoldenHistory(
                self.path.with_name(file_name),
                shown=f"{self._shown.removesuffix(self.path.name)}{file_name}",
                command=self._command,
                update=self._update,
                replay=self._replay,
                report=self._report,
            )
        return self._named[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        __tracebackhide__ = True  # to pytest: the test's own line is the place
        self.outcome = self._compare(other)
        self._report(self.outcome)
        return self.outcome.is_equal

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def _compare(self, run: History) -> GoldenOutcome:
        __tracebackhide__ = True
        self._require_file_of_its_own()
        if not self.path.exists():
            if not self._update:
                raise GoldenHistoryMissing(
                    f"there is no golden history {self._shown}. Write it with: {self._command}"
                )
            return self._write(run, "new")
        try:
            recorded = run.read_alike(self.path)
        except HistoryUnreadable as error:
            if not self._update:
                anew = f"To record it anew: {self._command}"
                raise HistoryUnreadable(f"{error}. {anew}") from None
            return self._write(run, "was not readable")
        difference = run.difference_from(recorded)
        if difference is not None and self._update:
            place = (
                f"{difference.where}: {difference.path}" if difference.path else difference.where
            )
            return self._write(
                run, f"{place}: {difference.expected} became {difference.actual}", difference
            )
        failure = self._replay(recorded) if self._replay is not None else None
        return GoldenOutcome(self.path, difference, failure)

    def _require_file_of_its_own(self) -> None:
        """Refuse a name that differs from that of another file by capital letters alone.

        With macOS and Windows the two are one file.
        """
        __tracebackhide__ = True
        if not self.path.parent.is_dir():
            return
        for other in os.listdir(self.path.parent):
            if other != self.path.name and other.casefold() == self.path.name.casefold():
                raise ValueError(
                    f"{self._shown} and {other} beside it are one file with macOS and Windows: call"
                    " the test, its parameter or the history something that differs by more than"
                    " capital letters, or delete the other file if it is not used any more"
                )

    def _write(self, run: History, why: str, difference: Difference | None = None) -> GoldenOutcome:
        __tracebackhide__ = True
        if self._written is not None:
            raise ValueError(
                f"{self._shown} was written a moment ago, and this history is not equal to it: two"
                ' histories of one test need two names, such as golden_history("second")'
            )
        self._written = run
        copy = temporalio.api.history.v1.History()
        copy.CopyFrom(run.recorded)
        without(copy, [each for each in _NOT_WRITTEN if each in run.terms.ignored])
        try:
            History(copy).save(self.path)
        except OSError as error:
            why = f"{error.strerror}: {error.filename2 or error.filename}"
            raise GoldenHistoryNotWritten(
                f"the golden history {self._shown} cannot be written: {why}"
            ) from None
        return GoldenOutcome(self.path, difference, written=why)

    def explanation(self, *, width: int = 80, colour: bool = False) -> list[str]:
        """Why the last comparison failed, as lines for a terminal."""
        if self.outcome is None or self.outcome.is_equal:
            return []
        lines = []
        if self.outcome.difference is not None:
            lines += difference_lines(self.outcome.difference, width=width, colour=colour)
        if self.outcome.replay_failure is not None:
            first, *_ = str(self.outcome.replay_failure).splitlines()
            lines.append("The code of today does not replay the recorded history:")
            lines.append(f"  {first}")
        elif self._replay is not None:
            lines.append(
                "The code of today replays the recorded history: it may go on with old runs."
            )
        lines.append(f"To record it anew: {self._command}")
        return lines

    @property
    def replay_failures(self) -> dict[str, Exception]:
        """Why recorded histories were not replayed, by their files: of this one, and of those named."""
        own = self.outcome.replay_failure if self.outcome is not None else None
        failures = {} if own is None else {self._shown: own}
        for named in self._named.values():
            failures.update(named.replay_failures)
        return failures

    @staticmethod
    def in_file_name(name: str, *, longest: int, kept: str = "") -> str:
        """A name as part of a file's: without what file systems do not take, such as slashes.

        `longest`: bytes, of which a name that had to be changed gets a few more. `kept`: characters
        that stay as they are besides the usual ones.
        """
        changed = re.sub(rf"[^\w.\[\]=+,@{kept}-]+", "_", name)
        changed = changed.encode()[:longest].decode(errors="ignore")
        if changed == name:
            return name
        # Two names must not become one.
        return f"{changed}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def __repr__(self) -> str:
        return f"<golden history {self._shown}>"
