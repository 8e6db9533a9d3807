"""Workflows that get and answer messages, for the SDK's worker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from tests.conformance.orders import SOON, charge

LONG = timedelta(seconds=30)


@workflow.defn
class Office:
    """Notes in which order it handles what it gets."""

    def __init__(self) -> None:
        self._log: list[str] = []
        self._closed = False

    @workflow.run
    async def run(self, hello: str) -> list[str]:
        self._log.append(f"open for {hello}")
        await workflow.wait_condition(lambda: self._closed and workflow.all_handlers_finished())
        return self._log

    @workflow.signal
    def letter(self, text: str) -> None:
        self._log.append(f"letter {text}")

    @workflow.signal
    async def parcel(self, text: str) -> None:
        self._log.append(f"parcel {text}")
        await workflow.execute_activity(charge, args=[text, 1], start_to_close_timeout=LONG)
        self._log.append(f"parcel {text} paid")

    @workflow.signal(dynamic=True)
    def anything(self, name: str, args: Sequence[RawValue]) -> None:
        self._log.append(f"{name} with {len(args)}")

    @workflow.update
    def stamp(self, text: str) -> int:
        self._log.append(f"stamp {text}")
        return len(self._log)

    @stamp.validator
    def _check_stamp(self, text: str) -> None:
        if text == "forged":
            raise ApplicationError("forged", type="Forged")

    @workflow.update
    async def sort(self, text: str) -> int:
        self._log.append(f"sort {text}")
        await workflow.sleep(SOON)
        self._log.append(f"sorted {text}")
        return len(self._log)

    @workflow.update(dynamic=True)
    def any_update(self, name: str, args: Sequence[RawValue]) -> str:
        return f"{name} with {len(args)}"

    @workflow.query
    def log(self) -> list[str]:
        return self._log

    @workflow.query(dynamic=True)
    def any_query(self, name: str, args: Sequence[RawValue]) -> str:
        return f"{name} with {len(args)}"

    @workflow.signal
    def close(self) -> None:
        self._closed = True


@workflow.defn
class LateOffice:
    """Has handlers only after a while; what comes before waits."""

    def __init__(self) -> None:
        self._log: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.sleep(SOON)
        workflow.set_signal_handler("letter", self._log.append)
        workflow.set_query_handler("log", lambda: self._log)
        await workflow.wait_condition(lambda: "last" in self._log)
        return self._log


@workflow.defn
class HastyOffice:
    """Closes without waiting for its handlers."""

    def __init__(self) -> None:
        self._closed = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._closed)
        return "closed"

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def wait(self) -> str:
        await workflow.sleep(1000)
        return "not reached"

    @workflow.update
    def close(self) -> str:
        self._closed = True
        return "closing"

    @workflow.signal
    def refuse(self) -> None:
        raise ApplicationError("wrong address", type="Refused")


@workflow.defn
class Correspondent:
    """Signals another workflow, at once or in vain, and may think better of it."""

    @workflow.run
    async def run(self, other: str, texts: list[str], cancels: bool) -> list[str]:
        handle = workflow.get_external_workflow_handle(other)
        tasks = [asyncio.create_task(handle.signal("letter", text)) for text in texts]
        if cancels:
            await asyncio.sleep(0)
            tasks[-1].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return [f"{type(outcome).__name__}: {outcome}" for outcome in outcomes]


WORKFLOWS: list[type] = [Office, LateOffice, HastyOffice, Correspondent]
