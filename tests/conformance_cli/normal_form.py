"""A session's replies in a form that is equal for two servers that behave alike.

Everything is kept but what no two sessions have in common: ids are named by their first appearance
(the how-many-eth reply, and the how-many-eth new id in it), instants are marked as such, and the
fields of `VARYING` are reduced to their type.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.conformance_cli.session import Reply

#: Bookkeeping of a server's own storage, measured durations and rates, and who the server is.
VARYING = frozenset(
    {
        "backlogIncreaseRate",
        "clusterId",
        "durationMillis",
        "executionDuration",
        "historyShardCount",
        "historySizeBytes",
        "last_access_time",
        "persistenceStore",
        "stateTransitionCount",
        "task_id_block",
        "taskId",
        "tasksAddRate",
        "tasksDispatchRate",
        "visibilityStore",
    }
)

#: Positions in a store of tasks that a task queue may or may not have needed.
OMITTED = frozenset({"ack_level", "read_level"})

#: Lists whose order means nothing; the dev server shuffles them.
UNORDERED = frozenset({"coreUsedFlags", "pollers", "stats"})

_ID = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_NO_INSTANT = "0001-01-01T00:00:00Z"
_RUN_TIME = re.compile(r"(?<=RunTime  )\s*\S+")


class NormalForm:
    """Brings the replies of one session, given in their order, into the normal form."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._replies = 0
        self._new_ids = 0

    def of(self, reply: Reply) -> dict[str, Any]:
        """The reply as plain data: exit code, output (parsed if it is JSON) and complaint."""
        self._replies += 1
        self._new_ids = 0
        return {
            "exit code": reply.exit_code,
            "stdout": self._named(_reduced(_parsed(reply.stdout))),
            "stderr": self._named(_reduced(reply.stderr.splitlines())),
        }

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._named(key): self._named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._named(item) for item in value]
        if isinstance(value, str):
            return _ID.sub(self._name, value)
        return value

    def _name(self, match: re.Match[str]) -> str:
        if match[0] not in self._names:
            self._new_ids += 1
            self._names[match[0]] = f"<id {self._replies}.{self._new_ids}>"
        return self._names[match[0]]


def _parsed(stdout: str) -> Any:
    try:
        return json.loads(stdout)
    except ValueError:
        return stdout.splitlines()


def _reduced(value: Any, field: str = "") -> Any:
    if field in VARYING:
        return _type_of(value)
    if isinstance(value, dict):
        return {key: _reduced(item, key) for key, item in value.items() if key not in OMITTED}
    if isinstance(value, list):
        items = [_reduced(item) for item in value]
        if _lists_namespaces(items):
            items.sort(key=lambda item: str(item["namespaceInfo"].get("name")))
        elif field in UNORDERED:
            items.sort(key=_without_ids)
        return items
    if isinstance(value, str):
        return _RUN_TIME.sub(" <duration>", _INSTANT.sub(_instant, value))
    return value


def _type_of(value: Any) -> str:
    # JSON knows one type of number: a rate of 0.0 is written as 0.
    return "<number>" if isinstance(value, (int, float)) else f"<{type(value).__name__}>"


def _lists_namespaces(items: list[Any]) -> bool:
    return bool(items) and isinstance(items[0], dict) and "namespaceInfo" in items[0]


def _without_ids(item: Any) -> str:
    return _ID.sub("", json.dumps(item, sort_keys=True))


def _instant(match: re.Match[str]) -> str:
    return match[0] if match[0] == _NO_INSTANT else "<instant>"


def as_far_as_claimed(real: Any, claimed: Any) -> Any:
    """`real` without the capabilities that are missing in `claimed`.

    A server may say that it can do less than the real one, but not that it can do something else.
    """
    if isinstance(real, dict) and isinstance(claimed, dict):
        return {
            key: _among(value, claimed.get(key))
            if key == "capabilities"
            else as_far_as_claimed(value, claimed.get(key))
            for key, value in real.items()
            if key != "supportsSchedules" or key in claimed
        }
    if isinstance(real, list) and isinstance(claimed, list) and len(real) == len(claimed):
        return [as_far_as_claimed(*pair) for pair in zip(real, claimed, strict=True)]
    return real


def _among(capabilities: dict[str, Any], claimed: Any) -> Any:
    if not isinstance(claimed, dict):
        return capabilities
    return {name: value for name, value in capabilities.items() if name in claimed}
