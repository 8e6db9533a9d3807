"""Workers that tell of the deployment they belong to, and take tasks of every version."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkerVersionCapabilities, WorkerVersionStamp
from temporalio.api.deployment.v1 import WorkerDeploymentOptions
from temporalio.api.enums.v1 import DescribeTaskQueueMode, TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollActivityTaskQueueRequest,
    PollNexusTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)

from tests.conformance.commands import (
    continue_as_new,
    request_cancel_activity,
    schedule_activity,
)
from tests.conformance.payloads import application_failure, payloads
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World

UNVERSIONED = WorkerDeploymentOptions(
    deployment_name="shop",
    build_id="1",
    worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_UNVERSIONED,
)
CAPABILITIES = WorkerVersionCapabilities(build_id="1")
STAMP = WorkerVersionStamp(build_id="1")


async def poll(world: World, request: type, method: str, **fields: Any) -> Any:
    """What a poll of a worker of the deployment brings."""
    return await getattr(world.client.workflow_service, method)(
        request(
            namespace=world.client.namespace,
            task_queue=TaskQueue(name=world.task_queue),
            identity=world.raw.identity,
            deployment_options=UNVERSIONED,
            **fields,
        ),
        timeout=timedelta(seconds=20),
    )


async def poll_workflow(world: World) -> Any:
    return await poll(
        world,
        PollWorkflowTaskQueueRequest,
        "poll_workflow_task_queue",
        binary_checksum="checksum",
        worker_version_capabilities=CAPABILITIES,
    )


async def poll_activity(world: World) -> Any:
    return await poll(
        world,
        PollActivityTaskQueueRequest,
        "poll_activity_task_queue",
        worker_version_capabilities=CAPABILITIES,
    )


@scenario(
    "rpc:PollWorkflowTaskQueue",
    "rpc:RespondWorkflowTaskCompleted",
    "rpc:RespondWorkflowTaskFailed",
    *options("PollWorkflowTaskQueueRequest", "binary_checksum", "worker_version_capabilities"),
    *options("RespondWorkflowTaskFailedRequest", "worker_version"),
    *options("WorkerDeploymentOptions", "deployment_name", "build_id"),
)
async def test_workers_of_a_deployment_run_a_workflow(world: World) -> None:
    service = world.client.workflow_service
    run = await world.start()
    task = await poll_workflow(world)
    world.observe_task("first", task)
    told: dict[str, Any] = {
        "namespace": world.client.namespace,
        "identity": world.raw.identity,
        "deployment_options": UNVERSIONED,
    }
    await service.respond_workflow_task_failed(
        RespondWorkflowTaskFailedRequest(
            task_token=task.task_token,
            failure=application_failure("no"),
            worker_version=STAMP,
            **told,
        )
    )
    task = await poll_workflow(world)
    await service.respond_workflow_task_completed(
        RespondWorkflowTaskCompletedRequest(
            task_token=task.task_token, worker_version_stamp=STAMP, **told
        )
    )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


def of_build(name: str, build_id: str) -> dict[str, Any]:
    """What the answers of an unversioned worker of this deployment carry."""
    return {
        "deployment_options": WorkerDeploymentOptions(
            deployment_name=name,
            build_id=build_id,
            worker_versioning_mode=WorkerVersioningMode.WORKER_VERSIONING_MODE_UNVERSIONED,
        )
    }


@scenario("rpc:RespondWorkflowTaskCompleted")
async def test_workers_of_several_deployments_take_turns(world: World) -> None:
    run = await world.start()
    answers: dict[str, dict[str, Any]] = {
        "first": of_build("shop", "1"),
        "with a stamp": {**of_build("shop", "1"), "worker_version_stamp": STAMP},
        "another build": of_build("shop", "2"),
        "of no deployment": {},
        "without a build": of_build("hats", ""),
        "only a build": of_build("", "3"),
        "another stamp": {
            **of_build("hats", "4"),
            "worker_version_stamp": WorkerVersionStamp(build_id="5"),
        },
    }
    for name, told in answers.items():
        await world.signal(run)
        await world.raw.run_workflow_task(**told)
        world.observe(name, await world.describe(run))
    await world.signal(run)
    await world.raw.run_workflow_task(continue_as_new(), **of_build("hats", "4"))
    world.observe("continued as new", await world.describe(Run(run.workflow_id)))
    world.observe("closed", await world.describe(run))
    await world.observe_history("history", run)


@scenario(
    "rpc:RespondActivityTaskCompleted",
    "rpc:RespondActivityTaskFailed",
    "rpc:RespondActivityTaskCanceled",
    "rpc:RespondActivityTaskCanceledById",
    "option:PollActivityTaskQueueRequest.worker_version_capabilities",
    *options("RespondActivityTaskCompletedRequest", "worker_version"),
    *options("RespondActivityTaskFailedRequest", "worker_version"),
    *options("RespondActivityTaskCanceledRequest", "worker_version"),
)
async def test_workers_of_a_deployment_run_activities(world: World) -> None:
    service = world.client.workflow_service
    run = await world.start()
    names = ("completed", "failed", "cancelled", "cancelled by id")
    await world.raw.run_workflow_task(
        *(
            schedule_activity(name, task_queue=world.task_queue, start_to_close=100)
            for name in names
        )
    )
    tasks = {task.activity_id: task for task in [await poll_activity(world) for _ in names]}
    await world.signal(run)
    scheduled = 5 + names.index("cancelled")
    await world.raw.run_workflow_task(
        request_cancel_activity(scheduled), request_cancel_activity(scheduled + 1)
    )
    whose: dict[str, Any] = {
        "namespace": world.client.namespace,
        "identity": world.raw.identity,
        "deployment_options": UNVERSIONED,
    }
    told = {**whose, "worker_version": STAMP}
    await service.respond_activity_task_completed(
        RespondActivityTaskCompletedRequest(
            task_token=tasks["completed"].task_token, result=payloads("done"), **told
        )
    )
    await service.respond_activity_task_failed(
        RespondActivityTaskFailedRequest(
            task_token=tasks["failed"].task_token, failure=application_failure("again"), **told
        )
    )
    await service.respond_activity_task_canceled(
        RespondActivityTaskCanceledRequest(task_token=tasks["cancelled"].task_token, **told)
    )
    await service.respond_activity_task_canceled_by_id(
        RespondActivityTaskCanceledByIdRequest(
            workflow_id=run.workflow_id, activity_id="cancelled by id", **whose
        )
    )
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))


@scenario(
    "rpc:PollNexusTaskQueue",
    *options(
        "PollNexusTaskQueueRequest",
        "poller_group_id",
        "worker_instance_key",
        "worker_version_capabilities",
    ),
)
async def test_workers_of_a_deployment_poll_for_nexus_tasks(world: World) -> None:
    answer = await world.client.workflow_service.poll_nexus_task_queue(
        PollNexusTaskQueueRequest(
            namespace=world.client.namespace,
            task_queue=TaskQueue(name=world.task_queue),
            identity=world.raw.identity,
            deployment_options=UNVERSIONED,
            worker_version_capabilities=CAPABILITIES,
            poller_group_id="group",
            worker_instance_key="instance",
        ),
        timeout=timedelta(seconds=3),
    )
    world.observe("answer", answer)


@scenario(*options("DescribeTaskQueueRequest", "api_mode", "task_queue_types", "report_pollers"))
async def test_workers_of_a_deployment_are_described(world: World) -> None:
    await world.start()
    await poll_workflow(world)
    service = world.client.workflow_service
    kinds = [TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY]
    for kind in kinds:
        world.observe(
            str(kind),
            await service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=world.client.namespace,
                    task_queue=TaskQueue(name=world.task_queue),
                    task_queue_type=kind,
                )
            ),
        )
    asked: dict[str, dict[str, Any]] = {
        "enhanced": {"report_pollers": True},
        "of one type": {"task_queue_types": kinds[:1], "report_pollers": True},
    }
    for name, fields in asked.items():
        world.observe(
            name,
            await service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=world.client.namespace,
                    task_queue=TaskQueue(name=world.task_queue),
                    api_mode=DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED,
                    **fields,
                )
            ),
        )
