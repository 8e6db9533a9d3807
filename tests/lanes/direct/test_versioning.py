"""Workers that say which version they run: the same to the service, on whichever lane."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
)
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import WorkerDeploymentConfig

from timeskip import Simulation, WorkerRefused
from timeskip.histories import EVERYTHING_IGNORED, Ignored, normal_form
from timeskip.lanes.selection import LaneName
from timeskip.server.calls import Call

REQUESTS = (
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondActivityTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
)
FIELDS = (
    "worker_version_capabilities",
    "worker_version_stamp",
    "worker_version",
    "deployment_options",
    "versioning_behavior",
)


@activity.defn
async def pack() -> None:
    """Nothing is said of it but by whom."""


@workflow.defn
class Packs:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(pack, start_to_close_timeout=timedelta(seconds=5))


def deployment(versioned: bool) -> WorkerDeploymentConfig:
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion("packing", "one"),
        use_worker_versioning=versioned,
        default_versioning_behavior=VersioningBehavior.PINNED
        if versioned
        else VersioningBehavior.UNSPECIFIED,
    )


async def told(
    lane: LaneName, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[set[str], History]:
    """What a worker tells of its version in each kind of request, and the history."""
    seen: set[str] = set()
    async with Simulation(lane=lane) as sim:
        keeper, service = sim._keeper, sim._keeper.service
        handle = service.handle

        def listen(call: Call) -> None:
            if isinstance(call.request, REQUESTS):
                parts = {
                    field.name: str(value)
                    for field, value in call.request.ListFields()
                    if field.name in FIELDS
                }
                seen.add(f"{type(call.request).__name__}: {sorted(parts.items())}")
            handle(call)

        monkeypatch.setattr(service, "handle", listen)
        monkeypatch.setattr(keeper, "carry", listen)
        async with sim.worker(workflows=[Packs], activities=[pack], **options):
            await sim.client.execute_workflow(Packs.run, id="packs", task_queue=sim.task_queue)
        return seen, sim.runs[0].history


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "options",
    [
        {"build_id": "one"},
        {"deployment_config": deployment(versioned=False)},
    ],
    ids=["build id", "deployment"],
)
async def test_version_is_told_as_by_the_core(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    ours, our_history = await told("direct", monkeypatch, **options)
    theirs, their_history = await told("wire", monkeypatch, **options)
    assert ours == theirs
    assert all("one" in each for each in ours)
    ignored = EVERYTHING_IGNORED - {Ignored.BUILD_IDS}
    assert normal_form(our_history, ignored) == normal_form(their_history, ignored)


@pytest.mark.asyncio
@pytest.mark.parametrize("lane", ["wire", "direct"])
@pytest.mark.parametrize(
    "options",
    [
        {"deployment_config": deployment(versioned=True)},
        {"build_id": "one", "use_worker_versioning": True},
    ],
    ids=["deployment", "build id"],
)
async def test_versioned_worker_is_refused_at_once(lane: LaneName, options: dict[str, Any]) -> None:
    async with Simulation(lane=lane) as sim:
        with pytest.raises(WorkerRefused, match="'timeskip' uses worker versioning"):
            async with sim.worker(workflows=[Packs], activities=[pack], **options):
                """Not reached."""
