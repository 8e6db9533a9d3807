"""What workers say of the version of the code that they run."""

from __future__ import annotations

from typing import Final

from temporalio.api.common.v1 import WorkerVersionCapabilities, WorkerVersionStamp
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import WorkerVersioningMode

from timeskip.server.errors import ServiceError, StatusCode, invalid_argument
from timeskip.server.validation.limits import byte_length

_MAX_BUILD_ID_LENGTH: Final = 255


def validate_worker_version(
    version: WorkerVersionCapabilities | WorkerVersionStamp, deployment: WorkerDeploymentOptions
) -> None:
    """Refuse a version that is said in part only, with INVALID_ARGUMENT."""
    if version.use_versioning and not version.build_id:
        raise invalid_argument("WorkerVersionStamp must be present if UseVersioning is true.")
    if byte_length(version.build_id) > _MAX_BUILD_ID_LENGTH:
        raise invalid_argument(
            "Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID."
        )
    if is_versioned(deployment) and not (deployment.deployment_name and deployment.build_id):
        raise invalid_argument("Deployment name and build id must be set together.")
    refuse_versioned(version, deployment)


def refuse_versioned(
    version: WorkerVersionCapabilities | WorkerVersionStamp | None,
    deployment: WorkerDeploymentOptions,
) -> None:
    """Refuse workers that want only tasks of their version: every worker here gets all tasks."""
    if is_versioned(deployment) or (version is not None and version.use_versioning):
        raise ServiceError(
            StatusCode.UNIMPLEMENTED,
            "timeskip does not know versioned workers yet; a worker may tell its deployment and "
            "build id without the use of worker versioning",
        )


def is_versioned(deployment: WorkerDeploymentOptions) -> bool:
    return (
        deployment.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    )
