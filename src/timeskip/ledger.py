"""`Ledger`: what activities have really done, for a test to look at in the end."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import temporalio.activity
import temporalio.workflow

from timeskip import frozen_time
from timeskip.activity_time import thread_sleep
from timeskip.activity_time.attempt import current_attempt
from timeskip.clock import datetime_of
from timeskip.errors import LedgerMissing


@dataclass(frozen=True)
class LedgerEntry:
    """Something that was done.

    Attributes:
        what: Its name.
        key: The idempotency key, as text; None if there was none.
        details: What else was recorded.
        time: The virtual time; the machine's where there is none.
        activity, activity_id, attempt: By which attempt of which activity; empty and 0 outside of one.
        workflow_id, run_id, workflow_type: On whose behalf.
        process: The id of the process.
    """

    what: str
    key: str | None
    details: dict[str, Any]
    time: datetime
    activity: str
    activity_id: str
    attempt: int
    workflow_id: str
    run_id: str
    workflow_type: str
    process: int
    _name: str = field(default="", repr=False)

    @property
    def call(self) -> tuple[str, str]:
        """The same for all attempts of one call of an activity."""
        return self.run_id, self.activity_id

    def __str__(self) -> str:
        words = [f"{self.time:%Y-%m-%d %H:%M:%S}"]
        if self.activity:
            words.append(f"attempt {self.attempt} of {self.activity} in {self.workflow_id!r}")
        if self.key is not None:
            words.append(f"key {self.key}")
        words += [f"{name}={value!r}" for name, value in self.details.items()]
        return "  ".join(words)


class LedgerCount(int):
    """How often something was done. `entries` are these times; `repeated`, what had no effect."""

    what: str
    entries: list[LedgerEntry]
    repeated: list[LedgerEntry]

    @classmethod
    def of(
        cls, what: str, entries: Iterable[LedgerEntry], repeated: Iterable[LedgerEntry] = ()
    ) -> LedgerCount:
        """The number of these entries."""
        entries = list(entries)
        made = cls(len(entries))
        made.what = what
        made.entries = entries
        made.repeated = list(repeated)
        return made

    def told(self, accounts: Iterable[str] = ()) -> list[str]:
        """Lines for somebody who has expected another number; `accounts` tell what has gone wrong."""
        if not (self.entries or self.repeated):
            return [f"{self.what!r} is not in the ledger", *accounts]
        lines = [f"{self.what!r}:", *(f"  {entry}" for entry in self.entries)]
        lines += [f"  {entry}  (again, so it does not count)" for entry in self.repeated]
        return [*lines, *accounts, *self._why()]

    def _why(self) -> Iterator[str]:
        """What is wrong with an activity that has done one thing twice; once for each activity."""
        same: dict[tuple[object, ...], list[LedgerEntry]] = {}
        for entry in self.entries:
            if entry.activity:
                same.setdefault((*entry.call, str(entry.details)), []).append(entry)
        culprits = {entries[0].activity: entries for entries in same.values() if len(entries) > 1}
        for activity, entries in culprits.items():
            attempts = list(dict.fromkeys(str(entry.attempt) for entry in entries))
            if len(attempts) > 1:
                yield f"Attempts {' and '.join(attempts)} of one call of {activity} have each done it:"
            else:
                yield f"One call of {activity} has done it {len(entries)} times:"
            if entries[0].key is None:
                yield "it is not idempotent. What it calls has to know it again by a key, such as"
                yield 'f"{info.workflow_run_id}-{info.activity_id}" of info = activity.info().'
            else:
                yield "the key has to be the same in all attempts, and must not be made up in one."


class Ledger:
    """What activities have really done, outside of the memory of all workers.

    An activity, or what stands for the service that it calls, records what it does:
    `ledger.record("charge", key=order.id)`. The test asserts how often that had an effect:
    `assert ledger.count("charge") == 1`. Whatever was done before under the same key has none, as
    with a service that knows its requests again. A failing `assert` in pytest tells every time.

    Entries are lines of a file, so they survive whatever happens to a process, and other processes
    write to the same ledger: one that is given it, as by `sim.worker_process(..., ledger=ledger)`, or
    that asks for `Ledger.of_test()`.

    Args:
        path: The file. It need not exist.
    """

    #: Where a process finds the path of the ledger of the test that has started it.
    VARIABLE: ClassVar[str] = "TIMESKIP_LEDGER"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._read = 0
        self._rest = b""
        self._entries: list[LedgerEntry] = []
        self._lock = threading.Lock()
        self._numbers = count()

    @classmethod
    def of_test(cls) -> Ledger:
        """The ledger of the pytest fixture `ledger`, for code that is not given it.

        Also in other processes that the test has started.

        Raises:
            LedgerMissing: The test that runs has no such fixture.
        """
        path = os.environ.get(cls.VARIABLE)
        if path is None:
            raise LedgerMissing(
                "there is no ledger: the test has to have the fixture `ledger`, or this code a "
                "timeskip.Ledger(path) of its own"
            )
        return cls(path)

    def record(self, what: str, *, key: object = None, **details: object) -> bool:
        """Write down that something is done. True unless it was done under the same key before."""
        if temporalio.workflow.in_workflow():
            raise RuntimeError(
                "a ledger is for activities: the code of a workflow runs again whenever it is replayed"
            )
        attempt = current_attempt.get()
        if attempt is not None and attempt.killed:
            # Its worker is dead: it never gets here. Threads stop where they sleep.
            thread_sleep.sleep(1e-9)
        name = f"{os.getpid()}-{id(self)}-{next(self._numbers)}"
        line = json.dumps(
            {
                "what": what,
                "key": None if key is None else str(key),
                "details": details,
                "time": frozen_time.shown_ns(),
                **_circumstances(),
                "process": os.getpid(),
                "name": name,
            },
            default=str,
        )
        # One write to the end of the file is never mixed with that of another process.
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode() + b"\n")
        finally:
            os.close(file)
        first = next(
            entry
            for entry in self.entries
            if entry._name == name or (entry.what == what and entry.key == str(key))
        )
        return key is None or first._name == name

    @property
    def entries(self) -> list[LedgerEntry]:
        """Everything, in the order in which it was written down."""
        with self._lock:
            if self.path.exists():
                with self.path.open("rb") as file:
                    file.seek(self._read)
                    added = file.read()
                self._read += len(added)
                *lines, self._rest = (self._rest + added).split(b"\n")
                self._entries += map(_entry, lines)
            return list(self._entries)

    def count(self, what: str, **details: object) -> LedgerCount:
        """How often something was done with effect: of entries with the same key the first counts.

        `details` are those of the entries that are counted.
        """
        known: set[str] = set()
        effective: list[LedgerEntry] = []
        repeated: list[LedgerEntry] = []
        for entry in self._of(what, details):
            if entry.key is not None and entry.key in known:
                repeated.append(entry)
                continue
            effective.append(entry)
            if entry.key is not None:
                known.add(entry.key)
        return LedgerCount.of(what, effective, repeated)

    def calls(self, what: str, **details: object) -> LedgerCount:
        """How often something was asked for, with effect or not."""
        return LedgerCount.of(what, self._of(what, details))

    def __str__(self) -> str:
        return "\n".join(f"{entry.what}  {entry}" for entry in self.entries)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self.path),)

    def _of(self, what: str, details: dict[str, object]) -> list[LedgerEntry]:
        wanted = json.loads(json.dumps(details, default=str))
        return [
            entry
            for entry in self.entries
            if entry.what == what and wanted.items() <= entry.details.items()
        ]


def _circumstances() -> dict[str, object]:
    if not temporalio.activity.in_activity():
        return {}
    info = temporalio.activity.info()
    return {
        "activity": info.activity_type,
        "activity_id": info.activity_id,
        "attempt": info.attempt,
        "workflow_id": info.workflow_id or "",
        "run_id": info.workflow_run_id or "",
        "workflow_type": info.workflow_type or "",
    }


def _entry(line: bytes) -> LedgerEntry:
    told = json.loads(line)
    return LedgerEntry(
        what=told["what"],
        key=told["key"],
        details=told["details"],
        time=datetime_of(told["time"]),
        activity=told.get("activity", ""),
        activity_id=told.get("activity_id", ""),
        attempt=told.get("attempt", 0),
        workflow_id=told.get("workflow_id", ""),
        run_id=told.get("run_id", ""),
        workflow_type=told.get("workflow_type", ""),
        process=told["process"],
        _name=told["name"],
    )
