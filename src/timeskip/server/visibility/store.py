"""The table of runs that list filters are asked of: SQLite, in memory.

The rows follow the runs only when somebody lists: `refresh` writes those of the runs that changed
since it was called last. Values always reach SQL as bound parameters.
"""

from __future__ import annotations

import json
import re
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType

from timeskip.server.validation.search_attributes import (
    PREDEFINED_TYPES,
    SearchAttributeTypes,
)
from timeskip.server.visibility.instants import parsed_instant

if TYPE_CHECKING:
    from timeskip.server.run import Run

Listed = TypeVar("Listed")

#: Sorts open runs before closed ones, as if they closed at the end of time.
END_OF_TIME: Final = 253_402_300_799_000_000

_KEYWORD_LIST: Final = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST
_DATETIME: Final = IndexedValueType.INDEXED_VALUE_TYPE_DATETIME

# Instants are microseconds since the epoch and durations nanoseconds. The orders tell apart what
# happened at one instant of virtual time; they are the task ids of a run's first and last event.
_SCHEMA: Final = """
    CREATE TABLE run (
        run_id TEXT PRIMARY KEY,
        namespace TEXT NOT NULL,
        workflow_id TEXT NOT NULL,
        workflow_type TEXT NOT NULL,
        task_queue TEXT NOT NULL,
        status INTEGER NOT NULL,
        start_time INTEGER NOT NULL,
        execution_time INTEGER NOT NULL,
        parent_workflow_id TEXT,
        parent_run_id TEXT,
        root_workflow_id TEXT NOT NULL,
        root_run_id TEXT NOT NULL,
        close_time INTEGER,
        execution_duration INTEGER,
        history_length INTEGER,
        history_size INTEGER,
        state_transitions INTEGER,
        start_order INTEGER NOT NULL,
        close_order INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE attribute (
        run_id TEXT NOT NULL,
        name TEXT NOT NULL,
        value NOT NULL,
        PRIMARY KEY (run_id, name, value)
    ) WITHOUT ROWID;
"""
_COLUMNS: Final = 19


class Condition(NamedTuple):
    """A condition on a row of the table `run`, with the parameters that are bound to it."""

    sql: str
    parameters: tuple[object, ...] = ()

    def both(self, other: Condition) -> Condition:
        return Condition(f"{self.sql} AND {other.sql}", self.parameters + other.parameters)


class Position(NamedTuple):
    """Where in the order of a listing a run stands."""

    close_time: int
    start_time: int
    run_id: str


class Kind(NamedTuple, Generic[Listed]):
    """What a store reads of the things that it lists."""

    #: Changes with whatever is listed of it.
    version: Callable[[Listed], int]
    #: Its row in the table `run`.
    row: Callable[[Listed], tuple[object, ...]]
    #: Its rows in the table `attribute`, with the names of its search attributes.
    attributes: Callable[[Listed], Iterator[tuple[str, str, object]]]


class VisibilityStore(Generic[Listed]):
    """The rows of everything of one kind in a cluster, such as its runs."""

    def __init__(self, kind: Kind[Listed]) -> None:
        self._kind = kind
        self._rows: dict[str, int] = {}
        self._connection: sqlite3.Connection | None = None

    def refresh(self, runs: Mapping[str, Listed]) -> None:
        """Bring the rows up to date with the runs, given by their ids."""
        rows, kind = self._rows, self._kind
        changed = {
            run_id: run for run_id, run in runs.items() if rows.get(run_id) != kind.version(run)
        }
        gone = [(run_id,) for run_id in rows if run_id not in runs]
        ids = [(run_id,) for run_id in changed] + gone
        if not ids:
            return
        database = self._database
        database.executemany("DELETE FROM run WHERE run_id = ?", ids)
        database.executemany("DELETE FROM attribute WHERE run_id = ?", ids)
        marks = ", ".join("?" * _COLUMNS)
        database.executemany(f"INSERT INTO run VALUES ({marks})", map(kind.row, changed.values()))
        database.executemany(
            "INSERT OR IGNORE INTO attribute VALUES (?, ?, ?)",
            (value for run in changed.values() for value in kind.attributes(run)),
        )
        for (run_id,) in gone:
            del rows[run_id]
        for run_id, run in changed.items():
            rows[run_id] = kind.version(run)

    def forget_attribute(self, namespace: str, name: str) -> None:
        """Forget what the runs of a namespace had set a search attribute to."""
        self._database.execute(
            "DELETE FROM attribute WHERE name = ?"
            " AND run_id IN (SELECT run_id FROM run WHERE namespace = ?)",
            (name, namespace),
        )

    def count(self, condition: Condition) -> int:
        """How many runs meet the condition."""
        found: tuple[int] = self._database.execute(
            f"SELECT COUNT(*) FROM run WHERE {condition.sql}", condition.parameters
        ).fetchone()
        return found[0]

    def count_by(
        self, group: Condition, condition: Condition
    ) -> list[tuple[str | int | None, int]]:
        """How many runs meet the condition, for each value of `group`."""
        return self._database.execute(
            f"SELECT {group.sql} AS value, COUNT(*) FROM run WHERE {condition.sql} GROUP BY value",
            group.parameters + condition.parameters,
        ).fetchall()

    def page(self, condition: Condition, after: Position | None, size: int) -> list[Position]:
        """The runs that meet the condition: open ones first, then the newest first."""
        closed = f"coalesce(close_time, {END_OF_TIME})"
        if after is not None:
            condition = condition.both(
                Condition(
                    f"({closed}, close_order, start_time, start_order) < (?,"
                    " coalesce((SELECT close_order FROM run WHERE run_id = ?), 0), ?,"
                    " coalesce((SELECT start_order FROM run WHERE run_id = ?), 0))",
                    (after.close_time, after.run_id, after.start_time, after.run_id),
                )
            )
        rows = self._database.execute(
            f"SELECT {closed}, start_time, run_id FROM run WHERE {condition.sql}"
            f" ORDER BY {closed} DESC, close_order DESC, start_time DESC, start_order DESC LIMIT ?",
            (*condition.parameters, size),
        )
        return [Position(*row) for row in rows]

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            # A lane may bring the calls from another thread than the one that it was made in.
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            weakref.finalize(self, connection.close)
            connection.create_function("holds_words", 2, _holds_words, deterministic=True)
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection


def search_attribute_value(payload: Payload, value_type: IndexedValueType.ValueType) -> Any:
    """What a search attribute is set to, as JSON data: a list if its type is one, or None."""
    if payload.metadata.get("encoding") != b"json/plain":
        return None
    value = json.loads(payload.data)
    if value_type == _KEYWORD_LIST:
        return value if value is None or isinstance(value, list) else [value]
    if isinstance(value, list):
        return value[0] if value else None
    return value


def known_types(custom: SearchAttributeTypes) -> dict[str, IndexedValueType.ValueType]:
    """The search attributes that a run of a namespace with these custom ones may have."""
    return {**PREDEFINED_TYPES, **custom}


def _row(run: Run) -> tuple[object, ...]:
    started = run.started
    parent = started.parent_workflow_execution
    root = started.root_workflow_execution
    execution_time = run.start_time + started.first_workflow_task_backoff.ToNanoseconds()
    row: tuple[object, ...] = (
        run.run_id,
        run.namespace.name,
        run.workflow_id,
        run.workflow_type,
        run.task_queue,
        run.status,
        run.start_time // 1000,
        execution_time // 1000,
        parent.workflow_id or None,
        parent.run_id or None,
        root.workflow_id or run.workflow_id,
        root.run_id or run.run_id,
    )
    start_order = run.history.events[0].task_id
    if run.close_time is None:
        return (*row, None, None, None, None, None, start_order, 0)
    return (
        *row,
        run.close_time // 1000,
        run.close_time - execution_time,
        len(run.history.events),
        run.history.size_bytes,
        run.state_transitions,
        start_order,
        run.history.events[-1].task_id,
    )


def _version(run: Run) -> int:
    return run.state_transitions


def _attributes(run: Run) -> Iterator[tuple[str, str, object]]:
    return attribute_rows(run.run_id, run.search_attributes, run.namespace.search_attributes)


#: Runs of workflows, which are what the columns are made for.
RUNS: Final[Kind[Run]] = Kind(_version, _row, _attributes)


def attribute_rows(
    run_id: str, attributes: Mapping[str, Payload], custom: SearchAttributeTypes
) -> Iterator[tuple[str, str, object]]:
    """The rows that search attributes make. `custom` are those that the namespace has of its own."""
    types = known_types(custom)
    for name, payload in attributes.items():
        value_type = types.get(name)
        if value_type is None:
            continue
        value = search_attribute_value(payload, value_type)
        if value_type == _DATETIME and value is not None:
            value = parsed_instant(value)
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                yield run_id, name, each


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _holds_words(text: str | None, wanted: str) -> bool:
    """Whether a text holds one of the phrases, which white space parts, of another."""
    if text is None:
        return False
    words = _words(text)
    for phrase in map(_words, wanted.split()):
        size = len(phrase)
        if size and any(words[at : at + size] == phrase for at in range(len(words))):
            return True
    return False
