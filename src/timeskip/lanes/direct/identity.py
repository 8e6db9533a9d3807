"""Who a worker of the direct lane is."""

from __future__ import annotations

from dataclasses import dataclass

from timeskip.lanes.direct.versioning import WorkerVersion


@dataclass(frozen=True)
class WorkerIdentity:
    """What a worker says of itself in its requests."""

    namespace: str
    task_queue: str
    sticky_queue: str
    identity: str
    instance_key: str
    version: WorkerVersion
    sdk_name: str
    sdk_version: str
