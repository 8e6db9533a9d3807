"""Two namespaces on one server: the same names in both mean different things."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DescribeTaskQueueRequest,
    RegisterNamespaceRequest,
    ResetWorkflowExecutionRequest,
)
from temporalio.client import Client

from tests.conformance.commands import (
    complete_workflow,
    request_cancel_external,
    schedule_activity,
    signal_external,
    start_child,
)
from tests.conformance.listings import count_runs, list_runs, until_listed
from tests.conformance.payloads import search_attributes
from tests.conformance.raw_worker import RawWorker
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import accept, answer, begun, poll_update, respond, update
from tests.conformance.world import Run, World


async def neighbour(world: World) -> World:
    """The same scenario's view of another namespace, in which it uses the same names."""
    name = world.unique("neighbour")
    await world.client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    there = World(Client(world.client.service_client, namespace=name), world.lane, world.pass_time)
    there.suffix = world.suffix
    there.observations = world.observations
    there.task_queue = world.task_queue
    there.raw = RawWorker(there.client, world.task_queue)
    return there


@scenario("rpc:ListWorkflowExecutions", "rpc:CountWorkflowExecutions")
async def test_runs_are_listed_in_their_namespace_only(world: World) -> None:
    there = await neighbour(world)
    await world.start("here")
    await world.start("both")
    await there.start("both")
    await there.start("there")
    await there.start("there too")
    await until_listed(world, 2)
    await until_listed(there, 3)
    for name, each in {"here": world, "there": there}.items():
        found = await list_runs(each, f"TaskQueue = '{world.task_queue}'")
        world.observe(name, sorted(run.execution.workflow_id for run in found.executions))
    world.observe("one id", await count_runs(there, f"WorkflowId = '{world.unique('both')}'"))


@scenario(
    "rpc:AddSearchAttributes",
    "rpc:ListSearchAttributes",
    "rpc:RemoveSearchAttributes",
    "rpc:ListWorkflowExecutions",
)
async def test_search_attributes_belong_to_a_namespace(world: World) -> None:
    there = await neighbour(world)
    operator = world.client.operator_service
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    await operator.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=there.client.namespace, search_attributes={"OnlyThere": keyword}
        )
    )
    for name, each in {"here": world, "there": there}.items():
        listed = await operator.list_search_attributes(
            ListSearchAttributesRequest(namespace=each.client.namespace)
        )
        world.observe(name, [key for key in sorted(listed.custom_attributes) if key == "OnlyThere"])
        attributes = search_attributes(OnlyThere=("Keyword", "books"))
        await world.observe_error(
            f"{name}: start",
            started(each.start("order", search_attributes=attributes)),
        )
        await world.observe_error(f"{name}: list", listed_by(each, "OnlyThere = 'books'"))
    await world.observe_error(
        "remove here",
        operator.remove_search_attributes(
            RemoveSearchAttributesRequest(
                namespace=world.client.namespace, search_attributes=["OnlyThere"]
            )
        ),
    )
    await world.observe_error(
        "the attributes of here are not there",
        there.start("other", search_attributes=search_attributes(ConformanceInt=("Int", 1))),
    )


async def started(call: object) -> None:
    """The outcome of a start, without the ids that it is answered with."""
    await call  # type: ignore[misc]


async def listed_by(world: World, query: str) -> None:
    """The outcome of a listing, whatever it finds: the real server lists late."""
    await list_runs(world, query)


@scenario("rpc:PollActivityTaskQueue", "rpc:DescribeTaskQueue", "rpc:RespondActivityTaskCompleted")
async def test_a_queue_of_the_same_name_is_another_queue(world: World) -> None:
    there = await neighbour(world)
    command = schedule_activity("activity", task_queue=world.task_queue, start_to_close=10)
    for each in (world, there):
        await each.start("order")
        await each.raw.run_workflow_task(command)
    task = await there.raw.poll_activity_task()
    world.observe_task("there", task)
    await world.observe_error("nothing more there", there.raw.poll_activity_queue(wait=3))
    await world.observe_error("answered here", world.raw.complete_activity_task(task))
    await there.raw.complete_activity_task(task)
    world.observe_task("here", await world.raw.poll_activity_task())
    await there.observe_history("history there", Run(world.unique("order")))
    await world.observe_history("history here", Run(world.unique("order")))
    elsewhere = RawWorker(world.client, world.task_queue, "elsewhere")
    await world.observe_error("polled here", elsewhere.poll_workflow_queue(wait=3))
    for name, each in {"here": world, "there": there}.items():
        described = await each.client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=each.client.namespace,
                task_queue=TaskQueue(name=world.task_queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            )
        )
        world.observe(name, sorted(poller.identity for poller in described.pollers))


@scenario(
    "rpc:QueryWorkflow",
    "rpc:UpdateWorkflowExecution",
    "rpc:PollWorkflowExecutionUpdate",
    *options("PollWorkflowExecutionUpdateRequest", "namespace"),
)
async def test_clients_reach_only_their_namespace(world: World) -> None:
    there = await neighbour(world)
    here, _ = await world.start(), await there.start()
    only_here = await world.start("only here")
    await world.raw.run_workflow_task()
    await world.raw.run_workflow_task()
    await there.raw.run_workflow_task()
    waiting = await begun(update(world, here, "update"))
    task = await world.raw.poll_workflow_task()
    await answer(world, task, accept(task.messages[0]), respond(task.messages[0], "here"))
    world.observe("update", await waiting)
    await world.observe_error("update there", poll_update(there, Run(here.workflow_id), "update"))
    for name, call in {
        "query": there.query(only_here),
        "update": update(there, only_here, "update"),
        "signal": there.signal(only_here),
        "cancel": there.request_cancel(only_here),
        "terminate": there.terminate(only_here),
        "history": there.history(only_here),
        "reset": there.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=there.client.namespace,
                workflow_execution=only_here.execution,
                workflow_task_finish_event_id=4,
                request_id="reset",
            )
        ),
        "delete": there.client.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(
                namespace=there.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=only_here.workflow_id),
            )
        ),
    }.items():
        await world.observe_error(name, call)
    await world.terminate(here)
    world.observe("still open", await there.describe(Run(here.workflow_id)))
    await there.terminate(Run(here.workflow_id), "there")
    await there.observe_history("history there", Run(here.workflow_id))


@scenario(
    "command:StartChildWorkflowExecution",
    "command:SignalExternalWorkflowExecution",
    "command:RequestCancelExternalWorkflowExecution",
)
@pytest.mark.parametrize("kind", ["child", "signal", "cancel"])
async def test_a_workflow_reaches_out_to_another_namespace(world: World, kind: str) -> None:
    there = await neighbour(world)
    target = await there.start("target")
    command = {
        "child": start_child(world.unique("child"), namespace=there.client.namespace),
        "signal": signal_external(target.workflow_id, "hi", namespace=there.client.namespace),
        "cancel": request_cancel_external(target.workflow_id, namespace=there.client.namespace),
    }[kind]
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    await world.observe_error("answer", world.raw.complete_workflow_task(task, command))
    await world.observe_history("history", run)
    bad = start_child("", namespace=there.client.namespace)
    again = await world.raw.poll_workflow_task()
    await world.observe_error("answer again", world.raw.complete_workflow_task(again, bad))
    await there.observe_history("target", target)


@scenario(
    "command:StartChildWorkflowExecution",
    "command:SignalExternalWorkflowExecution",
    "command:RequestCancelExternalWorkflowExecution",
    *options("StartChildWorkflowExecutionCommandAttributes", "namespace"),
    *options("SignalExternalWorkflowExecutionCommandAttributes", "namespace"),
    *options("RequestCancelExternalWorkflowExecutionCommandAttributes", "namespace"),
)
async def test_a_workflow_names_its_own_namespace(world: World) -> None:
    own = world.client.namespace
    other, worker = await world.start_apart("other")
    await worker.run_workflow_task()
    run = await world.start()
    await world.raw.run_workflow_task(
        signal_external(other.workflow_id, "hello", namespace=own),
    )
    task = await world.raw.poll_workflow_task()
    await world.raw.complete_workflow_task(
        task, request_cancel_external(other.workflow_id, namespace=own)
    )
    task = await world.raw.poll_workflow_task()
    queue = TaskQueue(name=world.unique("child"))
    child = start_child(world.unique("child"), namespace=own, task_queue=queue)
    await world.raw.complete_workflow_task(task, child)
    task = await world.raw.poll_workflow_task()
    await world.raw.complete_workflow_task(task)
    await RawWorker(world.client, queue.name).run_workflow_task(complete_workflow())
    await world.raw.run_workflow_task(complete_workflow())
    await world.observe_history("history", run)
