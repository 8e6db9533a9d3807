"""The search attribute that tells which builds of workers have touched a run."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import SearchAttributes, WorkerVersionStamp
from temporalio.api.workflowservice.v1 import PollWorkflowTaskQueueResponse

from tests.conformance.commands import continue_as_new, upsert_search_attributes
from tests.conformance.payloads import search_attributes
from tests.conformance.raw_worker import RawWorker
from tests.conformance.scenario import options, scenario
from tests.conformance.world import Run, World


def build_ids(*entries: str) -> SearchAttributes:
    return search_attributes(BuildIds=("KeywordList", list(entries)))


def stamp(build_id: str) -> WorkerVersionStamp | None:
    return WorkerVersionStamp(build_id=build_id) if build_id else None


async def observe_build_ids(world: World, label: str, run: Run) -> None:
    info = (await world.describe(run)).workflow_execution_info
    world.observe(label, info.search_attributes)


async def next_task(world: World, run: Run, worker: RawWorker) -> PollWorkflowTaskQueueResponse:
    await world.signal(run)
    return await worker.poll_workflow_task()


@scenario(
    "rpc:RespondWorkflowTaskCompleted",
    *options("RespondWorkflowTaskCompletedRequest", "worker_version_stamp"),
    *options("StartWorkflowExecutionRequest", "search_attributes"),
)
@pytest.mark.parametrize(
    "given",
    [[], ["c"], ["c", "unversioned", "d"], ["d", "unversioned:b1", "c"]],
    ids=lambda given: ",".join(given),
)
async def test_builds_join_what_is_there(world: World, given: list[str]) -> None:
    run = await world.start(search_attributes=build_ids(*given) if given else None)
    await observe_build_ids(world, "at first", run)
    task = await world.raw.poll_workflow_task()
    for build_id in ("", "b1", "b2", "", "b1"):
        await world.raw.complete_workflow_task(task, worker_version_stamp=stamp(build_id))
        await observe_build_ids(world, f"after {build_id!r}", run)
        task = await next_task(world, run, world.raw)


@scenario("command:UpsertWorkflowSearchAttributes", "command:ContinueAsNewWorkflowExecution")
async def test_builds_are_told_by_a_workflow_itself(world: World) -> None:
    run = await world.start()
    task = await world.raw.poll_workflow_task()
    for label, entries in {"one": ["x"], "none": None, "more": ["y", "unversioned"]}.items():
        commands = [upsert_search_attributes(BuildIds=("KeywordList", entries))] if entries else []
        await world.raw.complete_workflow_task(task, *commands)
        await observe_build_ids(world, label, run)
        task = await next_task(world, run, world.raw)
    await world.raw.complete_workflow_task(
        task, continue_as_new(), worker_version_stamp=stamp("b1")
    )
    await observe_build_ids(world, "the end", run)
    following = Run(run.workflow_id)
    await observe_build_ids(world, "the next run", following)
    await world.raw.run_workflow_task()
    await observe_build_ids(world, "its first task", following)
