"""The one place where the SDK is redirected: who makes the core of a worker.

A worker whose client is a direct one gets a `DirectBridge`, every other worker gets the SDK's own core.
"""

from __future__ import annotations

import contextlib
from typing import cast

import temporalio.bridge.client
import temporalio.bridge.worker
from temporalio.bridge.worker import WorkerConfig

from timeskip.lanes.direct import installed_sdk, refused_configurations
from timeskip.lanes.direct.bridge import DirectBridge
from timeskip.lanes.direct.client import DirectClient
from timeskip.lanes.direct.client_workers import RegistrationError
from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.requests import Requests
from timeskip.lanes.direct.versioning import WorkerVersion
from timeskip.lanes.direct.worker_access import WorkerAccess

_create_core = temporalio.bridge.worker.Worker.create


def install() -> None:
    """Redirect `temporalio.bridge.worker.Worker.create`; doing it twice is harmless."""
    temporalio.bridge.worker.Worker.create = staticmethod(_create)  # type: ignore[method-assign]


def uninstall() -> None:
    """Take the redirection back."""
    temporalio.bridge.worker.Worker.create = staticmethod(_create_core)  # type: ignore[method-assign]


def _create(
    client: temporalio.bridge.client.Client, config: WorkerConfig
) -> temporalio.bridge.worker.Worker:
    if not isinstance(client, DirectClient):
        return _create_core(client, config)
    with contextlib.suppress(RuntimeError):  # outside of any loop
        client.lane.enter()
    keeper = client.lane.keeper
    ids = keeper.service.cluster.ids
    identity = client.identity if config.identity_override is None else config.identity_override
    refused_configurations.check(config, identity)
    bridge = DirectBridge(
        Requests(keeper),
        WorkerIdentity(
            namespace=config.namespace,
            task_queue=config.task_queue,
            sticky_queue=f"{identity}-{ids.uuid()}",
            identity=identity,
            instance_key=ids.uuid(),
            version=WorkerVersion.of(config.versioning_strategy),
            sdk_name=installed_sdk.NAME,
            sdk_version=installed_sdk.VERSION,
        ),
        config,
    )
    access = WorkerAccess(client.lane, bridge)
    try:
        access.join(client.workers)
    except RegistrationError as error:
        raise refused_configurations.not_created(str(error)) from None
    client.lane.expect(access)
    return cast("temporalio.bridge.worker.Worker", access)
