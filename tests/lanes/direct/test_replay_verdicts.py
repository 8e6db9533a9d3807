"""The simulated core's verdict on a replay is the Rust core's, word for word.

Histories are of the real server, or of the direct lane. Each is replayed with the workflow that made
it and with others, through the SDK's own Replayer, once on each core.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from tests import sdk
from tests.lanes.direct import nexus_subjects, subjects
from tests.lanes.direct.recorded import names, recorded
from tests.lanes.direct.replay_core import rust_verdict, simulated_verdict
from tests.lanes.direct.variations import as_if_of, cut, without_flags, without_times

WORKFLOWS = {
    workflow.__name__: workflow for workflow in [*subjects.WORKFLOWS, *nexus_subjects.WORKFLOWS]
}

#: Histories and workflows whose replay the core before 1.35 never ended.
ENDLESS_BEFORE = {
    ("ErrandCancelledAbandon", "ErrandCancelledWait"),
    ("ErrandCancelledTry", "ErrandCancelledWait"),
    ("Everything", "LocalCancelledAbandon"),
    ("Everything", "LocalCancelledTry"),
    ("Everything", "LocalCancelledWait"),
    ("IsCancelled", "LocalsTogether"),
    ("IsCancelled", "LongLocalBesideNaps"),
}

PAIRS = [
    (history, workflow)
    for history in names()
    for workflow in WORKFLOWS
    if not (sdk.is_before("1.35") and (history, workflow) in ENDLESS_BEFORE)
]

#: Shorter ones have no workflow task, and the Rust core would wait for one for ever.
SHORTEST_HISTORY = 3


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The SDK logs each failure that a test is about."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def new_replayer() -> Replayer:
    return Replayer(workflows=list(WORKFLOWS.values()), workflow_runner=UnsandboxedWorkflowRunner())


async def assert_same_verdict(history: WorkflowHistory) -> str:
    """Replay on both cores; what both say."""
    theirs = await rust_verdict(new_replayer(), history)
    ours = await simulated_verdict(new_replayer(), history)
    assert ours == theirs
    return ours.message


async def assert_same_verdicts(pairs: list[tuple[str, str]]) -> None:
    replayer = new_replayer()
    for name, workflow in pairs:
        history = as_if_of(recorded(name), workflow)
        theirs = await rust_verdict(replayer, history)
        ours = await simulated_verdict(replayer, history)
        assert ours == theirs, f"the history of {name}, replayed with {workflow}"


@pytest.mark.parametrize("name", names())
def test_history_replays_with_the_workflow_that_made_it(name: str) -> None:
    assert asyncio.run(assert_same_verdict(recorded(name))) == ""


def test_history_of_another_workflow_gets_the_same_verdict() -> None:
    asyncio.run(assert_same_verdicts(random.Random(1).sample(PAIRS, 250)))


@pytest.mark.slow
def test_history_of_any_other_workflow_gets_the_same_verdict() -> None:
    asyncio.run(assert_same_verdicts(PAIRS))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_incomplete_history_gets_the_same_verdict(data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        name = workflow = data.draw(st.sampled_from(names()))
    else:
        name, workflow = data.draw(st.sampled_from(PAIRS))
    history = as_if_of(recorded(name), workflow)
    length = data.draw(st.integers(SHORTEST_HISTORY, len(history.events)))
    missing_flags = data.draw(st.sets(st.integers(1, 4)))
    asyncio.run(assert_same_verdict(without_flags(cut(history, length), missing_flags)))


def test_history_without_times_gets_the_same_verdict() -> None:
    message = asyncio.run(assert_same_verdict(without_times(recorded("Nap"))))
    assert "Workflow task started event must contain timestamp: HistoryEvent(id: 3, " in message


NONDETERMINISM = [
    (
        "Errand",
        "OtherErrand",
        (
            "Activity type of scheduled event 'greet' does not match activity "
            "type of activity command 'shout'"
        ),
    ),
    (
        "ErrandWithId",
        "Errand",
        (
            "Activity id of scheduled event 'by-name' does not match activity "
            "id of activity command '1'"
        ),
    ),
    (
        "Errand",
        "Nap",
        ("Timer machine does not handle this event: HistoryEvent(id: 5, ActivityTaskScheduled)"),
    ),
    (
        "Nap",
        "Errand",
        ("Activity machine does not handle this event: HistoryEvent(id: 5, TimerStarted)"),
    ),
    (
        "TwoNaps",
        "Nap",
        (
            "Complete workflow machine does not handle this event: "
            "HistoryEvent(id: 10, TimerStarted)"
        ),
    ),
    (
        "Nap",
        "TwoNaps",
        (
            "Timer machine does not handle this event: "
            "HistoryEvent(id: 10, WorkflowExecutionCompleted)"
        ),
    ),
    ("Nap", "WaitsForEver", "No command scheduled for event HistoryEvent(id: 5, TimerStarted)"),
    (
        "ErrandsTogether",
        "ErrandsTheOtherWayRound",
        (
            "Activity type of scheduled event 'greet' does "
            "not match activity type of activity command 'shout'"
        ),
    ),
    (
        "Patched",
        "OtherErrand",
        (
            "Non-deprecated patch marker encountered for change first, but "
            "there is no corresponding change command!"
        ),
    ),
    (
        "Patched",
        "PatchedOtherwise",
        (
            "Non-deprecated patch marker encountered for change first, but "
            "there is no corresponding change command!"
        ),
    ),
    ("PatchedTwice", "PatchedOtherwise", "Change id first does not match expected id second"),
    (
        "Local",
        "OtherLocal",
        (
            "Activity type of recorded marker 'greet' does not match activity "
            "type of local activity command 'shout'"
        ),
    ),
    (
        "LocalWithId",
        "Local",
        (
            "Activity id of recorded marker 'by-name' does not match activity id "
            "of local activity command '1'"
        ),
    ),
    ("Local", "Errand", "Missing associated machine for LocalActivity(1)"),
    (
        "ErrandThenLocal",
        "LocalThenErrand",
        ("No command scheduled for event HistoryEvent(id: 5, ActivityTaskScheduled)"),
    ),
    (
        "Parent",
        "ParentOfAnother",
        (
            "Child workflow type of scheduled event 'Child' does not match "
            "child workflow type of command 'WilfulChild'"
        ),
    ),
    (
        "Parent",
        "ParentOfNamesake",
        (
            "Child workflow id of scheduled event 'Parent-child' does not "
            "match child workflow id of command 'Parent-other'"
        ),
    ),
    (
        "Signalled",
        "SignalledOtherwise",
        (
            "Activity type of scheduled event 'shout' does not match "
            "activity type of activity command 'greet'"
        ),
    ),
    (
        "Describes",
        "DescribesOtherwise",
        (
            "ModifyWorkflowPropertiesMachine does not handle "
            "HistoryEvent(id: 5, UpsertWorkflowSearchAttributes)"
        ),
    ),
    ("Chops", "ChopsStone", None),
]


@pytest.mark.parametrize(("name", "workflow", "words"), NONDETERMINISM)
def test_changed_workflow_is_told_in_the_cores_words(
    name: str, workflow: str, words: str | None
) -> None:
    message = asyncio.run(assert_same_verdict(as_if_of(recorded(name), workflow)))
    if words is None:
        assert message == ""
    else:
        assert f'message: "[TMPRL1100] Nondeterminism error: {words}"' in message


@pytest.mark.parametrize(
    ("name", "workflow", "replays"),
    [
        ("Patched", "Patched", True),
        ("Patched", "PatchDeprecated", True),
        ("Patched", "PatchedTwice", True),
        ("Patched", "OtherErrand", False),
        ("PatchDeprecated", "Patched", True),
        ("PatchDeprecated", "PatchDeprecated", True),
        ("PatchDeprecated", "OtherErrand", True),
        ("Errand", "Patched", True),
        ("OtherErrand", "Patched", False),
        ("OtherErrand", "PatchDeprecated", True),
        ("PatchedTwice", "Patched", False),
        ("PatchedThenDeprecated", "Patched", True),
        ("PatchedLater", "Patched", False),
    ],
)
def test_patched_and_deprecated_patches_replay_as_the_core_allows(
    name: str, workflow: str, replays: bool
) -> None:
    message = asyncio.run(assert_same_verdict(as_if_of(recorded(name), workflow)))
    assert (message == "") is replays
