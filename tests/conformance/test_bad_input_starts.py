"""Starts that are refused: with which error, and which of several mistakes is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import (
    Callback,
    Link,
    Memo,
    Payload,
    Payloads,
    Priority,
    RetryPolicy,
    TimeSkippingConfig,
    WorkflowType,
)
from temporalio.api.enums.v1 import TaskQueueKind, WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import OnConflictOptions
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)

from tests.conformance.commands import seconds
from tests.conformance.overrides import BAD_OVERRIDES
from tests.conformance.payloads import search_attributes
from tests.conformance.refusals import LONG, observe_refusal, with_fields
from tests.conformance.scenario import scenario
from tests.conformance.world import Run, World

STICKY = TaskQueueKind.TASK_QUEUE_KIND_STICKY
LARGE = Payload(data=b"x" * (2 * 1024 * 1024 + 1))
BAD_RETRY = RetryPolicy(maximum_attempts=-1)
BATCH_LINK = Link(batch_job=Link.BatchJob(job_id="job"))

EMPTY_OVERRIDE = BAD_OVERRIDES["empty"]
ADDRESS = "http://127.0.0.1:9/callback"


def nexus(url: str, **header: str) -> dict[str, Any]:
    """Fields of a start that wants this address to be called."""
    return {"completion_callbacks": [Callback(nexus=Callback.Nexus(url=url, header=header))]}


#: What is wrong with a start, alone or together with a signal.
MISTAKES: dict[str, Mapping[str, Any]] = {
    "namespace empty": {"namespace": ""},
    "namespace unknown": {"namespace": "nowhere"},
    "namespace unknown and no id": {"namespace": "nowhere", "workflow_id": ""},
    "namespace too long": {"namespace": LONG},
    "id missing": {"workflow_id": ""},
    "id too long": {"workflow_id": LONG},
    "id too long in bytes": {"workflow_id": "é" * 501},
    "type missing": {"workflow_type": None},
    "type empty": {"workflow_type": WorkflowType()},
    "type too long": {"workflow_type": WorkflowType(name=LONG)},
    "task queue missing": {"task_queue": None},
    "task queue empty": {"task_queue": TaskQueue()},
    "task queue too long": {"task_queue": TaskQueue(name=LONG)},
    "task queue reserved": {"task_queue": TaskQueue(name="/_sys/queue/1")},
    "task queue internal": {"task_queue": TaskQueue(name="temporal-sys-per-ns-tq")},
    "normal task queue too long": {
        "task_queue": TaskQueue(name="sticky", kind=STICKY, normal_name=LONG)
    },
    "request id too long": {"request_id": LONG},
    "cron and start delay": {"cron_schedule": "@daily", "workflow_start_delay": Duration()},
    "conflict policy with terminate-if-running": {
        "workflow_id_reuse_policy": (
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING
        ),
        "workflow_id_conflict_policy": (
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        ),
    },
    "reject duplicate and terminate existing": {
        "workflow_id_reuse_policy": WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
        "workflow_id_conflict_policy": (
            WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
        ),
    },
    "priority key negative": {"priority": Priority(priority_key=-1)},
    "fairness key too long": {"priority": Priority(fairness_key="k" * 65)},
    "fairness weight negative": {"priority": Priority(fairness_weight=-1)},
    "input too large": {"input": Payloads(payloads=[LARGE])},
    "memo too large": {"memo": Memo(fields={"field": LARGE})},
    "link of no kind": {"links": [Link()]},
    "link to nowhere": {"links": [Link(workflow_event=Link.WorkflowEvent())]},
    "too many links": {"links": [BATCH_LINK] * 11},
    "search attribute unknown": {"search_attributes": search_attributes(Color=("Keyword", "red"))},
    "search attribute of the system": {
        "search_attributes": search_attributes(WorkflowId=("Keyword", "order"))
    },
    "search attribute of another type": {
        "search_attributes": search_attributes(ConformanceInt=("Int", "red"))
    },
    "search attribute too large": {
        "search_attributes": search_attributes(ConformanceKeyword=("Keyword", "x" * 2047))
    },
    **{
        f"override {mistake}": {"versioning_override": override}
        for mistake, override in BAD_OVERRIDES.items()
    },
    "time skipping": {"time_skipping_config": TimeSkippingConfig(enabled=True)},
    "time skipping not wanted": {"time_skipping_config": TimeSkippingConfig()},
    "first priority, then override": {
        "priority": Priority(priority_key=-1),
        "versioning_override": EMPTY_OVERRIDE,
    },
    "first link, then time skipping": {
        "links": [Link()],
        "time_skipping_config": TimeSkippingConfig(),
    },
    "first time skipping, then override": {
        "time_skipping_config": TimeSkippingConfig(),
        "versioning_override": EMPTY_OVERRIDE,
    },
    "first input, then override": {
        "input": Payloads(payloads=[LARGE]),
        "versioning_override": BAD_OVERRIDES["pinned"],
    },
    **{
        f"{timeout} {kind}": {f"workflow_{timeout}": duration}
        for timeout in ("execution_timeout", "run_timeout", "task_timeout", "start_delay")
        for kind, duration in {
            "negative": seconds(-1),
            "of two signs": Duration(seconds=1, nanos=-1),
        }.items()
    },
    **{
        f"cron {schedule}": {"cron_schedule": schedule}
        for schedule in (
            "nonsense",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "* * 0 * *",
            "* * * * 7",
            "@every",
            "@every x",
            "@sometimes",
            "CRON_TZ=Nowhere * * * * *",
        )
    },
    **{
        f"retry policy: {mistake}": {"retry_policy": policy}
        for mistake, policy in {
            "initial interval negative": RetryPolicy(initial_interval=seconds(-1)),
            "initial interval of two signs": RetryPolicy(
                initial_interval=Duration(seconds=1, nanos=-1)
            ),
            "initial interval of three years": RetryPolicy(
                initial_interval=seconds(3 * 365 * 24 * 3600)
            ),
            "coefficient below one": RetryPolicy(backoff_coefficient=0.5),
            "maximum interval negative": RetryPolicy(maximum_interval=seconds(-1)),
            "maximum interval below initial": RetryPolicy(
                initial_interval=seconds(5), maximum_interval=seconds(1)
            ),
            "attempts negative": RetryPolicy(maximum_attempts=-1),
            "timeout type unknown": RetryPolicy(non_retryable_error_types=["TemporalTimeout:Nope"]),
        }.items()
    },
}

START_MISTAKES: dict[str, Mapping[str, Any]] = {
    **MISTAKES,
    "callbacks attached without a request id": {
        "on_conflict_options": OnConflictOptions(attach_completion_callbacks=True)
    },
    "callback of no kind": {"completion_callbacks": [Callback()]},
    "callback to a handler": {
        "completion_callbacks": [Callback(nexus_handler=Callback.NexusHandler(service="shop"))]
    },
    "callback inside the server": {
        "completion_callbacks": [Callback(internal=Callback.Internal(data=b"data"))]
    },
    "callback to anywhere": nexus(ADDRESS),
    "callback to a file": nexus("file:///callback"),
    "callback to nowhere": nexus(""),
    "callback to a long address": nexus(ADDRESS + LONG),
    "callback with a large header": nexus("temporal://system", name="x" * 8189),
    "first address, then header": nexus(ADDRESS, name="x" * 8189),
    "first callback, then link": {**nexus(ADDRESS), "links": [Link()]},
    "first priority, then callback": {**nexus(ADDRESS), "priority": Priority(priority_key=-1)},
    "first id, then retry policy": {"workflow_id": "", "retry_policy": BAD_RETRY},
    "first retry policy, then cron": {"retry_policy": BAD_RETRY, "cron_schedule": "never"},
    "first cron, then type": {"cron_schedule": "never", "workflow_type": None},
    "first type, then task queue": {"workflow_type": None, "task_queue": None},
    "first task queue, then timeout": {"task_queue": None, "workflow_run_timeout": seconds(-1)},
    "first timeout, then request id": {"workflow_run_timeout": seconds(-1), "request_id": LONG},
    "first search attribute, then priority": {
        "search_attributes": search_attributes(Color=("Keyword", "red")),
        "priority": Priority(priority_key=-1),
    },
    "first link, then input": {"links": [Link()], "input": Payloads(payloads=[LARGE])},
}

SIGNAL_WITH_START_MISTAKES: dict[str, Mapping[str, Any]] = {
    **MISTAKES,
    "signal name missing": {"signal_name": ""},
    "signal name too long": {"signal_name": LONG},
    "signal input too large": {"signal_input": Payloads(payloads=[LARGE])},
    "conflict policy fail": {
        "workflow_id_conflict_policy": WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL
    },
    "first cron, then id": {"cron_schedule": "never", "workflow_id": ""},
    "first signal name, then type": {"signal_name": "", "workflow_type": None},
    "first task queue, then request id": {"task_queue": None, "request_id": LONG},
    "first request id, then timeout": {"request_id": LONG, "workflow_run_timeout": seconds(-1)},
    "first timeout, then retry policy": {
        "workflow_run_timeout": seconds(-1),
        "retry_policy": BAD_RETRY,
    },
    "first retry policy, then start delay": {
        "retry_policy": BAD_RETRY,
        "workflow_start_delay": seconds(-1),
    },
}


def good_start(world: World) -> dict[str, Any]:
    return {
        "namespace": world.client.namespace,
        "workflow_id": world.unique("order"),
        "workflow_type": WorkflowType(name="Order"),
        "task_queue": TaskQueue(name=world.task_queue),
        "request_id": world.unique("request"),
    }


@pytest.mark.parametrize("mistake", START_MISTAKES)
@scenario()
async def test_start_is_refused(world: World, mistake: str) -> None:
    fields = with_fields(good_start(world), START_MISTAKES[mistake])
    request = StartWorkflowExecutionRequest(**fields)
    await observe_refusal(world, world.client.workflow_service.start_workflow_execution(request))
    await world.observe_error("run", world.describe(Run(world.unique("order"))))


@pytest.mark.parametrize("mistake", SIGNAL_WITH_START_MISTAKES)
@scenario()
async def test_signal_with_start_is_refused(world: World, mistake: str) -> None:
    good = {**good_start(world), "signal_name": "poke"}
    request = SignalWithStartWorkflowExecutionRequest(
        **with_fields(good, SIGNAL_WITH_START_MISTAKES[mistake])
    )
    await observe_refusal(
        world, world.client.workflow_service.signal_with_start_workflow_execution(request)
    )
    await world.observe_error("run", world.describe(Run(world.unique("order"))))


@pytest.mark.parametrize(
    "mistake",
    ["signal input too large", "memo too large", "task queue missing", "signal name missing"],
)
@scenario()
async def test_signal_with_start_of_a_running_workflow_is_refused(
    world: World, mistake: str
) -> None:
    run = await world.start()
    good = {**good_start(world), "signal_name": "poke", "request_id": world.unique("other")}
    request = SignalWithStartWorkflowExecutionRequest(
        **with_fields(good, SIGNAL_WITH_START_MISTAKES[mistake])
    )
    await observe_refusal(
        world, world.client.workflow_service.signal_with_start_workflow_execution(request), run
    )
