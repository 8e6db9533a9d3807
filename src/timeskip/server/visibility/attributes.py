"""The search attributes that a list filter may name."""

from __future__ import annotations

from typing import Final, NamedTuple

from temporalio.api.enums.v1 import IndexedValueType

from timeskip.server.validation.search_attributes import (
    PREDEFINED_TYPES,
    SYSTEM_TYPES,
    SearchAttributeTypes,
)

_PREFIX: Final = "Temporal"

#: The columns of the store's table of runs. All other attributes are in its table of attributes.
_COLUMNS: Final = {
    "CloseTime": "close_time",
    "ExecutionDuration": "execution_duration",
    "ExecutionStatus": "status",
    "ExecutionTime": "execution_time",
    "HistoryLength": "history_length",
    "HistorySizeBytes": "history_size",
    "ParentRunId": "parent_run_id",
    "ParentWorkflowId": "parent_workflow_id",
    "RootRunId": "root_run_id",
    "RootWorkflowId": "root_workflow_id",
    "RunId": "run_id",
    "StartTime": "start_time",
    "StateTransitionCount": "state_transitions",
    "TaskQueue": "task_queue",
    "WorkflowId": "workflow_id",
    "WorkflowType": "workflow_type",
}


class Attribute(NamedTuple):
    """A search attribute that somebody has named.

    `column` is empty for an attribute whose values are in the store's table of attributes.
    """

    alias: str
    name: str
    type: IndexedValueType.ValueType
    column: str


def attribute_named(alias: str, custom: SearchAttributeTypes) -> Attribute | None:
    """The attribute that a filter means by `alias`, or None.

    As on the real server, "Temporal" may stand before any attribute of the server's own or be left
    out where it belongs, and a schedule's id is that of its workflow.
    """
    if alias in custom:
        return Attribute(alias, alias, custom[alias], "")
    without_prefix = alias.removeprefix(_PREFIX)
    for name in (alias, without_prefix, _PREFIX + alias):
        if name == "ScheduleId":
            name = "WorkflowId"
        value_type = SYSTEM_TYPES.get(name, PREDEFINED_TYPES.get(name))
        if value_type is not None:
            return Attribute(alias, name, value_type, _COLUMNS.get(name, ""))
    return None


def type_name(value_type: IndexedValueType.ValueType) -> str:
    """The type as the real server's messages call it, such as KeywordList."""
    name = IndexedValueType.Name(value_type).removeprefix("INDEXED_VALUE_TYPE_")
    return name.title().replace("_", "")
