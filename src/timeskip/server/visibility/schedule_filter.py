"""Filters of schedules: they may name fewer attributes, and the schedule's own id."""

from __future__ import annotations

from typing import Final

from sqlglot import exp
from temporalio.api.enums.v1 import IndexedValueType

from timeskip.server.errors import invalid_argument
from timeskip.server.schedules.rows import WORKFLOW_ID_PREFIX
from timeskip.server.validation.search_attributes import SearchAttributeTypes
from timeskip.server.visibility.attributes import Attribute, attribute_named
from timeskip.server.visibility.list_filter import FilterReader
from timeskip.server.visibility.literals import Value
from timeskip.server.visibility.query_syntax import parse_query
from timeskip.server.visibility.store import Condition

_ID: Final = "ScheduleId"

#: The real server's newer kind of schedules has these; those of the kind that it makes do not.
_NEVER_SET: Final = {
    "ScheduleNextActionTime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "ScheduleIdleCloseTime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "ScheduleRunningWorkflowCount": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "ScheduleBufferedStartsCount": IndexedValueType.INDEXED_VALUE_TYPE_INT,
}

#: With these a schedule's id stands for that of its workflow; other operators see the latter.
_ID_OPERATORS: Final = ("=", "!=", "IN", "NOT IN", "STARTS_WITH", "NOT STARTS_WITH")


#: The real server asks for something else as well, of this length, before what the filter asks for.
_BEGINNING: Final = "ScheduleId = 'any".ljust(174) + "' and "


def schedule_filter(query: str, custom: SearchAttributeTypes) -> Condition:
    """Read a filter of schedules, or refuse it with INVALID_ARGUMENT.

    `custom` are the search attributes that were added to the namespace.
    """
    reader = _ScheduleReader(custom)
    parsed = parse_query(query)
    condition = reader.read(parsed).condition
    if reader.foreign:
        raise invalid_argument(
            f'invalid query filter for schedules: cannot filter on "{reader.foreign[0]}"'
        )
    if parsed.condition is None:
        parse_query(_BEGINNING + query)
    return condition


class _ScheduleReader(FilterReader):
    def __init__(self, custom: SearchAttributeTypes) -> None:
        super().__init__(custom)
        #: Attributes that schedules have as well, but that may not be asked for.
        self.foreign: list[str] = []

    def attribute(self, alias: str) -> Attribute | None:
        if alias in _NEVER_SET:
            return Attribute(alias, alias, _NEVER_SET[alias], "")
        found = attribute_named(alias, self.custom)
        is_own = alias in self.custom or alias == _ID
        if found is not None and not is_own and found.name != "TemporalSchedulePaused":
            self.foreign.append(alias)
        return found

    def value(self, expression: exp.Expr, attribute: Attribute, operator: str) -> Value:
        value = super().value(expression, attribute, operator)
        if attribute.alias == _ID and operator in _ID_OPERATORS:
            return f"{WORKFLOW_ID_PREFIX}{value}"
        return value
