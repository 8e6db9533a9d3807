"""A workflow whose code is its input: it runs any program that is made of these steps.

A step is a list: its name and its arguments, as JSON has them. Durations are whole units of time,
the length of which the program is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
import temporalio.nexus
from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.workflow import (
    ActivityCancellationType,
    ChildWorkflowCancellationType,
    NexusOperationCancellationType,
    ParentClosePolicy,
)

Step = list[Any]

ENDPOINT = "programs"
DISTRICT = SearchAttributeKey.for_keyword("District")


# -- activities -------------------------------------------------------------------------------


async def _work(task: dict[str, Any]) -> str:
    info = activity.info()
    unit = task["unit"]
    try:
        if task["beat"]:
            for _ in range(int(task["takes"])):
                await asyncio.sleep(unit)
                activity.heartbeat()
        else:
            await asyncio.sleep(task["takes"] * unit)
    except asyncio.CancelledError:
        if task["when_cancelled"] == "obey":
            raise
        if task["when_cancelled"] == "fail":
            raise ApplicationError("stopped", type="Stopped") from None
        return "ignored"
    if info.attempt <= task["fails"]:
        raise ApplicationError(
            f"attempt {info.attempt}", type="Trouble", non_retryable=task["final"]
        )
    return f"{info.activity_type}{info.attempt}"


@activity.defn
async def work(task: dict[str, Any]) -> str:
    return await _work(task)


@activity.defn
async def labour(task: dict[str, Any]) -> str:
    return await _work(task)


@activity.defn
def toil(task: dict[str, Any]) -> str:
    """In a thread."""
    time.sleep(task["takes"] * task["unit"])
    attempt = activity.info().attempt
    if attempt <= task["fails"]:
        raise ApplicationError(f"attempt {attempt}", type="Trouble", non_retryable=task["final"])
    return f"toil{attempt}"


ACTIVITIES: list[Callable[..., Any]] = [work, labour, toil]


# -- the workflow -----------------------------------------------------------------------------


class _Interpreter:
    def __init__(self) -> None:
        self._log: list[str] = []
        self._signals = 0
        self._unit = 1.0
        self._begun: list[asyncio.Task[Any]] = []

    async def _run(self, program: dict[str, Any]) -> list[str]:
        self._unit = program["unit"]
        self._program = program
        try:
            await self._do(program["main"])
        finally:
            self._note("end")
        return self._log

    def _note(self, text: str) -> None:
        self._log.append(text)

    def _time(self, units: float | None) -> timedelta | None:
        return None if units is None else timedelta(seconds=units * self._unit)

    async def _do(self, step: Step) -> None:
        name, *arguments = step
        try:
            said = await getattr(self, "_" + name)(*arguments)
        except BaseException as error:
            self._note(f"{name}!{_told(error)}")
            raise
        self._note(f"{name}={said}" if said is not None else name)

    # leaves

    async def _nothing(self) -> None:
        pass

    async def _pause(self) -> None:
        await asyncio.sleep(0)

    async def _timer(self, units: float) -> None:
        await asyncio.sleep(units * self._unit)

    async def _named_timer(self, units: float, summary: str) -> None:
        await workflow.sleep(self._time(units) or 0, summary=summary)

    def _retries(self, how: dict[str, Any]) -> RetryPolicy:
        return RetryPolicy(
            initial_interval=timedelta(seconds=how["interval"] * self._unit),
            backoff_coefficient=how["backoff"],
            maximum_attempts=how["attempts"],
        )

    def _errand(self, how: dict[str, Any]) -> dict[str, Any]:
        return {
            "arg": {**how["task"], "unit": self._unit},
            "activity_id": how.get("id"),
            "retry_policy": self._retries(how),
            "start_to_close_timeout": self._time(how["start_to_close"]),
            "schedule_to_close_timeout": self._time(how["schedule_to_close"]),
            "cancellation_type": ActivityCancellationType[how["cancel"]],
            "summary": how.get("summary"),
        }

    async def _activity(self, name: str, how: dict[str, Any]) -> Any:
        return await workflow.execute_activity(
            name,
            task_queue=how.get("queue"),
            heartbeat_timeout=self._time(how["heartbeat"]),
            schedule_to_start_timeout=self._time(how["schedule_to_start"]),
            **self._errand(how),
        )

    async def _local(self, name: str, how: dict[str, Any]) -> Any:
        return await workflow.execute_local_activity(
            name, local_retry_threshold=self._time(how["threshold"]), **self._errand(how)
        )

    async def _child(self, name: str, how: dict[str, Any]) -> Any:
        handle = await workflow.start_child_workflow(
            how["type"],
            {"unit": self._unit, "main": how["main"], "peers": []},
            id=f"{workflow.info().workflow_id}/{name}",
            cancellation_type=ChildWorkflowCancellationType[how["cancel"]],
            parent_close_policy=ParentClosePolicy[how["parent_close"]],
            run_timeout=self._time(how["timeout"]),
            execution_timeout=self._time(500),
            retry_policy=self._retries(how) if how["attempts"] else None,
        )
        self._note(f"child {name} started")
        if how["signal"]:
            await handle.signal("poke", how["signal"])
        if how["waits"]:
            await handle
        return None

    def _target(self, whom: str) -> workflow.ExternalWorkflowHandle[Any]:
        own = workflow.info().workflow_id
        name = (
            own
            if whom == "self"
            else own.rpartition("/")[0]
            if whom == "parent"
            else own + "/" + whom
        )
        return workflow.get_external_workflow_handle(name or "nobody")

    async def _signal(self, whom: str, step: Step) -> None:
        await self._target(whom).signal("poke", step)

    async def _cancel(self, whom: str) -> None:
        await self._target(whom).cancel()

    async def _until(self, signals: int, units: float | None) -> None:
        await workflow.wait_condition(lambda: self._signals >= signals, timeout=self._time(units))

    async def _memo(self, key: str, value: int) -> None:
        workflow.upsert_memo({key: value})

    async def _district(self, value: str) -> None:
        workflow.upsert_search_attributes([DISTRICT.value_set(value)])

    async def _draw(self) -> str:
        return f"{workflow.random().randrange(1000)} {workflow.uuid4()}"

    async def _clock(self) -> str:
        return workflow.now().isoformat()

    async def _look(self) -> str:
        info = workflow.info()
        return f"{info.get_current_history_length()} {info.is_continue_as_new_suggested()}"

    async def _deprecate(self, patch: str) -> None:
        workflow.deprecate_patch(patch)

    async def _again(self, step: Step) -> None:
        if workflow.current_update_info() is None:  # the SDK forbids it there
            workflow.continue_as_new({**self._program, "main": step})

    async def _fail(self, kind: str) -> None:
        raise ApplicationError("failed", type=kind)

    async def _nexus(self, operation: str, how: dict[str, Any]) -> Any:
        client = workflow.create_nexus_client(service=OfficeService, endpoint=ENDPOINT)
        return await client.execute_operation(
            operation,
            {"unit": self._unit, "main": how["main"]},
            schedule_to_close_timeout=self._time(how["schedule_to_close"]),
            cancellation_type=NexusOperationCancellationType[how["cancel"]],
        )

    # steps made of steps

    async def _seq(self, *steps: Step) -> None:
        for step in steps:
            await self._do(step)

    async def _gather(self, *steps: Step) -> None:
        await asyncio.gather(*map(self._do, steps))

    async def _every(self, *steps: Step) -> None:
        await asyncio.gather(*map(self._do, steps), return_exceptions=True)

    async def _race(self, cancels: bool, *steps: Step) -> None:
        tasks = [asyncio.create_task(self._do(step)) for step in steps]
        done, pending = await workflow.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending if cancels else ():
            task.cancel()
        for task in done:
            await task

    async def _completed(self, *steps: Step) -> None:
        for ended in workflow.as_completed([asyncio.create_task(self._do(step)) for step in steps]):
            await ended

    async def _begin(self, step: Step) -> None:
        self._begun.append(asyncio.create_task(self._do(step)))

    async def _join(self) -> None:
        begun, self._begun = self._begun, []
        # Not `await`: tasks that await each other could not even be cancelled.
        if begun:
            await workflow.wait(begun)

    async def _shield(self, step: Step) -> None:
        await asyncio.shield(self._do(step))

    async def _stop(self, units: float | None, step: Step) -> None:
        """Cancel the step after so much time; None: before it can begin, 0: when it has begun."""
        task = asyncio.create_task(self._do(step))
        if units == 0:
            await asyncio.sleep(0)
        elif units is not None:
            await asyncio.sleep(units * self._unit)
        task.cancel()
        try:
            await task
        except (asyncio.CancelledError, FailureError) as error:
            self._note(f"stopped: {_told(error)}")

    async def _limit(self, units: float, step: Step) -> None:
        await asyncio.wait_for(self._do(step), units * self._unit)

    async def _catch(self, step: Step) -> None:
        try:
            await self._do(step)
        except (asyncio.CancelledError, FailureError, asyncio.TimeoutError) as error:
            self._note(f"caught: {_told(error)}")

    async def _finally(self, step: Step, cleanup: Step) -> None:
        try:
            await self._do(step)
        finally:
            await self._do(cleanup)

    async def _patched(self, patch: str, new: Step, old: Step) -> None:
        await self._do(new if workflow.patched(patch) else old)


@workflow.defn
class Program(_Interpreter):
    @workflow.run
    async def run(self, program: dict[str, Any]) -> list[str]:
        return await self._run(program)

    @workflow.signal
    async def poke(self, step: Step) -> None:
        self._signals += 1
        await self._do(step)

    @workflow.update
    async def ask(self, step: Step) -> int:
        await self._do(step)
        return len(self._log)

    @ask.validator
    def check_ask(self, step: Step) -> None:
        if step == ["fail", "refused"]:
            raise ApplicationError("refused")

    @workflow.query
    def log(self) -> list[str]:
        return self._log


@workflow.defn
class OtherProgram(Program):
    @workflow.run
    async def run(self, program: dict[str, Any]) -> list[str]:
        return await self._run(program)


WORKFLOWS: list[type] = [Program, OtherProgram]


def _told(error: BaseException) -> str:
    cause = error
    while isinstance(cause, FailureError) and cause.cause is not None:
        cause = cause.cause
    return f"{type(error).__name__}/{type(cause).__name__}"


# -- Nexus ------------------------------------------------------------------------------------


@nexusrpc.service
class OfficeService:
    stamp: nexusrpc.Operation[dict[str, Any], str]
    run: nexusrpc.Operation[dict[str, Any], list[str]]


@nexusrpc.handler.service_handler(service=OfficeService)
class Office:
    @nexusrpc.handler.sync_operation
    async def stamp(
        self, ctx: nexusrpc.handler.StartOperationContext, program: dict[str, Any]
    ) -> str:
        if program["main"] != ["nothing"]:
            raise nexusrpc.HandlerError("no", type=nexusrpc.HandlerErrorType.BAD_REQUEST)
        return "stamped"

    @temporalio.nexus.workflow_run_operation
    async def run(
        self, ctx: temporalio.nexus.WorkflowRunOperationContext, program: dict[str, Any]
    ) -> temporalio.nexus.WorkflowHandle[list[str]]:
        return await ctx.start_workflow(Program.run, program, id=f"office-{ctx.request_id}")
