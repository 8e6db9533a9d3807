"""Deleting runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DeleteWorkflowExecutionResponse,
)
from temporalio.service import RPCError, RPCStatusCode

from tests.conformance.listings import count_runs, of_scenario, until_listed
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


async def delete(world: World, run: Run) -> DeleteWorkflowExecutionResponse:
    return await world.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace=world.client.namespace, workflow_execution=run.execution
        )
    )


async def until_gone(world: World, run: Run) -> None:
    """Wait until nobody knows a run any more; the real server deletes when it finds the time."""
    while True:
        try:
            await world.describe(run)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return
            raise
        await asyncio.sleep(0.1)


@scenario(
    "rpc:DeleteWorkflowExecution",
    *options("DeleteWorkflowExecutionRequest", "namespace", "workflow_execution"),
)
async def test_a_closed_run_is_deleted(world: World) -> None:
    run = await world.start()
    await world.terminate(run)
    await until_listed(world, 1, "ExecutionStatus = 'Terminated'")
    world.observe("answer", await delete(world, run))
    await until_gone(world, run)
    await until_listed(world, 0)
    await world.observe_error("describe", world.describe(run))
    await world.observe_error("describe the latest", world.describe(Run(run.workflow_id)))
    await world.observe_error("signal", world.signal(run))
    await world.observe_error("delete", delete(world, run))
    world.observe("listed", await count_runs(world, of_scenario(world)))


@scenario("rpc:DeleteWorkflowExecution")
async def test_an_open_run_is_deleted(world: World) -> None:
    run = await world.start()
    await until_listed(world, 1)
    world.observe("answer", await delete(world, Run(run.workflow_id)))
    await until_gone(world, run)
    await until_listed(world, 0)
    await world.observe_error("describe the latest", world.describe(Run(run.workflow_id)))
    again = world.start_request(
        workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
    )
    await world.observe_error("start again", world.start_with(again))


@scenario("rpc:DeleteWorkflowExecution")
async def test_an_earlier_run_is_deleted(world: World) -> None:
    first = await world.start()
    await world.terminate(first)
    second = await world.start()
    await until_listed(world, 1, "ExecutionStatus = 'Terminated'")
    await until_listed(world, 1, "ExecutionStatus = 'Running'")
    await delete(world, first)
    await until_gone(world, first)
    await until_listed(world, 1)
    world.observe("latest", await world.describe(Run(second.workflow_id)))
    await world.signal(Run(second.workflow_id))
    await world.observe_history("of the latest", second)


@scenario("rpc:DeleteWorkflowExecution")
async def test_the_latest_run_is_deleted(world: World) -> None:
    first = await world.start()
    await world.terminate(first)
    second = await world.start()
    await until_listed(world, 1, "ExecutionStatus = 'Running'")
    await delete(world, second)
    await until_gone(world, second)
    await until_listed(world, 1)
    await world.observe_error("describe the latest", world.describe(Run(first.workflow_id)))
    world.observe("describe the first", await world.describe(first))


MISTAKES: dict[str, Mapping[str, Any]] = {
    "nothing": {},
    "no id": {"workflow_execution": WorkflowExecution()},
    "unknown id": {"workflow_execution": WorkflowExecution(workflow_id="nobody")},
    "long id": {"workflow_execution": WorkflowExecution(workflow_id=LONG)},
    "malformed run id": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody", run_id="nonsense")
    },
    "unknown run id": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody", run_id=UNKNOWN_RUN_ID)
    },
    "no namespace": {
        "namespace": "",
        "workflow_execution": WorkflowExecution(workflow_id="nobody"),
    },
    "unknown namespace": {
        "namespace": "nowhere",
        "workflow_execution": WorkflowExecution(workflow_id="nobody"),
    },
}


@pytest.mark.parametrize("mistake", MISTAKES)
@scenario("rpc:DeleteWorkflowExecution")
async def test_deletion_is_refused(world: World, mistake: str) -> None:
    request = DeleteWorkflowExecutionRequest(
        **{"namespace": world.client.namespace, **MISTAKES[mistake]}
    )
    service = world.client.workflow_service
    await observe_refusal(world, service.delete_workflow_execution(request))
