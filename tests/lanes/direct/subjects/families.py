"""Children and other workflows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.workflow import (
    ChildWorkflowCancellationType,
    ParentClosePolicy,
)

from tests.lanes.direct.subjects.stage import (
    MOMENT,
    ONCE,
    WHILE,
    come_what_may,
    let_go_of,
)


@workflow.defn
class Child:
    @workflow.run
    async def run(self) -> str:
        return "grown up"


@workflow.defn
class WilfulChild:
    @workflow.run
    async def run(self) -> str:
        raise ApplicationError("I will not", non_retryable=True)


@workflow.defn
class PatientChild:
    """Waits for a signal."""

    def __init__(self) -> None:
        self._called = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._called)
        return "called"

    @workflow.signal
    def call(self) -> None:
        self._called = True


async def child(which: Any = Child.run, name: str = "child", **options: Any) -> Any:
    return await workflow.execute_child_workflow(
        which, id=f"{workflow.info().workflow_id}-{name}", retry_policy=ONCE, **options
    )


@workflow.defn
class Parent:
    @workflow.run
    async def run(self) -> Any:
        return await child()


@workflow.defn
class ParentOfAnother:
    @workflow.run
    async def run(self) -> Any:
        return await child(WilfulChild.run)


@workflow.defn
class ParentOfNamesake:
    @workflow.run
    async def run(self) -> Any:
        return await child(name="other")


@workflow.defn
class ParentOfWilful:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(child(WilfulChild.run))


@workflow.defn
class ParentOfLate:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(child(PatientChild.run, execution_timeout=timedelta(seconds=1)))


@workflow.defn
class ParentOfTerminated:
    """Somebody terminates the child."""

    @workflow.run
    async def run(self) -> str:
        return await come_what_may(child(PatientChild.run))


@workflow.defn
class ParentOfTwins:
    @workflow.run
    async def run(self) -> str:
        first = await workflow.start_child_workflow(
            PatientChild.run, id=f"{workflow.info().workflow_id}-child"
        )
        ending = await come_what_may(child(PatientChild.run))
        await first.signal(PatientChild.call)
        await first
        return ending


class _ParentWhoLetsGo:
    kind = ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED

    async def go(self) -> str:
        handle = await workflow.start_child_workflow(
            PatientChild.run,
            id=f"{workflow.info().workflow_id}-child",
            cancellation_type=self.kind,
            parent_close_policy=ParentClosePolicy.TERMINATE,
        )
        ending = await let_go_of(handle)
        await workflow.sleep(WHILE)
        return ending


@workflow.defn
class ParentCancelsAndWaits(_ParentWhoLetsGo):
    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class ParentTriesToCancel(_ParentWhoLetsGo):
    kind = ChildWorkflowCancellationType.TRY_CANCEL

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class ParentAbandons(_ParentWhoLetsGo):
    kind = ChildWorkflowCancellationType.ABANDON

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class ParentRequestsCancel(_ParentWhoLetsGo):
    kind = ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED

    @workflow.run
    async def run(self) -> str:
        return await self.go()


@workflow.defn
class ParentThinksBetter:
    @workflow.run
    async def run(self) -> str:
        task = asyncio.create_task(child())
        await asyncio.sleep(0)
        ending = await let_go_of(task)
        await workflow.sleep(MOMENT)
        return ending


@workflow.defn
class SignalsChild:
    @workflow.run
    async def run(self) -> Any:
        handle = await workflow.start_child_workflow(
            PatientChild.run, id=f"{workflow.info().workflow_id}-child"
        )
        await handle.signal(PatientChild.call)
        return await handle


@workflow.defn
class SignalsNobody:
    @workflow.run
    async def run(self) -> str:
        nobody = workflow.get_external_workflow_handle("nobody")
        return await come_what_may(nobody.signal("call"))


@workflow.defn
class SignalsAnother:
    @workflow.run
    async def run(self) -> None:
        other = workflow.get_external_workflow_handle("somebody")
        await other.signal("call")


@workflow.defn
class CancelsNobody:
    @workflow.run
    async def run(self) -> str:
        return await come_what_may(workflow.get_external_workflow_handle("nobody").cancel())


@workflow.defn
class CancelsAnother:
    @workflow.run
    async def run(self) -> None:
        await workflow.get_external_workflow_handle("somebody").cancel()
