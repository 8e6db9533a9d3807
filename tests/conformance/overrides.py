"""Overrides of the version that a run's workers have to have."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import VersioningBehavior
from temporalio.api.workflow.v1 import VersioningOverride

AUTO_UPGRADE = VersioningOverride(auto_upgrade=True)
AUTO_UPGRADE_IN_OLDER_WORDS = VersioningOverride(
    behavior=VersioningBehavior.VERSIONING_BEHAVIOR_AUTO_UPGRADE
)

#: One that no worker has.
VERSION = WorkerDeploymentVersion(deployment_name="shop", build_id="1")

BAD_OVERRIDES: Mapping[str, VersioningOverride] = {
    "empty": VersioningOverride(),
    "no upgrade": VersioningOverride(auto_upgrade=False),
    "pinned": VersioningOverride(
        pinned=VersioningOverride.PinnedOverride(
            behavior=VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED, version=VERSION
        )
    ),
    "pinned without a behavior": VersioningOverride(
        pinned=VersioningOverride.PinnedOverride(version=VERSION)
    ),
    "pinned to nothing": VersioningOverride(
        pinned=VersioningOverride.PinnedOverride(
            behavior=VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED
        )
    ),
    "one time": VersioningOverride(
        one_time=VersioningOverride.OneTimeOverride(target_deployment_version=VERSION)
    ),
    "pinned, in older words": VersioningOverride(
        behavior=VersioningBehavior.VERSIONING_BEHAVIOR_PINNED, pinned_version="shop.1"
    ),
    "pinned to nothing, in older words": VersioningOverride(
        behavior=VersioningBehavior.VERSIONING_BEHAVIOR_PINNED
    ),
}
