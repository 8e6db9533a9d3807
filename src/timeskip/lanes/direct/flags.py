"""What core and language SDK have agreed upon with a run's history, so that replay stays true.

Flags are numbers that a completed workflow task records when it begins to rely on a new behaviour;
a replay relies on exactly what was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.history.v1 import WorkflowTaskCompletedEventAttributes
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata

from timeskip.lanes.direct import installed_sdk

ID_AND_TYPE_CHECKS = 1
UPSERT_ON_PATCH = 2
MOVE_TERMINAL_COMMANDS = 3
NEXUS_OPERATION_CHECKS = 4

#: All that this core knows.
CORE_FLAGS = (
    ID_AND_TYPE_CHECKS,
    UPSERT_ON_PATCH,
    MOVE_TERMINAL_COMMANDS,
    *([] if installed_sdk.is_before(1, 35) else [NEXUS_OPERATION_CHECKS]),
)


class Flags:
    """The flags of one run."""

    def __init__(self, sdk_name: str, sdk_version: str) -> None:
        self._sdk = (sdk_name, sdk_version)
        self._recorded_sdk = ("", "")
        self._core: dict[int, None] = {}
        self._lang: dict[int, None] = {}
        self._new_core: dict[int, None] = {}
        self._new_lang: dict[int, None] = {}

    @property
    def lang(self) -> list[int]:
        """The language's flags that the workflow's code may rely upon."""
        return sorted(self._lang)

    @property
    def last_sdk_version(self) -> str:
        """The version of the SDK that last completed a task of the run; "" if none did."""
        return self._recorded_sdk[1]

    def try_use(self, flag: int, *, record: bool) -> bool:
        """Whether a behaviour applies: if it is recorded, or from now on, by recording it."""
        if flag not in CORE_FLAGS:
            return False
        if record:
            self._new_core[flag] = None
            return True
        return flag in self._core

    def add_lang(self, used: Iterable[int]) -> None:
        """The workflow's code relies on these."""
        self._new_lang.update(dict.fromkeys(used))

    def recorded(self, completed: WorkflowTaskCompletedEventAttributes) -> None:
        """Take over what a completed workflow task of the history says."""
        metadata = completed.sdk_metadata
        self._core.update(dict.fromkeys(metadata.core_used_flags))
        self._lang.update(dict.fromkeys(metadata.lang_used_flags))
        name, version = self._recorded_sdk
        self._recorded_sdk = (metadata.sdk_name or name, metadata.sdk_version or version)

    def write_all(self) -> None:
        """A worker that writes to a history relies on all that it knows."""
        self._new_core.update(dict.fromkeys(CORE_FLAGS))

    def for_completion(self) -> WorkflowTaskCompletedMetadata:
        """What this workflow task records: only what is new."""
        name, version = self._sdk
        recorded_name, recorded_version = self._recorded_sdk
        metadata = WorkflowTaskCompletedMetadata(
            core_used_flags=sorted(self._new_core.keys() - self._core.keys()),
            lang_used_flags=sorted(self._new_lang.keys() - self._lang.keys()),
            sdk_name=name if name != recorded_name else "",
            sdk_version=version if version != recorded_version else "",
        )
        self._core.update(self._new_core)
        self._lang.update(self._new_lang)
        return metadata
