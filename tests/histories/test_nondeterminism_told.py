"""What is said of a change, and of what the history has for code that does not take it."""

from __future__ import annotations

import asyncio
import linecache
import re
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from tests.histories.gallery.activities import SOON, charge, notify, reserve, ship
from tests.histories.gallery.bug import Bug, Drive, until_done
from tests.histories.gallery.shop import do
from timeskip import ReplayFailed, Simulation
from timeskip.histories import replay

pytestmark = pytest.mark.asyncio


@workflow.defn(name="Order", sandboxed=False)
class Reviewed:
    limit = 100

    @workflow.run
    async def run(self) -> None:
        if self.limit < 200:
            await do(notify)
        await do(charge)


@workflow.defn(name="Order", sandboxed=False)
class NotReviewed(Reviewed):
    limit = 500

    @workflow.run
    async def run(self) -> None:
        await super().run()


@workflow.defn(name="Order", sandboxed=False)
class Failing:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("no")


@workflow.defn(name="Order", sandboxed=False)
class Patched:
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("review"):
            await do(notify)


@workflow.defn(name="Order", sandboxed=False)
class PatchedAnew:
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("review-2"):
            await do(notify)


@workflow.defn(name="Order", sandboxed=False)
class Together:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(
            do(reserve),
            do(charge),
        )


@workflow.defn(name="Order", sandboxed=False)
class TogetherTheOtherWay:
    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(
            workflow.execute_activity(charge, "a", start_to_close_timeout=SOON),
            workflow.execute_activity(reserve, "a", start_to_close_timeout=SOON),
        )


@dataclass
class Note:
    text: str


@dataclass
class SignedNote(Note):
    author: str


class Noted:
    """What all workflows with a handler do."""

    def __init__(self) -> None:
        self.text = ""

    async def tell(self) -> None:
        await workflow.wait_condition(lambda: self.text != "")
        await do(ship)


@workflow.defn(name="Order", sandboxed=False)
class WithSignal(Noted):
    @workflow.run
    async def run(self) -> None:
        await self.tell()

    @workflow.signal
    def write(self, note: Note) -> None:
        self.text = note.text


@workflow.defn(name="Order", sandboxed=False)
class WithOtherName(Noted):
    @workflow.run
    async def run(self) -> None:
        await self.tell()

    @workflow.signal
    def writes(self, note: Note) -> None:
        self.text = note.text


@workflow.defn(name="Order", sandboxed=False)
class WithOtherNote(Noted):
    @workflow.run
    async def run(self) -> None:
        await self.tell()

    @workflow.signal
    def write(self, note: SignedNote) -> None:
        self.text = note.text


@workflow.defn(name="Order", sandboxed=False)
class WithMoreArguments(Noted):
    @workflow.run
    async def run(self) -> None:
        await self.tell()

    @workflow.signal
    def write(self, note: Note, author: str) -> None:
        self.text = note.text


@workflow.defn(name="Order", sandboxed=False)
class WithUpdate(Noted):
    @workflow.run
    async def run(self) -> None:
        await self.tell()

    @workflow.update
    def write(self, note: Note) -> None:
        self.text = note.text


@workflow.defn(name="Order", sandboxed=False)
class WithUpdateAndActivity(Noted):
    @workflow.run
    async def run(self) -> None:
        await self.tell()

    @workflow.update
    async def write(self, note: Note) -> None:
        await do(notify)
        self.text = note.text


@workflow.defn(name="Order", sandboxed=False)
class NeedsMore:
    @workflow.run
    async def run(self, note: Note) -> None:
        await do(notify)


async def written(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.signal("write", Note("hello"))
    await handle.result()


async def updated(sim: Simulation, handle: WorkflowHandle[Any, Any]) -> None:
    await handle.execute_update("write", Note("hello"))
    await handle.result()


@pytest.mark.parametrize(
    ("then", "now", "drive", "told"),
    [
        (Reviewed, NotReviewed, until_done, '`activity notify("a")` of line 32 is passed over'),
        (Reviewed, Failing, until_done, 'fails without `activity notify("a")`'),
        (Patched, PatchedAnew, until_done, "ask for it any more, but for 'review-2'"),
        (
            WithSignal,
            WithOtherName,
            written,
            "signal 'write' of event 5 has no handler any more. There is one for 'writes'",
        ),
        (WithSignal, WithOtherNote, written, 'write(text="hello") of event 5 any more: TypeError'),
        (WithUpdate, WithSignal, updated, "update 'write' of event 8 has no handler any more"),
        (WithUpdate, WithUpdateAndActivity, updated, "instead of `result of update 'write'`"),
    ],
)
async def test_change_is_told(then: type, now: type, drive: Drive, told: str) -> None:
    bug = Bug("", now, "", "", "", recorded_by=then, drive=drive)
    assert told in (await bug.explanation()).cause.told


@workflow.defn(name="Order", sandboxed=False)
class BesideItsPatch:
    @workflow.run
    async def run(self) -> None:
        if workflow.patched("review"):
            workflow.logger.debug("reviewed")
        await do(reserve)
        await do(notify)
        await do(charge)


async def test_change_that_is_not_under_its_patch_is_told() -> None:
    bug = Bug("", BesideItsPatch, "", "", "", recorded_by=Reviewed)
    advice = (await bug.explanation()).cause.advice
    assert advice.startswith("It is not under `workflow.patched('review')` of line ")


async def test_line_of_an_argument_is_told() -> None:
    bug = Bug("", TogetherTheOtherWay, "", "", "", recorded_by=Together)
    place = (await bug.explanation()).asked_place
    assert place is not None
    assert "charge" in linecache.getline(place.path, place.line)


@pytest.mark.parametrize(
    ("then", "now", "drive", "told"),
    [
        (WithSignal, WithMoreArguments, written, "missing a required argument: 'author'"),
        (Reviewed, NeedsMore, until_done, "missing a required argument: 'note'"),
    ],
)
async def test_arguments_that_do_not_fit_are_told(
    then: type, now: type, drive: Drive, told: str
) -> None:
    recorded = await Bug("", then, "", "", "", drive=drive).record()
    with pytest.raises(ReplayFailed, match=re.escape(told)) as failure:
        replay(recorded, workflows=[now])
    assert "test_nondeterminism_told.py:" in str(failure.value)
    assert "Let it take what the history has" in str(failure.value)


async def test_unknown_type_is_told_with_the_way_out() -> None:
    recorded = await Bug("", Reviewed, "", "", "").record()
    with pytest.raises(ReplayFailed, match=r"@workflow.defn\(name='Order'\)"):
        replay(recorded, workflows=[Unnamed])


@workflow.defn(sandboxed=False)
class Unnamed:
    @workflow.run
    async def run(self) -> None:
        await do(notify)
