"""The form in which histories are compared: without what differs between any two runs.

What is left out stands in one table, `_FIELDS`, and each line of it can be kept.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import History
from temporalio.api.taskqueue.v1 import TaskQueue

from timeskip.histories.generated_ids import (
    is_generated,
    is_text,
    name_generated_ids,
    replace_in_payloads,
    replace_in_texts,
)
from timeskip.histories.json_spelling import spell_alike
from timeskip.histories.marker_times import clear_marker_times
from timeskip.histories.nexus_tokens import drop_callback_token, open_operation_token
from timeskip.histories.set_fields import messages_of, set_fields
from timeskip.histories.workflow_task_noise import drop_workflow_task_noise


class Ignored(Enum):
    """Something that comparisons of histories ignore unless asked to keep it."""

    TIMES = "event times, and other instants but whether there is one"
    TASK_IDS = "task ids and versions of the server's own bookkeeping"
    RUN_IDS = "run ids: they are numbered by their first appearance"
    NAMESPACE_IDS = "namespace ids"
    REQUEST_IDS = "request ids, and what the server tells itself in callbacks"
    IDENTITIES = "identities of clients and workers"
    STICKY_QUEUES = "names of sticky task queues"
    HISTORY_SIZES = "sizes of histories in bytes"
    BUILD_IDS = "build ids, deployments and checksums of workers"
    SDK_METADATA = "names, versions and flags of SDKs, and what they metered"
    STACK_TRACES = "stack traces of failures: they name files and lines"
    FAULT_NOISE = (
        "workflow tasks that timed out or failed and were tried again, which attempt at a task it was,"
        " and on which queue; event numbers that change by that, also where an SDK makes ids of them"
    )
    GENERATED_IDS = "UUIDs in ids and other texts: they are numbered by their first appearance"
    JSON_SPELLING = "white space and the order of keys in JSON payloads"


EVERYTHING_IGNORED = frozenset(Ignored)
"""What comparisons ignore by default."""

# Fields that are cleared, by their names in any message; `Message.field` means that message's only.
_FIELDS = {
    Ignored.TIMES: ("event_time",),
    Ignored.TASK_IDS: ("task_id", "HistoryEvent.version", "fork_event_version"),
    Ignored.NAMESPACE_IDS: ("namespace_id", "parent_workflow_namespace_id"),
    Ignored.REQUEST_IDS: ("request_id", "attached_request_id"),
    Ignored.IDENTITIES: ("identity", "principal"),
    Ignored.HISTORY_SIZES: ("history_size_bytes",),
    Ignored.BUILD_IDS: (
        "binary_checksum",
        "build_id",
        "build_id_redirect_counter",
        "deployment",
        "deployment_version",
        "inherited_build_id",
        "source_version_stamp",
        "worker_deployment_name",
        "worker_deployment_version",
        "worker_version",
    ),
    Ignored.SDK_METADATA: ("sdk_metadata", "metering_metadata"),
    Ignored.STACK_TRACES: ("stack_trace",),
}


class RunNames:
    """Names for run ids: run-1, run-2, ... by first appearance.

    Histories that mention each other's runs are normalised with one object.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __getitem__(self, run_id: str) -> str:
        return self._names.setdefault(run_id, f"run-{len(self._names) + 1}")


def normal_form(
    history: History,
    ignore: Collection[Ignored] = EVERYTHING_IGNORED,
    run_names: RunNames | None = None,
) -> History:
    """A copy of the history without what is to be ignored.

    The normal form of a normal form is itself.

    Args:
        history: Any history, complete or not.
        ignore: What to leave out; `EVERYTHING_IGNORED - {Ignored.IDENTITIES}` keeps identities.
        run_names: Names that run ids were given in other histories; new ones are added.
    """
    normal = History()
    normal.CopyFrom(history)
    if Ignored.FAULT_NOISE in ignore:
        drop_workflow_task_noise(normal)
    if Ignored.TIMES in ignore:
        clear_marker_times(normal)
    if Ignored.JSON_SPELLING in ignore:
        spell_alike(normal)
    names = RunNames() if run_names is None else run_names
    without(normal, ignore)
    run_ids: dict[str, str] = {}
    callback_tokens, generated = Ignored.REQUEST_IDS in ignore, Ignored.GENERATED_IDS in ignore
    for owner, field, value in set_fields(normal):
        if callback_tokens:
            drop_callback_token(owner, field)
        if generated:
            open_operation_token(owner, field)
        if _is_run_id(field):
            run_ids[value] = names[value] if Ignored.RUN_IDS in ignore else value
            setattr(owner, field.name, run_ids[value])
        elif field.message_type is not None:
            for inner in messages_of(value):
                if isinstance(inner, Timestamp) and Ignored.TIMES in ignore:
                    inner.Clear()
                elif (
                    isinstance(inner, TaskQueue)
                    and Ignored.STICKY_QUEUES in ignore
                    and _is_sticky(inner)
                ):
                    inner.ClearField("name")
    _name_ids(normal, run_ids, ignore)
    return normal


def _name_ids(normal: History, run_ids: dict[str, str], ignore: Collection[Ignored]) -> None:
    """Ids that are made up are in the texts of attributes and payloads, too."""
    generated = {old: new for old, new in run_ids.items() if old != new and is_generated(old)}
    if generated:
        replace_in_texts(normal, generated)
        replace_in_payloads(normal, generated)
    if Ignored.GENERATED_IDS in ignore:
        name_generated_ids(normal, kept=frozenset(run_ids.values()))


def without(history: History, ignore: Collection[Ignored]) -> None:
    """Clear, in place, the attributes that are nothing but what is to be ignored."""
    _clear(history, frozenset(name for each in ignore for name in _FIELDS.get(each, ())))


def _clear(message: Message, cleared: frozenset[str]) -> None:
    for field, value in message.ListFields():
        if field.name in cleared or f"{message.DESCRIPTOR.name}.{field.name}" in cleared:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for inner in messages_of(value):
                _clear(inner, cleared)


def _is_run_id(field: FieldDescriptor) -> bool:
    return is_text(field) and (field.name == "run_id" or field.name.endswith("_run_id"))


def _is_sticky(queue: TaskQueue) -> bool:
    return queue.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY
