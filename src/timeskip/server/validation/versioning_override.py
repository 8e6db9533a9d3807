"""Versions of workers that people choose for a run, whatever its task queue says."""

from __future__ import annotations

from temporalio.api.enums.v1 import VersioningBehavior
from temporalio.api.workflow.v1 import VersioningOverride

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument


def validate_override(override: VersioningOverride) -> None:
    """Refuse an override that says nothing, or contradicts itself, with INVALID_ARGUMENT."""
    kind = override.WhichOneof("override")
    if kind == "auto_upgrade" and not override.auto_upgrade:
        raise invalid_argument("auto-upgrade override must be true")
    if kind == "pinned" and not override.pinned.behavior:
        raise invalid_argument("must specify pinned override behavior if override is pinned.")
    if kind is not None:
        return
    if override.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_UNSPECIFIED:
        raise invalid_argument("override behavior is required")
    if override.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_PINNED and not (
        override.pinned_version or override.HasField("deployment")
    ):
        raise invalid_argument(
            "must provide deployment (deprecated) or pinned version if behavior is 'PINNED'"
        )


def validate_start_override(override: VersioningOverride, task_queue: str) -> None:
    """Refuse the override of a run that is to begin, which has no version to stay with yet."""
    if override.HasField("pinned") and not override.pinned.HasField("version"):
        raise invalid_argument("must provide version if override is pinned.")
    validate_override(override)
    refuse_absent(override, task_queue)


def refuse_absent(override: VersioningOverride, task_queue: str) -> None:
    """A run can be pinned to a version that a worker of its task queue has: here none has one."""
    if override.HasField("pinned"):
        version = override.pinned.version
        name, build_id = version.deployment_name, version.build_id
    elif override.HasField("one_time"):
        version = override.one_time.target_deployment_version
        name, build_id = version.deployment_name, version.build_id
    elif override.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_PINNED:
        name, _, build_id = override.pinned_version.partition(".")
    else:
        return
    raise ServiceError(
        StatusCode.FAILED_PRECONDITION,
        f"Pinned version '{name}:{build_id}' is not present in task queue "
        f"'{task_queue}' of type 'Workflow'",
    )


def in_newer_words(override: VersioningOverride) -> VersioningOverride:
    """The same, said as clients say it today."""
    if override.behavior == VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE:
        return VersioningOverride(auto_upgrade=True)
    return override
