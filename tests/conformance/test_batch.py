"""Batch operations: one request that does the same to many runs.

The real server works off a batch in the background, at a limited rate; ours does so at once. So
nobody can stop one of ours: that is observed of batches that are over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.batch.v1 import (
    BatchOperationCancellation,
    BatchOperationDeletion,
    BatchOperationReset,
    BatchOperationSignal,
    BatchOperationTermination,
    BatchOperationUpdateWorkflowExecutionOptions,
)
from temporalio.api.common.v1 import (
    Execution,
    Priority,
    ResetOptions,
    WorkerVersionStamp,
    WorkflowExecution,
)
from temporalio.api.enums.v1 import (
    BatchOperationState,
    ExecutionType,
    ResetReapplyExcludeType,
    ResetReapplyType,
    ResetType,
)
from temporalio.api.workflow.v1 import PostResetOperation, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    DescribeBatchOperationRequest,
    ListBatchOperationsRequest,
    StopBatchOperationRequest,
)

from tests.conformance.batches import (
    describe_batch,
    observe_batch,
    observe_touched,
    start_batch,
    until_over,
)
from tests.conformance.commands import complete_workflow, continue_as_new
from tests.conformance.listings import of_scenario, until_listed
from tests.conformance.payloads import header, payloads
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import idle_run
from tests.conformance.world import Run, World

START = "StartBatchOperationRequest"

AT_ONCE = "ours works off a batch at once, whatever its rate, so none can be stopped before its end"

SIGNAL: Mapping[str, Any] = {
    "signal_operation": BatchOperationSignal(signal="tidy", identity="operator")
}
TERMINATE: Mapping[str, Any] = {
    "termination_operation": BatchOperationTermination(identity="operator")
}

OPERATIONS: Mapping[str, dict[str, Any]] = {
    "terminate": {
        "termination_operation": BatchOperationTermination(
            identity="operator", details=payloads("details")
        )
    },
    "cancel": {"cancellation_operation": BatchOperationCancellation(identity="operator")},
    "signal": {
        "signal_operation": BatchOperationSignal(
            signal="tidy", identity="operator", input=payloads(1), header=header(trace="t")
        )
    },
    "reset": {
        "reset_operation": BatchOperationReset(
            identity="operator", options=ResetOptions(last_workflow_task=Empty())
        )
    },
    "options": {
        "update_workflow_options_operation": BatchOperationUpdateWorkflowExecutionOptions(
            identity="operator",
            workflow_execution_options=WorkflowExecutionOptions(priority=Priority(priority_key=2)),
            update_mask=FieldMask(paths=["priority"]),
        )
    },
}


@pytest.mark.parametrize("operation", OPERATIONS)
@scenario(
    "rpc:StartBatchOperation",
    "rpc:DescribeBatchOperation",
    *options(
        START,
        "namespace",
        "visibility_query",
        "job_id",
        "reason",
        "termination_operation",
        "cancellation_operation",
        "signal_operation",
        "reset_operation",
        "update_workflow_options_operation",
    ),
    *options("DescribeBatchOperationRequest", "namespace", "job_id"),
)
async def test_runs_that_a_filter_finds(world: World, operation: str) -> None:
    """The closed one among them is only reset."""
    closed = await idle_run(world, "closed")
    await world.signal(closed)
    await world.raw.run_workflow_task(complete_workflow())
    first = await idle_run(world, "first")
    second = await idle_run(world, "second")
    await until_listed(world, 2, "ExecutionStatus = 'Running'")
    await until_listed(world, 1, "ExecutionStatus = 'Completed'")
    await observe_batch(world, visibility_query=of_scenario(world), **OPERATIONS[operation])
    for label, run in {"closed": closed, "first": first, "second": second}.items():
        await observe_touched(world, label, run)
        await observe_touched(world, f"{label}: latest", Run(run.workflow_id))


@scenario("rpc:DeleteWorkflowExecution", *options(START, "deletion_operation"))
async def test_runs_that_a_filter_finds_are_deleted(world: World) -> None:
    closed = await idle_run(world, "closed")
    await world.terminate(closed)
    await idle_run(world, "open")
    await until_listed(world, 1, "ExecutionStatus = 'Running'")
    await until_listed(world, 1, "ExecutionStatus = 'Terminated'")
    await observe_batch(
        world,
        visibility_query=of_scenario(world),
        deletion_operation=BatchOperationDeletion(identity="operator"),
    )
    await until_listed(world, 0)


@pytest.mark.parametrize("operation", [*OPERATIONS, "delete"])
@scenario("rpc:StartBatchOperation", *options(START, "executions"))
async def test_runs_that_are_named(world: World, operation: str) -> None:
    """Some of them are not there, or not open any more."""
    await idle_run(world, "latest")
    run = await idle_run(world, "run")
    closed = await idle_run(world, "closed")
    await world.terminate(closed)
    named = [
        Run(world.unique("latest")).execution,
        run.execution,
        run.execution,
        closed.execution,
        WorkflowExecution(workflow_id=world.unique("nobody")),
        WorkflowExecution(workflow_id=run.workflow_id, run_id=UNKNOWN_RUN_ID),
    ]
    fields = {**OPERATIONS, "delete": {"deletion_operation": BatchOperationDeletion()}}[operation]
    await observe_batch(world, executions=named, **fields)


@scenario("rpc:StartBatchOperation", *options(START, "target_executions"))
async def test_runs_that_are_named_as_targets(world: World) -> None:
    run = await idle_run(world)
    target = Execution(
        type=ExecutionType.EXECUTION_TYPE_WORKFLOW,
        business_id=run.workflow_id,
        run_id=run.run_id,
    )
    await observe_batch(world, target_executions=[target], **SIGNAL)
    await observe_touched(world, "run", run)


@scenario("rpc:StartBatchOperation", *options(START, "max_operations_per_second"), differs=AT_ONCE)
async def test_the_rate_is_limited(world: World) -> None:
    run = await idle_run(world)
    for rate in (-1, 0.5, 1e9):
        await observe_batch(
            world, str(rate), executions=[run.execution], max_operations_per_second=rate, **SIGNAL
        )
    await observe_touched(world, "run", run)


@scenario("rpc:StartBatchOperation")
async def test_a_filter_that_finds_nothing(world: World) -> None:
    await observe_batch(world, visibility_query="WorkflowId = 'nobody'", **SIGNAL)


FAILING: Mapping[str, dict[str, Any]] = {
    "unknown attribute": {"visibility_query": "Nonsense = 1", **SIGNAL},
    "bad value": {"visibility_query": "StartTime = 'soon'", **SIGNAL},
    "order": {"visibility_query": "WorkflowId = 'order' ORDER BY StartTime", **SIGNAL},
    "empty execution": {"executions": [WorkflowExecution()], **SIGNAL},
    "malformed run id": {
        "executions": [WorkflowExecution(workflow_id="order", run_id="nonsense")],
        **SIGNAL,
    },
    "long signal": {
        "executions": [WorkflowExecution(workflow_id="order")],
        "signal_operation": BatchOperationSignal(signal=LONG),
    },
    "unknown path": {
        "executions": [WorkflowExecution(workflow_id="order")],
        "update_workflow_options_operation": BatchOperationUpdateWorkflowExecutionOptions(
            workflow_execution_options=WorkflowExecutionOptions(),
            update_mask=FieldMask(paths=["nonsense"]),
        ),
    },
    "reset of an unknown run": {
        "executions": [WorkflowExecution(workflow_id="nobody")],
        "reset_operation": BatchOperationReset(options=ResetOptions(first_workflow_task=Empty())),
    },
}


@pytest.mark.parametrize("mistake", FAILING)
@scenario("rpc:DescribeBatchOperation")
async def test_a_batch_fails(world: World, mistake: str) -> None:
    await observe_batch(world, **FAILING[mistake])


# --- resets


def to(**target: Any) -> dict[str, Any]:
    """The operation that resets to this target."""
    return {"reset_operation": BatchOperationReset(identity="o", options=ResetOptions(**target))}


RESETS: Mapping[str, dict[str, Any]] = {
    "first": to(first_workflow_task=Empty()),
    "last": to(last_workflow_task=Empty()),
    "event": to(workflow_task_id=8),
    "event in between": to(workflow_task_id=7),
    "no task's event": to(workflow_task_id=6),
    "no event": to(workflow_task_id=0),
    "build": to(build_id="second"),
    "first build": to(build_id="first"),
    "unknown build": to(build_id="third"),
    "no build": to(build_id=""),
    "without signals": to(
        last_workflow_task=Empty(),
        reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL],
    ),
    "nothing reapplied": to(
        last_workflow_task=Empty(), reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE
    ),
    "first, in older words": {
        "reset_operation": BatchOperationReset(reset_type=ResetType.RESET_TYPE_FIRST_WORKFLOW_TASK)
    },
    "last, in older words": {
        "reset_operation": BatchOperationReset(
            reset_type=ResetType.RESET_TYPE_LAST_WORKFLOW_TASK,
            reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE,
        )
    },
    "with an operation": {
        "reset_operation": BatchOperationReset(
            options=ResetOptions(last_workflow_task=Empty()),
            post_reset_operations=[
                PostResetOperation(
                    update_workflow_options=PostResetOperation.UpdateWorkflowOptions(
                        workflow_execution_options=WorkflowExecutionOptions(
                            priority=Priority(priority_key=2)
                        ),
                        update_mask=FieldMask(paths=["priority"]),
                    )
                )
            ],
        )
    },
    "with a bad operation": {
        "reset_operation": BatchOperationReset(
            options=ResetOptions(last_workflow_task=Empty()),
            post_reset_operations=[PostResetOperation()],
        )
    },
}


@pytest.mark.parametrize("case", RESETS)
@scenario("rpc:ResetWorkflowExecution", *options("StartBatchOperationRequest", "reset_operation"))
async def test_where_a_batch_resets_to(world: World, case: str) -> None:
    run = await world.start()
    for number, build in enumerate(("first", "second", "second"), start=1):
        await world.raw.run_workflow_task(worker_version_stamp=WorkerVersionStamp(build_id=build))
        await world.signal(run, f"signal-{number}")
    await observe_batch(world, executions=[run.execution], **RESETS[case])
    await observe_touched(world, "latest", Run(run.workflow_id))


@pytest.mark.parametrize("current_run_only", [False, True])
@scenario("rpc:ResetWorkflowExecution")
async def test_a_build_of_an_earlier_run(world: World, current_run_only: bool) -> None:
    run = await world.start()
    await world.raw.run_workflow_task(worker_version_stamp=WorkerVersionStamp(build_id="first"))
    await world.pass_time(1)
    await world.signal(run)
    await world.raw.run_workflow_task(
        continue_as_new(), worker_version_stamp=WorkerVersionStamp(build_id="first")
    )
    await world.raw.run_workflow_task(worker_version_stamp=WorkerVersionStamp(build_id="second"))
    await observe_batch(
        world,
        executions=[Run(run.workflow_id).execution],
        **to(build_id="first", current_run_only=current_run_only),
    )
    await observe_touched(world, "latest", Run(run.workflow_id))


@pytest.mark.parametrize("target", ["first_workflow_task", "last_workflow_task"])
@scenario("rpc:ResetWorkflowExecution")
async def test_a_batch_resets_runs_without_a_completed_task(world: World, target: str) -> None:
    scheduled = await world.start("scheduled")
    signaled = await world.start("signaled")
    await world.signal(signaled)
    delayed = await world.start("delayed", workflow_start_delay={"seconds": 60})
    for label, run in {"scheduled": scheduled, "signaled": signaled, "delayed": delayed}.items():
        await observe_batch(world, label, executions=[run.execution], **to(**{target: Empty()}))
        await observe_touched(world, label, Run(run.workflow_id))


# --- jobs


@scenario("rpc:StartBatchOperation")
async def test_a_job_is_started_twice(world: World) -> None:
    run = await idle_run(world)
    job = await start_batch(world, executions=[run.execution], **SIGNAL)
    await until_over(world, job)
    await world.observe_error(
        "again",
        start_batch(world, job_id=job, executions=[run.execution], **TERMINATE),
    )
    await observe_touched(world, "run", run)


@scenario(
    "rpc:StopBatchOperation",
    *options("StopBatchOperationRequest", "namespace", "job_id", "reason", "identity"),
    differs=AT_ONCE,
)
async def test_a_batch_that_is_over_is_stopped(world: World) -> None:
    run = await idle_run(world)
    job = await start_batch(world, executions=[run.execution], **SIGNAL)
    await until_over(world, job)
    await world.observe_error(
        "stop",
        world.client.workflow_service.stop_batch_operation(
            StopBatchOperationRequest(
                namespace=world.client.namespace, job_id=job, reason="enough", identity="operator"
            )
        ),
    )
    world.observe("batch", await describe_batch(world, job))


@scenario(
    "rpc:ListBatchOperations",
    *options("ListBatchOperationsRequest", "namespace", "page_size", "next_page_token"),
)
async def test_batches_are_listed(world: World) -> None:
    run = await idle_run(world)
    own = []
    for operation in (SIGNAL, {"visibility_query": "Nonsense = 1", **SIGNAL}, TERMINATE):
        fields = {"executions": [run.execution], **operation}
        if "visibility_query" in operation:
            del fields["executions"]
        own.append(await start_batch(world, **fields))
        await until_over(world, own[-1])
    listed: list[Any] = []
    while len(listed) < len(own):
        listed = []
        token = b""
        while True:
            page = await world.client.workflow_service.list_batch_operations(
                ListBatchOperationsRequest(
                    namespace=world.client.namespace, page_size=2, next_page_token=token
                )
            )
            assert len(page.operation_info) <= 2
            listed += [
                info
                for info in page.operation_info
                if info.job_id in own
                and info.state != BatchOperationState.BATCH_OPERATION_STATE_RUNNING
            ]
            token = page.next_page_token
            if not token:
                break
    world.observe("order", [own.index(info.job_id) for info in listed])
    for info in listed:
        world.observe("batch", info)


# --- bad requests


BAD: Mapping[str, dict[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "job missing": {"job_id": ""},
    "job too long": {"job_id": LONG},
    "reason missing": {"reason": ""},
    "operation missing": {"signal_operation": None},
    "runs missing": {"executions": None},
    "everything missing": {
        "job_id": "",
        "reason": "",
        "executions": None,
        "signal_operation": None,
    },
    "job and reason missing": {"job_id": "", "reason": ""},
    "two ways to name runs": {"visibility_query": "WorkflowId = 'order'"},
    "two ways to name runs, and no operation": {
        "visibility_query": "WorkflowId = 'order'",
        "signal_operation": None,
    },
    "malformed filter": {"executions": None, "visibility_query": "WorkflowId = 'order' OR"},
    "words in a filter": {"executions": None, "visibility_query": "WorkflowId = 'o' nonsense here"},
    "signal without a name": {"signal_operation": BatchOperationSignal()},
    "target of no type": {"executions": None, "target_executions": [Execution()]},
    "target of another type": {
        "executions": None,
        "target_executions": [Execution(type=ExecutionType.EXECUTION_TYPE_ACTIVITY)],
    },
    "reset of no type": {"signal_operation": None, "reset_operation": BatchOperationReset()},
    "reset of an unknown type": {
        "signal_operation": None,
        "reset_operation": BatchOperationReset(reset_type=99),  # type: ignore[arg-type]
    },
    "reset without a target": {
        "signal_operation": None,
        "reset_operation": BatchOperationReset(options=ResetOptions()),
    },
    "no options": {
        "signal_operation": None,
        "update_workflow_options_operation": BatchOperationUpdateWorkflowExecutionOptions(),
    },
    "no mask": {
        "signal_operation": None,
        "update_workflow_options_operation": BatchOperationUpdateWorkflowExecutionOptions(
            workflow_execution_options=WorkflowExecutionOptions()
        ),
    },
}


@pytest.mark.parametrize("mistake", BAD)
@scenario()
async def test_batch_is_refused(world: World, mistake: str) -> None:
    run = await idle_run(world)
    good: dict[str, Any] = {"executions": [run.execution], **SIGNAL}
    await world.observe_error("answer", start_batch(world, **{**good, **BAD[mistake]}))
    await observe_touched(world, "run", run)


BAD_JOBS: Mapping[str, dict[str, Any]] = {
    "namespace empty": {"job_id": "job"},
    "namespace unknown": {"namespace": "nowhere", "job_id": "job"},
    "job missing": {"namespace": "default"},
    "job unknown": {"namespace": "default", "job_id": "nobody"},
    "job too long": {"namespace": "default", "job_id": LONG},
}


@pytest.mark.parametrize("mistake", BAD_JOBS)
@scenario()
async def test_request_about_a_batch_is_refused(world: World, mistake: str) -> None:
    fields = BAD_JOBS[mistake]
    service = world.client.workflow_service
    await world.observe_error(
        "describe", service.describe_batch_operation(DescribeBatchOperationRequest(**fields))
    )
    await world.observe_error(
        "stop", service.stop_batch_operation(StopBatchOperationRequest(**fields, reason="enough"))
    )
    await world.observe_error(
        "stop without a reason", service.stop_batch_operation(StopBatchOperationRequest(**fields))
    )


@scenario()
async def test_batches_of_no_namespace_are_listed(world: World) -> None:
    service = world.client.workflow_service
    for namespace in ("", "nowhere"):
        await world.observe_error(
            namespace,
            service.list_batch_operations(ListBatchOperationsRequest(namespace=namespace)),
        )
