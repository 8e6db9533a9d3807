"""Options of a run that are changed while it is under way.

The pinned versions that clients name are versions that no worker has: neither server lets a run be
pinned to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import (
    Priority,
    RetryPolicy,
    TimeSkippingConfig,
    WorkflowExecution,
    WorkflowType,
)
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import (
    OnConflictOptions,
    VersioningOverride,
    WorkflowExecutionOptions,
)
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    UpdateWorkflowExecutionOptionsRequest,
    UpdateWorkflowExecutionOptionsResponse,
)

from tests.conformance.commands import continue_as_new, fail_workflow, start_child
from tests.conformance.overrides import (
    AUTO_UPGRADE,
    AUTO_UPGRADE_IN_OLDER_WORDS,
    BAD_OVERRIDES,
)
from tests.conformance.refusals import LONG, UNKNOWN_RUN_ID, observe_refusal
from tests.conformance.resets import finished_task, observe_run, reset
from tests.conformance.scenario import options, scenario
from tests.conformance.updates import idle_run
from tests.conformance.world import Run, World

REQUEST = "UpdateWorkflowExecutionOptionsRequest"

OVERRIDE = ["versioning_override"]
PRIORITY = ["priority"]


async def change(
    world: World,
    run: Run,
    mask: Sequence[str] | None,
    given: WorkflowExecutionOptions | None = None,
    *,
    override: VersioningOverride | None = None,
    priority: Priority | None = None,
    **fields: Any,
) -> UpdateWorkflowExecutionOptionsResponse:
    """Change those options of a run that the mask names."""
    request: dict[str, Any] = {
        "namespace": world.client.namespace,
        "workflow_execution": run.execution,
        "workflow_execution_options": given
        or WorkflowExecutionOptions(versioning_override=override, priority=priority),
        "update_mask": None if mask is None else FieldMask(paths=mask),
    }
    return await world.client.workflow_service.update_workflow_execution_options(
        UpdateWorkflowExecutionOptionsRequest(**{**request, **fields})
    )


@scenario(
    "rpc:UpdateWorkflowExecutionOptions",
    "event:WorkflowExecutionOptionsUpdated",
    *options(
        REQUEST, "namespace", "workflow_execution", "workflow_execution_options", "update_mask"
    ),
)
async def test_an_override_is_set_and_taken_away(world: World) -> None:
    run = await idle_run(world)
    world.observe("set", await change(world, run, OVERRIDE, override=AUTO_UPGRADE))
    world.observe("set again", await change(world, run, OVERRIDE, override=AUTO_UPGRADE))
    await observe_run(world, "set", run)
    world.observe("unset", await change(world, run, OVERRIDE))
    world.observe("unset again", await change(world, run, OVERRIDE))
    await observe_run(world, "unset", run)


@scenario("rpc:UpdateWorkflowExecutionOptions", *options(REQUEST, "identity"))
async def test_who_changes_options_is_told(world: World) -> None:
    run = await idle_run(world)
    await change(world, run, OVERRIDE, override=AUTO_UPGRADE, identity="operator")
    await change(world, run, OVERRIDE, identity=LONG)
    await world.observe_history("history", run)


@scenario("rpc:UpdateWorkflowExecutionOptions")
async def test_an_override_in_the_words_of_older_clients(world: World) -> None:
    run = await idle_run(world)
    older = AUTO_UPGRADE_IN_OLDER_WORDS
    world.observe("answer", await change(world, run, OVERRIDE, override=older))
    await observe_run(world, "run", run)
    world.observe("the same", await change(world, run, OVERRIDE, override=AUTO_UPGRADE))
    await world.observe_history("history", run)


@scenario(*options("StartWorkflowExecutionRequest", "versioning_override"))
async def test_an_override_is_there_from_the_start(world: World) -> None:
    run, worker = await world.start_apart(
        "order", versioning_override=AUTO_UPGRADE, retry_policy=RetryPolicy(maximum_attempts=2)
    )
    await observe_run(world, "begun", run)
    task = await worker.poll_workflow_task()
    child = start_child(world.unique("child"), task_queue={"name": world.unique("children")})
    await worker.complete_workflow_task(task, child)
    await worker.run_workflow_task(fail_workflow())
    await world.closed(Run(world.unique("child")))
    await world.observe_history("child", Run(world.unique("child")))
    retried = Run(run.workflow_id)
    await worker.run_workflow_task(continue_as_new())
    await observe_run(world, "retried", retried)
    await observe_run(world, "continued", Run(run.workflow_id))
    await change(world, Run(run.workflow_id), OVERRIDE)
    await observe_run(world, "unset", Run(run.workflow_id))


@scenario(*options("StartWorkflowExecutionRequest", "versioning_override"))
async def test_an_override_in_older_words_from_the_start(world: World) -> None:
    run = await world.start("older", versioning_override=AUTO_UPGRADE_IN_OLDER_WORDS)
    await observe_run(world, "older", run)
    first = await world.raw.poll_workflow_task()
    world.observe_task("task", first)
    await world.raw.complete_workflow_task(first)
    world.observe("described", await world.describe(run))
    again = await reset(world, run, await finished_task(world, run, 1))
    await observe_run(world, "reset", again)


@scenario(*options("SignalWithStartWorkflowExecutionRequest", "versioning_override"))
async def test_an_override_comes_with_a_signal_that_starts(world: World) -> None:
    request = SignalWithStartWorkflowExecutionRequest(
        namespace=world.client.namespace,
        workflow_id=world.unique("order"),
        workflow_type=WorkflowType(name="Order"),
        task_queue=TaskQueue(name=world.task_queue),
        signal_name="poke",
        request_id=world.unique("request"),
        versioning_override=AUTO_UPGRADE,
    )
    answer = await world.client.workflow_service.signal_with_start_workflow_execution(request)
    await observe_run(world, "run", Run(request.workflow_id, answer.run_id))
    pinned = BAD_OVERRIDES["pinned"]
    await world.observe_error("another start", world.start("order", versioning_override=pinned))


@scenario("rpc:UpdateWorkflowExecutionOptions")
async def test_a_priority_is_changed(world: World) -> None:
    run = await idle_run(world)
    first = Priority(priority_key=2, fairness_key="shoes", fairness_weight=2)
    world.observe("set", await change(world, run, PRIORITY, priority=first))
    for field in ("priority_key", "fairness_key", "fairness_weight"):
        other = Priority(priority_key=4, fairness_key="hats", fairness_weight=3)
        world.observe(field, await change(world, run, [f"priority.{field}"], priority=other))
    await observe_run(world, "set", run)
    world.observe("unset", await change(world, run, PRIORITY))
    await observe_run(world, "unset", run)
    world.observe("unset again", await change(world, run, PRIORITY))
    world.observe("key unset", await change(world, run, ["priority.priority_key"]))
    await observe_run(world, "in the end", run)


@scenario("rpc:UpdateWorkflowExecutionOptions")
async def test_a_priority_that_was_there_from_the_start_is_changed(world: World) -> None:
    run = await world.start(priority=Priority(priority_key=1, fairness_key="shoes"))
    world.observe(
        "answer",
        await change(world, run, ["priority.priority_key"], priority=Priority(priority_key=3)),
    )
    await observe_run(world, "run", run)


@scenario("rpc:UpdateWorkflowExecutionOptions")
async def test_two_options_are_changed_at_once(world: World) -> None:
    run = await idle_run(world)
    both = [*OVERRIDE, *PRIORITY]
    priority = Priority(priority_key=2)
    world.observe("set", await change(world, run, both, override=AUTO_UPGRADE, priority=priority))
    world.observe("override alone", await change(world, run, OVERRIDE, priority=priority))
    world.observe("nothing", await change(world, run, [], override=AUTO_UPGRADE))
    await world.start_with(
        world.start_request(
            workflow_id_conflict_policy=(
                WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
            ),
            on_conflict_options=OnConflictOptions(attach_request_id=True),
        )
    )
    await observe_run(world, "run", run)


@scenario("rpc:UpdateWorkflowExecutionOptions")
async def test_options_are_changed_while_a_task_is_in_flight(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    world.observe("answer", await change(world, run, OVERRIDE, override=AUTO_UPGRADE))
    await observe_run(world, "before", run)
    await world.raw.complete_workflow_task(task)
    await observe_run(world, "after", run)


@scenario("rpc:UpdateWorkflowExecutionOptions")
async def test_options_are_changed_before_the_first_task(world: World) -> None:
    run = await world.start()
    await change(world, run, OVERRIDE, override=AUTO_UPGRADE)
    world.observe_task("task", await world.raw.poll_workflow_task())
    delayed = await world.start("delayed", workflow_start_delay={"seconds": 60})
    await change(world, delayed, PRIORITY, priority=Priority(priority_key=2))
    await observe_run(world, "delayed", delayed)


@scenario("rpc:UpdateWorkflowExecutionOptions", "event:WorkflowExecutionContinuedAsNew")
async def test_options_pass_to_the_next_run_and_to_children(world: World) -> None:
    run = await idle_run(world)
    await change(
        world,
        run,
        [*OVERRIDE, *PRIORITY],
        override=AUTO_UPGRADE,
        priority=Priority(priority_key=4, fairness_key="shoes"),
    )
    await world.signal(run)
    await world.raw.run_workflow_task(
        start_child(world.unique("child"), task_queue={"name": world.unique("children")})
    )
    await world.raw.run_workflow_task(continue_as_new())
    child = Run(world.unique("child"))
    await world.closed(child)
    await world.observe_history("child", child)
    await observe_run(world, "next", Run(run.workflow_id))


@scenario("rpc:UpdateWorkflowExecutionOptions")
async def test_options_of_a_closed_run(world: World) -> None:
    run = await idle_run(world)
    await world.terminate(run)
    await observe_refusal(world, change(world, run, OVERRIDE, override=AUTO_UPGRADE), run)


@pytest.mark.parametrize("mistake", BAD_OVERRIDES)
@scenario()
async def test_override_is_refused(world: World, mistake: str) -> None:
    run = await idle_run(world)
    await observe_refusal(world, change(world, run, OVERRIDE, override=BAD_OVERRIDES[mistake]), run)


BAD_MASKS: Mapping[str, list[str] | None] = {
    "missing": None,
    "unknown": ["nonsense"],
    "empty path": ["priority", ""],
    "everything": ["*"],
    "in camel case": ["versioningOverride"],
    "unknown part of a priority": ["priority.nonsense"],
    "part of an override": ["versioning_override.pinned"],
    "old part of an override": ["versioning_override.behavior"],
}


@pytest.mark.parametrize("mistake", BAD_MASKS)
@scenario()
async def test_mask_is_refused(world: World, mistake: str) -> None:
    run = await idle_run(world)
    await observe_refusal(world, change(world, run, BAD_MASKS[mistake], override=AUTO_UPGRADE), run)


BAD_OPTIONS: Mapping[str, tuple[list[str], WorkflowExecutionOptions]] = {
    "priority": (PRIORITY, WorkflowExecutionOptions(priority=Priority(priority_key=-1))),
    "fairness key": (PRIORITY, WorkflowExecutionOptions(priority=Priority(fairness_key=LONG))),
    "priority not masked": (
        OVERRIDE,
        WorkflowExecutionOptions(priority=Priority(priority_key=-1)),
    ),
    "override not masked": (
        PRIORITY,
        WorkflowExecutionOptions(versioning_override=VersioningOverride()),
    ),
    "time skipping": (
        ["time_skipping_config"],
        WorkflowExecutionOptions(time_skipping_config=TimeSkippingConfig(enabled=True)),
    ),
    "time skipping not masked": (
        PRIORITY,
        WorkflowExecutionOptions(time_skipping_config=TimeSkippingConfig(enabled=True)),
    ),
}


@pytest.mark.parametrize("mistake", BAD_OPTIONS)
@scenario()
async def test_options_are_refused(world: World, mistake: str) -> None:
    run = await idle_run(world)
    mask, given = BAD_OPTIONS[mistake]
    await observe_refusal(world, change(world, run, mask, given), run)


BAD_REQUESTS: Mapping[str, dict[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "execution missing": {"workflow_execution": None},
    "workflow id empty": {"workflow_execution": WorkflowExecution()},
    "workflow id too long": {"workflow_execution": WorkflowExecution(workflow_id=LONG)},
    "workflow unknown": {"workflow_execution": WorkflowExecution(workflow_id="nobody")},
    "run id malformed": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody", run_id="nonsense")
    },
    "run unknown": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody", run_id=UNKNOWN_RUN_ID)
    },
    "options missing": {"workflow_execution_options": None},
    "options and mask missing": {"workflow_execution_options": None, "update_mask": None},
    "workflow unknown, mask missing": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody"),
        "update_mask": None,
    },
    "workflow unknown, mask bad": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody"),
        "update_mask": FieldMask(paths=["nonsense"]),
    },
    "workflow unknown, part of an override": {
        "workflow_execution": WorkflowExecution(workflow_id="nobody"),
        "update_mask": FieldMask(paths=["versioning_override.pinned"]),
    },
    "mask and priority bad": {
        "workflow_execution_options": WorkflowExecutionOptions(priority=Priority(priority_key=-1)),
        "update_mask": FieldMask(paths=["nonsense"]),
    },
    "priority and override bad": {
        "workflow_execution_options": WorkflowExecutionOptions(
            priority=Priority(priority_key=-1), versioning_override=VersioningOverride()
        )
    },
}


@pytest.mark.parametrize("mistake", BAD_REQUESTS)
@scenario()
async def test_change_of_options_is_refused(world: World, mistake: str) -> None:
    run = await idle_run(world)
    call = change(world, run, OVERRIDE, override=AUTO_UPGRADE, **BAD_REQUESTS[mistake])
    await observe_refusal(world, call, run)
