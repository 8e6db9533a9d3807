"""Polls and descriptions of task queues that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import WorkerVersionCapabilities
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import (
    DescribeTaskQueueMode,
    TaskQueueKind,
    TaskQueueType,
    WorkerVersioningMode,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RecordWorkerHeartbeatRequest,
    ShutdownWorkerRequest,
)

from tests.conformance.refusals import LONG, observe_refusal, with_fields
from tests.conformance.scenario import scenario
from tests.conformance.world import World

NORMAL = TaskQueueKind.TASK_QUEUE_KIND_NORMAL
STICKY = TaskQueueKind.TASK_QUEUE_KIND_STICKY
ENHANCED = DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED

POLLS: dict[str, tuple[str, type[Message]]] = {
    "workflow": ("poll_workflow_task_queue", PollWorkflowTaskQueueRequest),
    "activity": ("poll_activity_task_queue", PollActivityTaskQueueRequest),
}

MISTAKES: dict[str, Mapping[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "namespace unknown, queue missing": {"namespace": "nowhere", "task_queue": None},
    "namespace too long": {"namespace": LONG},
    "queue missing": {"task_queue": None},
    "queue empty": {"task_queue": TaskQueue()},
    "queue too long": {"task_queue": TaskQueue(name=LONG)},
    "queue reserved": {"task_queue": TaskQueue(name="/_sys/queue")},
    "queue partition": {"task_queue": TaskQueue(name="/_sys/queue/1")},
    "normal name of a normal queue": {
        "task_queue": TaskQueue(name="queue", kind=NORMAL, normal_name="other")
    },
    "normal name too long": {"task_queue": TaskQueue(name="queue", kind=STICKY, normal_name=LONG)},
    "identity too long": {"identity": LONG},
    "identity too long, queue missing": {"identity": LONG, "task_queue": None},
    "versioning without a build id": {
        "worker_version_capabilities": WorkerVersionCapabilities(use_versioning=True)
    },
    "build id too long": {
        "worker_version_capabilities": WorkerVersionCapabilities(build_id="b" * 256)
    },
    "deployment without a name": {
        "deployment_options": WorkerDeploymentOptions(
            worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
        )
    },
}


async def poll(world: World, kind: str, *, wait: float = 20, **fields: Any) -> Any:
    method, request = POLLS[kind]
    good = {
        "namespace": world.client.namespace,
        "task_queue": TaskQueue(name=world.task_queue),
        "identity": "worker",
    }
    return await getattr(world.client.workflow_service, method)(
        request(**with_fields(good, fields)), timeout=timedelta(seconds=wait)
    )


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("kind", POLLS)
@scenario()
async def test_poll_is_refused(world: World, kind: str, mistake: str) -> None:
    run = await world.start()
    await observe_refusal(world, poll(world, kind, **MISTAKES[mistake]), run)


@pytest.mark.parametrize("kind", POLLS)
@scenario()
async def test_poll_without_patience_is_refused(world: World, kind: str) -> None:
    run = await world.start()
    await observe_refusal(world, poll(world, kind, wait=1.5), run)


DESCRIBE_MISTAKES: dict[str, Mapping[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "queue missing": {"task_queue": None},
    "queue empty": {"task_queue": TaskQueue()},
    "queue too long": {"task_queue": TaskQueue(name=LONG)},
    "queue reserved": {"task_queue": TaskQueue(name="/_sys/queue")},
    "partition zero": {"task_queue": TaskQueue(name="/_sys/queue/0")},
    "partition without a number": {"task_queue": TaskQueue(name="/_sys/queue/x")},
    "partition of nothing": {"task_queue": TaskQueue(name="/_sys//1")},
    "normal name of a normal queue": {
        "task_queue": TaskQueue(name="queue", kind=NORMAL, normal_name="other")
    },
    "enhanced, queue empty": {"task_queue": TaskQueue(), "api_mode": ENHANCED},
    "enhanced, sticky": {
        "task_queue": TaskQueue(name="queue", kind=STICKY, normal_name="other"),
        "api_mode": ENHANCED,
    },
    "enhanced, partition": {"task_queue": TaskQueue(name="/_sys/queue/1"), "api_mode": ENHANCED},
    "enhanced, normal name of a normal queue": {
        "task_queue": TaskQueue(name="queue", kind=NORMAL, normal_name="other"),
        "api_mode": ENHANCED,
    },
}


@pytest.mark.parametrize("mistake", DESCRIBE_MISTAKES)
@scenario()
async def test_description_is_refused(world: World, mistake: str) -> None:
    good = {
        "namespace": world.client.namespace,
        "task_queue": TaskQueue(name=world.task_queue),
        "task_queue_type": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    }
    request = DescribeTaskQueueRequest(**with_fields(good, DESCRIBE_MISTAKES[mistake]))
    await observe_refusal(world, world.client.workflow_service.describe_task_queue(request))


@pytest.mark.parametrize("namespace", ["", "nowhere", LONG])
@scenario()
async def test_worker_of_no_namespace_is_refused(world: World, namespace: str) -> None:
    service = world.client.workflow_service
    shutdown = ShutdownWorkerRequest(namespace=namespace, sticky_task_queue="sticky")
    await observe_refusal(world, service.shutdown_worker(shutdown))
    heartbeat = RecordWorkerHeartbeatRequest(namespace=namespace)
    await observe_refusal(world, service.record_worker_heartbeat(heartbeat))
