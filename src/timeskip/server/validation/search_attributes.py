"""Search attributes: which may be set, and to which values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from google.protobuf import text_format
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import IndexedValueType

from timeskip.server.errors import invalid_argument

SearchAttributeTypes = Mapping[str, IndexedValueType.ValueType]
"""The custom search attributes that a namespace knows, with their types."""

_BOOL: Final = IndexedValueType.INDEXED_VALUE_TYPE_BOOL
_DATETIME: Final = IndexedValueType.INDEXED_VALUE_TYPE_DATETIME
_DOUBLE: Final = IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE
_INT: Final = IndexedValueType.INDEXED_VALUE_TYPE_INT
_KEYWORD: Final = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_KEYWORD_LIST: Final = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST
_TEXT: Final = IndexedValueType.INDEXED_VALUE_TYPE_TEXT

PREDEFINED_TYPES: Final[SearchAttributeTypes] = {
    "BatcherNamespace": _KEYWORD,
    "BatcherUser": _KEYWORD,
    "BinaryChecksums": _KEYWORD_LIST,
    "BuildIds": _KEYWORD_LIST,
    "TemporalChangeVersion": _KEYWORD_LIST,
    "TemporalNamespaceDivision": _KEYWORD,
    "TemporalPauseInfo": _KEYWORD_LIST,
    "TemporalReportedProblems": _KEYWORD_LIST,
    "TemporalSchedulePaused": _BOOL,
    "TemporalScheduledById": _KEYWORD,
    "TemporalScheduledStartTime": _DATETIME,
}
"""Attributes that every namespace has and that users may set."""

SYSTEM_TYPES: Final[SearchAttributeTypes] = {
    "CloseTime": _DATETIME,
    "ExecutionDuration": _INT,
    "ExecutionStatus": _KEYWORD,
    "ExecutionTime": _DATETIME,
    "HistoryLength": _INT,
    "HistorySizeBytes": _INT,
    "ParentRunId": _KEYWORD,
    "ParentWorkflowId": _KEYWORD,
    "RootRunId": _KEYWORD,
    "RootWorkflowId": _KEYWORD,
    "RunId": _KEYWORD,
    "StartTime": _DATETIME,
    "StateTransitionCount": _INT,
    "TaskQueue": _KEYWORD,
    "TemporalExternalPayloadCount": _INT,
    "TemporalExternalPayloadSizeBytes": _INT,
    "TemporalUsedWorkerDeploymentVersions": _KEYWORD_LIST,
    "TemporalWorkerDeployment": _KEYWORD,
    "TemporalWorkerDeploymentVersion": _KEYWORD,
    "TemporalWorkflowVersioningBehavior": _KEYWORD,
    "WorkflowId": _KEYWORD,
    "WorkflowType": _KEYWORD,
}
"""Attributes that only the server itself sets."""

_MAX_VALUE_SIZE: Final = 2 * 1024
_MAX_TOTAL_SIZE: Final = 40 * 1024

_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d)"
    r"(?:[.,]\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


class _UndecodableError(Exception):
    """The payload is nothing that the real server's data converter reads."""


def validate_search_attributes(
    attributes: SearchAttributes, namespace: str, custom: SearchAttributeTypes
) -> None:
    """Refuse search attributes with INVALID_ARGUMENT as the real server does.

    `custom` are the attributes that were added to `namespace`. Names are looked at in alphabetical
    order, where the real server has none; so of several mistakes always the same one is told.
    """
    validate_search_attribute_values(attributes, namespace, custom)
    validate_search_attribute_sizes(attributes)


def validate_search_attribute_values(
    attributes: SearchAttributes, namespace: str, custom: SearchAttributeTypes
) -> None:
    """The part of the checks that is about names and types, without sizes.

    Values that do not say of which type they are get told.
    """
    fields = sorted(attributes.indexed_fields.items())
    for name, _ in fields:
        if name not in PREDEFINED_TYPES and name not in SYSTEM_TYPES and name not in custom:
            raise invalid_argument(
                f"Namespace {namespace} has no mapping defined for search attribute {name}"
            )
    for name, payload in fields:
        if name in SYSTEM_TYPES:
            raise invalid_argument(f"{name} attribute can't be set in SearchAttributes")
        value_type = PREDEFINED_TYPES[name] if name in PREDEFINED_TYPES else custom[name]
        if not _is_valid(payload, value_type):
            raise invalid_argument(
                f"invalid value for search attribute {name} "
                f"of type {_type_name(value_type)}: {_shown(payload)}"
            )
        if "type" not in payload.metadata:
            payload.metadata["type"] = _type_name(value_type).encode()


def validate_search_attribute_sizes(attributes: SearchAttributes) -> None:
    """The part of the checks that is about sizes."""
    for name, payload in sorted(attributes.indexed_fields.items()):
        if len(payload.data) > _MAX_VALUE_SIZE:
            raise invalid_argument(
                f"search attribute {name} value size {len(payload.data)} "
                f"exceeds size limit {_MAX_VALUE_SIZE}"
            )
    if attributes.ByteSize() > _MAX_TOTAL_SIZE:
        raise invalid_argument(
            f"total size of search attributes {attributes.ByteSize()} "
            f"exceeds size limit {_MAX_TOTAL_SIZE}"
        )


def _is_valid(payload: Payload, value_type: IndexedValueType.ValueType) -> bool:
    """A value fits its type, or is a list of at most one such value; null fits every type."""
    try:
        value = _decoded(payload)
    except _UndecodableError:
        return False
    fits = _FITS[value_type]
    return fits(value) or (
        isinstance(value, list) and (not value or (len(value) == 1 and fits(value[0])))
    )


def _decoded(payload: Payload) -> Any:
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return None
    if encoding == b"binary/plain":
        return payload.data
    if encoding != b"json/plain":
        raise _UndecodableError
    try:
        return json.loads(payload.data)
    except ValueError:
        raise _UndecodableError from None


def _fits_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _fits_int(value: Any) -> bool:
    return value is None or (type(value) is int and -(2**63) <= value < 2**63)


def _fits_double(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def _fits_bool(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _fits_datetime(value: Any) -> bool:
    if not isinstance(value, str):
        return value is None
    match = _RFC3339.fullmatch(value)
    if match is None:
        return False
    try:
        datetime.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def _fits_keyword_list(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(_fits_text(item) for item in value))


_FITS: Final[Mapping[IndexedValueType.ValueType, Callable[[Any], bool]]] = {
    _BOOL: _fits_bool,
    _DATETIME: _fits_datetime,
    _DOUBLE: _fits_double,
    _INT: _fits_int,
    _KEYWORD: _fits_text,
    _KEYWORD_LIST: _fits_keyword_list,
    _TEXT: _fits_text,
}


def _type_name(value_type: IndexedValueType.ValueType) -> str:
    name = IndexedValueType.Name(value_type).removeprefix("INDEXED_VALUE_TYPE_")
    return name.title().replace("_", "")


def _shown(payload: Payload) -> str:
    try:
        return _in_go(_decoded(payload))
    except _UndecodableError:
        return f"value from <{text_format.MessageToString(payload, as_one_line=True)}>"


def _in_go(value: Any) -> str:
    """The value as the real server prints it: with Go's `%v`, where JSON numbers are floats."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _float_in_go(float(value))
    if isinstance(value, Mapping):
        entries = (f"{key}:{_in_go(entry)}" for key, entry in sorted(value.items()))
        return f"map[{' '.join(entries)}]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{' '.join(_in_go(item) for item in value)}]"
    return str(value)


def _float_in_go(number: float) -> str:
    decimal = Decimal(repr(number)).normalize()
    if -4 <= decimal.adjusted() < 6:
        return f"{decimal:f}"
    digits = "".join(map(str, decimal.as_tuple().digits))
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{'-' if number < 0 else ''}{mantissa}e{decimal.adjusted():+03d}"
