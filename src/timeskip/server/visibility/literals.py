"""The values in a list filter, which have to be of the type of the attribute beside them."""

from __future__ import annotations

import json
import re
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType, WorkflowExecutionStatus

from timeskip.clock import SECOND
from timeskip.server.errors import ServiceError, invalid_argument
from timeskip.server.visibility.attributes import Attribute, type_name
from timeskip.server.visibility.instants import parsed_instant

Value = str | int | float | bool

_INT: Final = IndexedValueType.INDEXED_VALUE_TYPE_INT
_DOUBLE: Final = IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE
_BOOL: Final = IndexedValueType.INDEXED_VALUE_TYPE_BOOL
_DATETIME: Final = IndexedValueType.INDEXED_VALUE_TYPE_DATETIME
_TEXT: Final = IndexedValueType.INDEXED_VALUE_TYPE_TEXT

_STATUS_PREFIX: Final = "WORKFLOW_EXECUTION_STATUS_"
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 24 * 3600 * SECOND,
}
_NUMBER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_DURATION: Final = re.compile(r"[+-]?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+", re.ASCII)
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)", re.ASCII)
_CLOCK_DURATION: Final = re.compile(r"(\d+):([0-5]\d):([0-5]\d)", re.ASCII)


def status_name(status: WorkflowExecutionStatus.ValueType) -> str:
    """The status as filters and the CLI write it, such as TimedOut."""
    name = WorkflowExecutionStatus.Name(status).removeprefix(_STATUS_PREFIX)
    return name.title().replace("_", "")


_STATUSES: Final = {
    spelling: status
    for name, status in WorkflowExecutionStatus.items()
    for spelling in (name, status_name(status))
}


def stored_value(attribute: Attribute, value: Value) -> Value:
    """The value as the store holds it, or INVALID_ARGUMENT if it is of another type."""
    if attribute.name == "ExecutionStatus" and not isinstance(value, bool):
        return _status(value)
    if attribute.name == "ExecutionDuration" and not isinstance(value, bool):
        return _duration(value)
    if attribute.type == _BOOL:
        fits = isinstance(value, bool)
    elif isinstance(value, bool):
        fits = False
    elif attribute.type in (_INT, _DOUBLE):
        fits = isinstance(value, int | float)
    elif attribute.type == _DATETIME:
        if isinstance(value, str):
            return _instant(value)
        if isinstance(value, int):
            return value // 1000
        fits = False
    else:
        fits = isinstance(value, str)
    if not fits:
        raise _invalid(
            f"invalid value type for search attribute {attribute.alias} "
            f"of type {type_name(attribute.type)}: {_in_go(value)}"
        )
    if attribute.type == _TEXT and not str(value).strip():
        raise _invalid(f"no tokens found filtering on Text type search attribute {attribute.alias}")
    return value


def _status(value: str | int | float) -> int:
    if isinstance(value, str):
        if value not in _STATUSES:
            raise _invalid(f"invalid ExecutionStatus value '{value}'")
        return _STATUSES[value]
    if isinstance(value, float):
        raise _invalid("unexpected value type float64 for search attribute ExecutionStatus")
    if value not in WorkflowExecutionStatus.values():
        raise _invalid(f"invalid ExecutionStatus value {value}")
    return value


def _duration(value: str | int | float) -> int:
    if isinstance(value, float):
        raise _invalid("unexpected value type float64 for search attribute ExecutionDuration")
    if isinstance(value, int):
        return value
    if _NUMBER.fullmatch(value):
        return int(value)
    if match := _CLOCK_DURATION.fullmatch(value):
        hours, minutes, seconds = map(int, match.groups())
        return (hours * 3600 + minutes * 60 + seconds) * SECOND
    if _DURATION.fullmatch(value):
        parts = _DURATION_PART.findall(value)
        total = round(sum(float(number) * _UNITS[unit] for number, unit in parts))
        return -total if value.startswith("-") else total
    raise _invalid(f"invalid duration value for search attribute ExecutionDuration: {value}")


def _instant(text: str) -> int:
    microseconds = parsed_instant(text)
    if microseconds is None:
        raise _invalid(f"unable to parse datetime '{text}'")
    return microseconds


def _in_go(value: Value) -> str:
    """The value and its type as the real server prints them."""
    if isinstance(value, bool):
        return f"{str(value).lower()} (type: bool)"
    if isinstance(value, int):
        return f"{value} (type: int64)"
    if isinstance(value, float):
        return f"{value:g} (type: float64)"
    return f"{json.dumps(value, ensure_ascii=False)} (type: string)"


def _invalid(message: str) -> ServiceError:
    return invalid_argument(f"invalid query: invalid expression: {message}")
