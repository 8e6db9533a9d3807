"""What the core and the language SDK have agreed upon with a run's history, so that replay stays true.

Flags are numbers that a completed workflow task records when it begins to rely on a new behaviour; a
replay relies on exactly what was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.history.v1 import WorkflowTaskCompletedEventAttributes
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata

ID_AND_TYPE_CHECKS = 1
UPSERT_ON_PATCH = 2
MOVE_TERMINAL_COMMANDS = 3
NEXUS_OPERATION_CHECKS = 4

#: In the order in which the core lists them.
CORE_FLAGS = (
    ID_AND_TYPE_CHECKS,
    UPSERT_ON_PATCH,
    MOVE_TERMINAL_COMMANDS,
    NEXUS_OPERATION_CHECKS,
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
        return sorted({**self._lang, **self._new_lang})

    @property
    def last_sdk_version(self) -> str:
        return self._recorded_sdk[1]

    @property
    def checks_ids_and_types(self) -> bool:
        return self.uses(ID_AND_TYPE_CHECKS, record=False)

    def uses(self, flag: int, *, record: bool) -> bool:
        """Whether a behaviour applies; `record` it as relied upon if the run is not replaying."""
        if record and flag not in self._core:
            self._new_core[flag] = None
        return record or flag in self._core or flag in self._new_core

    def add_lang(self, used: Iterable[int]) -> None:
        for flag in used:
            if flag not in self._lang:
                self._new_lang[flag] = None

    def recorded(self, completed: WorkflowTaskCompletedEventAttributes) -> None:
        """Take over what a completed workflow task of the history says."""
        metadata = completed.sdk_metadata
        self._core.update(dict.fromkeys(metadata.core_used_flags))
        self._lang.update(dict.fromkeys(metadata.lang_used_flags))
        name, version = self._recorded_sdk
        self._recorded_sdk = (metadata.sdk_name or name, metadata.sdk_version or version)

    def write_all(self) -> None:
        """A worker that writes to a history relies on all that it knows."""
        for flag in CORE_FLAGS:
            if flag not in self._core:
                self._new_core[flag] = None

    def for_completion(self) -> WorkflowTaskCompletedMetadata:
        """What this workflow task records: only what is new."""
        metadata = WorkflowTaskCompletedMetadata(
            core_used_flags=sorted(self._new_core), lang_used_flags=sorted(self._new_lang)
        )
        name, version = self._sdk
        recorded_name, recorded_version = self._recorded_sdk
        if name != recorded_name:
            metadata.sdk_name = name
        if version != recorded_version:
            metadata.sdk_version = version
        self._core.update(self._new_core)
        self._lang.update(self._new_lang)
        self._new_core, self._new_lang = {}, {}
        self._recorded_sdk = self._sdk
        return metadata
