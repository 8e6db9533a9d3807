"""Which version of the code a worker says that it runs."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.common.v1 import WorkerVersionCapabilities, WorkerVersionStamp
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import WorkerVersioningMode
from temporalio.bridge.worker import (
    WorkerVersioningStrategy,
    WorkerVersioningStrategyLegacyBuildIdBased,
    WorkerVersioningStrategyNone,
)


@dataclass(frozen=True)
class WorkerVersion:
    """A version, in the three ways in which workers tell of one."""

    build_id: str
    #: Whether tasks are routed by build id alone.
    is_routed_by_build_id: bool = False
    #: The deployment that the worker belongs to.
    deployment: WorkerDeploymentOptions | None = None
    #: The versioning behavior of workflows that do not name one; 0 if there is none.
    default_behavior: int = 0

    @staticmethod
    def of(strategy: WorkerVersioningStrategy) -> WorkerVersion:
        """The version that a worker's configuration names."""
        if isinstance(strategy, WorkerVersioningStrategyNone):
            return WorkerVersion(strategy.build_id_no_versioning)
        if isinstance(strategy, WorkerVersioningStrategyLegacyBuildIdBased):
            return WorkerVersion(strategy.build_id_with_versioning, is_routed_by_build_id=True)
        version = strategy.version
        return WorkerVersion(
            version.build_id,
            deployment=WorkerDeploymentOptions(
                deployment_name=version.deployment_name,
                build_id=version.build_id,
                worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
                if strategy.use_worker_versioning
                else WorkerVersioningMode.WORKER_VERSIONING_MODE_UNVERSIONED,
            ),
            default_behavior=strategy.default_versioning_behavior,
        )

    @property
    def capabilities(self) -> WorkerVersionCapabilities:
        """The version as polls tell of it."""
        return WorkerVersionCapabilities(
            build_id=self.build_id, use_versioning=self.is_routed_by_build_id
        )

    @property
    def stamp(self) -> WorkerVersionStamp:
        """The version as answers to tasks tell of it."""
        return WorkerVersionStamp(build_id=self.build_id, use_versioning=self.is_routed_by_build_id)
