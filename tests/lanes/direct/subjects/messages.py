"""Signals and updates."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from tests.lanes.direct.subjects.stage import (
    MOMENT,
    errand,
    local,
    shout,
)


@workflow.defn
class Signalled:
    """Does what signals say, and ends with `stop`."""

    def __init__(self) -> None:
        self._wanted: list[str] = []

    @workflow.run
    async def run(self) -> int:
        done = 0
        while True:
            await workflow.wait_condition(lambda: bool(self._wanted))
            want = self._wanted.pop(0)
            if want == "stop":
                return done
            await (errand(shout) if want == "errand" else workflow.sleep(MOMENT))
            done += 1

    @workflow.signal
    def want(self, what: str) -> None:
        self._wanted.append(what)


@workflow.defn
class SignalledOtherwise:
    """Takes the same signals for something else."""

    def __init__(self) -> None:
        self._wanted: list[str] = []

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: "stop" in self._wanted)
        return len(self._wanted)

    @workflow.signal
    async def want(self, what: str) -> None:
        if what != "stop":
            await errand()
        self._wanted.append(what)


@workflow.defn
class Updated:
    """Has an update that is over at once, one that takes its time, and one that calls locally."""

    def __init__(self) -> None:
        self._count = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self._count >= 3)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._count

    @workflow.update
    def add(self, number: int) -> int:
        self._count += number
        return self._count

    @add.validator
    def check(self, number: int) -> None:
        if number < 0:
            raise ValueError("no subtraction")

    @workflow.update
    async def add_slowly(self, number: int) -> int:
        await workflow.sleep(MOMENT)
        self._count += number
        return self._count

    @workflow.update
    async def add_locally(self, number: int) -> int:
        await local()
        self._count += number
        return self._count

    @workflow.update
    async def give_up(self) -> None:
        raise ApplicationError("too hard")


@workflow.defn
class UpdatedOtherwise:
    """Has other handlers for the same updates."""

    def __init__(self) -> None:
        self._count = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self._count >= 3)
        return self._count

    @workflow.update
    async def add(self, number: int) -> int:
        await errand()
        self._count += number
        return self._count

    @workflow.update
    def add_slowly(self, number: int) -> int:
        self._count += number
        return self._count
