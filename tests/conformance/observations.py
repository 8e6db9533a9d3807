"""What a scenario saw, in a form that is the same for every server that behaves the same."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.errordetails.v1 import message_pb2 as errordetails
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from timeskip.histories.set_fields import is_list, set_fields

_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}")
_INSTANT = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\{"seconds":\d{9,},"nanos":\d+\}')

#: Fields that no two runs of the real server agree on, or that count its own bookkeeping: sizes and
#: transitions of its storage, jittered or measured durations, hints on how much to poll. The
#: history of a polled task is observed as a history.
_VARYING = frozenset(
    {
        "backlog_count_hint",
        "current_retry_interval",
        "execution_duration",
        "history",
        "history_size_bytes",
        "poller_scaling_decision",
        "state_transition_count",
    }
)

#: Lists that the real server answers in no particular order.
_UNORDERED = frozenset(
    {"callbacks", "pending_activities", "pending_children", "pending_nexus_operations", "pollers"}
)

#: A header that says which operation a callback is about, in the server's own way.
_CALLBACK_TOKEN = "temporal-callback-token"

#: How the SDK writes the token of a Nexus operation: JSON, encoded.
_OPERATION_TOKEN = re.compile(r"eyJ[\w-]+")


class Observation(NamedTuple):
    """One thing noted: plain JSON data, or a history as its own message."""

    label: str
    seen: Any

    def to_json(self) -> list[Any]:
        """The observation as JSON data."""
        if isinstance(self.seen, History):
            return [self.label, "history", MessageToDict(self.seen)]
        return [self.label, "data", self.seen]

    @staticmethod
    def from_json(data: Sequence[Any]) -> Observation:
        """The observation of this JSON data."""
        label, kind, seen = data
        return Observation(label, ParseDict(seen, History()) if kind == "history" else seen)


class Observations:
    """What one scenario noted down, in order.

    Written down without what no two runs have in common: ids get names by their first appearance,
    the scenario's suffix is cut off, instants and opaque tokens are marked as such.
    """

    def __init__(self, suffix: str, identity: str) -> None:
        self.noted: list[Observation] = []
        self._suffix = suffix
        self._identity = identity
        self._names: dict[str, str] = {}

    def add(self, label: str, value: Any, without: Sequence[str] = ()) -> None:
        """Note a message, leaving out fields of these names at any depth, or a plain value."""
        if isinstance(value, Message):
            value = self._as_data(value, _VARYING.union(without))
        self.noted.append(Observation(label, self._scrub(value)))

    def add_error(self, label: str, error: BaseException) -> None:
        """Note an error: what it is, what it says, what it carries, what it was caused by."""
        self.noted.append(Observation(label, self._scrub(self._error(error))))

    def add_history(self, label: str, history: History) -> None:
        """Note a history."""
        copy = History()
        copy.CopyFrom(history)
        self._scrub_message(copy)
        self.noted.append(Observation(label, copy))

    def _error(self, error: BaseException) -> dict[str, Any]:
        data: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
        if isinstance(error, RPCError):
            data["status"] = error.status.name
            data["details"] = [
                {"type": detail.TypeName(), "value": self._as_data(_unpack(detail), frozenset())}
                for detail in error.grpc_status.details
            ]
        if isinstance(error, ApplicationError):
            data["type"] = error.type
            data["non_retryable"] = error.non_retryable
            data["error_details"] = list(error.details)
        if isinstance(error, WorkflowFailureError):
            data["cause"] = self._error(error.cause)
        elif error.__cause__ is not None:
            data["cause"] = self._error(error.__cause__)
        return data

    def _as_data(self, message: Message, without: frozenset[str]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for field, value in message.ListFields():
            if field.name in without:
                continue
            if isinstance(value, Mapping):
                seen: Any = {
                    str(key): self._value(value[key], None, without) for key in sorted(value)
                }
            elif is_list(value):
                seen = [self._value(item, field, without) for item in value]
                if field.name in _UNORDERED:
                    seen.sort(key=repr)
            else:
                seen = self._value(value, field, without)
            data[field.name] = seen
        return data

    def _value(self, value: Any, field: FieldDescriptor | None, without: frozenset[str]) -> Any:
        if isinstance(value, Timestamp):
            return "<instant>"
        if isinstance(value, Duration):
            return value.ToJsonString()
        if isinstance(value, Payload):
            metadata = {key: value.metadata[key].decode() for key in sorted(value.metadata)}
            return {"metadata": metadata, "data": value.data.decode("latin-1")}
        if isinstance(value, Message):
            return self._as_data(value, without)
        if isinstance(value, bytes):
            return "<bytes>"
        if field is not None and field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            return value if known is None else known.name
        return value

    def _scrub(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._scrub_text(value)
        if isinstance(value, dict):
            return {
                self._scrub_text(str(key)): "<token>"
                if key == _CALLBACK_TOKEN
                else self._scrub(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._scrub(item) for item in value]
        return value

    def _scrub_message(self, message: Message) -> None:
        for owner, field, value in set_fields(message):
            if isinstance(value, str):
                setattr(owner, field.name, self._scrub_text(value))
            elif isinstance(value, Mapping) and _CALLBACK_TOKEN in value:
                for name, text in list(value.items()):
                    said = "<token>" if name == _CALLBACK_TOKEN else self._scrub_text(text)
                    getattr(owner, field.name)[name] = said
            elif is_list(value) and field.type == FieldDescriptor.TYPE_STRING:
                value[:] = [self._scrub_text(item) for item in value]
            elif is_list(value) and field.name.endswith("_used_flags"):
                value.sort()
            elif isinstance(owner, Duration) and field.name == "nanos" and value % 1_000_000:
                # Measured by the server: how long a next run waits after one that lived shortly.
                owner.seconds, owner.nanos = owner.seconds + 1, 0
            elif isinstance(owner, Payload) and field.name == "data":
                owner.data = self._scrub_text(value.decode("latin-1")).encode("latin-1")

    def _scrub_text(self, text: str) -> str:
        text = _OPERATION_TOKEN.sub(_decoded, text)
        text = text.replace(self._suffix, "").replace(self._identity, "client")
        return _INSTANT.sub("<instant>", _UUID.sub(self._name, text))

    def _name(self, match: re.Match[str]) -> str:
        return self._names.setdefault(match[0], f"id-{len(self._names) + 1}")


def _decoded(match: re.Match[str]) -> str:
    """What an operation's token says."""
    try:
        padded = match[0] + "=" * (-len(match[0]) % 4)
        return base64.urlsafe_b64decode(padded).decode()
    except ValueError:
        return match[0]


def _unpack(detail: AnyMessage) -> Message:
    descriptor = errordetails.DESCRIPTOR.pool.FindMessageTypeByName(detail.TypeName())
    message = message_factory.GetMessageClass(descriptor)()
    detail.Unpack(message)
    return message
