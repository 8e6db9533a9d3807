"""Which version of the code a worker says that it runs."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.api.common.v1 import WorkerVersionCapabilities, WorkerVersionStamp
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import WorkerVersioningMode
from temporalio.api.history.v1 import WorkflowTaskCompletedEventAttributes
from temporalio.bridge.proto.common import WorkerDeploymentVersion
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

    @property
    def deployment_version(self) -> WorkerDeploymentVersion:
        """The version as workflows are told of it."""
        name = self.deployment.deployment_name if self.deployment is not None else ""
        return WorkerDeploymentVersion(deployment_name=name, build_id=self.build_id)


class VersionOfTask:
    """The version of the worker that completes, or has completed, the workflow task at hand."""

    def __init__(self, own: WorkerVersion) -> None:
        self._own = own.deployment_version
        self._current = WorkerDeploymentVersion()

    def recorded(self, completed: WorkflowTaskCompletedEventAttributes) -> None:
        """Take over what a completed workflow task of the history says."""
        name, build_id = completed.worker_deployment_name, completed.worker_version.build_id
        if completed.worker_deployment_version:
            name, _, build_id = completed.worker_deployment_version.partition(".")
        if completed.HasField("deployment_version"):
            version = completed.deployment_version
            name, build_id = version.deployment_name, version.build_id
        if name or build_id:
            self._current = WorkerDeploymentVersion(deployment_name=name, build_id=build_id)

    def use_own(self) -> None:
        """From now on it is this worker's."""
        self._current = self._own

    @property
    def told(self) -> WorkerDeploymentVersion | None:
        """What the workflow is told; None if nobody has named a version."""
        known = self._current.deployment_name or self._current.build_id
        return self._current if known else None
