"""Programs that are a little different from those that made a history."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from tests.lanes.programs.generator import CANCEL_ACTIVITY, CANCEL_CHILD, PATCHES, Generator
from tests.lanes.programs.interpreter import Step


def with_other_program(history: WorkflowHistory, random: Random) -> WorkflowHistory:
    """The history as if its workflow had been deployed anew, with one step changed.

    A program is the input of its workflow.
    """
    first = HistoryEvent()
    first.CopyFrom(history.events[0])
    assert first.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    payload = first.workflow_execution_started_event_attributes.input.payloads[0]
    program = json.loads(payload.data)
    program["main"] = mutant(program["main"], random)
    payload.data = json.dumps(program).encode()
    return WorkflowHistory(history.workflow_id, [first, *list(history.events)[1:]])


def mutant(program: Step, random: Random) -> Step:
    """The program with one step changed, left out, added or moved."""
    whole = [copy.deepcopy(program)]
    place, index = random.choice(list(_places(whole)))
    place[index] = _changed(place[index], random)
    return whole[0]


def _places(step: Step) -> Iterator[tuple[Any, Any]]:
    """Where the steps within a step stand."""
    for index, part in enumerate(step):
        if isinstance(part, dict) and "main" in part:
            yield from _places([part["main"]])
        elif isinstance(part, list):
            yield step, index
            yield from _places(part)


def _changed(step: Step, random: Random) -> Step:
    generator = Generator(random)
    kind, *others = step
    ways: list[Callable[[], Step]] = [
        lambda: ["nothing"],
        lambda: generator.step(2),
        lambda: generator.leaf(),
        lambda: ["seq", step, generator.leaf()],
        lambda: ["seq", generator.leaf(), step],
        lambda: ["seq", step, step],
        lambda: ["patched", random.choice(PATCHES), step, ["nothing"]],
        lambda: ["patched", random.choice(PATCHES), ["nothing"], step],
        lambda: ["seq", ["deprecate", random.choice(PATCHES)], step],
        lambda: ["timer", 1],
    ]
    own: list[Callable[[], Step]] = []
    if kind in ("seq", "gather", "every", "completed", "race"):
        shuffled = random.sample(others, len(others)) if kind != "race" else others
        own.append(lambda: [kind, *shuffled])
        own.append(lambda: [random.choice(["seq", "gather", "every"]), *filter(_is_step, others)])
    if kind in ("activity", "local"):
        own.append(lambda: [kind, random.choice(["work", "labour", "toil"]), others[1]])
        own.append(lambda: [kind, others[0], {**others[1], "id": "other"}])
        own.append(lambda: ["local", others[0], {"threshold": None, **others[1]}])
        own.append(lambda: ["activity", *others])
        own.append(
            lambda: [kind, others[0], {**others[1], "cancel": random.choice(CANCEL_ACTIVITY)}]
        )
    if kind == "child":
        own.append(lambda: [kind, others[0] + "x", others[1]])
        own.append(lambda: [kind, others[0], {**others[1], "type": "OtherProgram"}])
        own.append(lambda: [kind, others[0], {**others[1], "waits": not others[1]["waits"]}])
        own.append(lambda: [kind, others[0], {**others[1], "cancel": random.choice(CANCEL_CHILD)}])
    if kind == "patched":
        own += [lambda: others[1], lambda: others[2], lambda: [kind, "delta", *others[1:]]]
        own.append(lambda: ["seq", ["deprecate", others[0]], others[1]])
        own.append(lambda: [kind, others[0], others[2], others[1]])
    if kind in ("signal", "cancel"):
        own.append(lambda: [kind, generator.whom(), *others[1:]])
    if kind == "nexus":
        own.append(lambda: [kind, random.choice(["stamp", "run"]), others[1]])
    if kind in ("stop", "limit"):
        own += [lambda: others[1], lambda: [kind, random.choice([0, 1, 3]), others[1]]]
    if kind in ("catch", "shield", "begin", "finally"):
        own.append(lambda: others[0])
    return random.choice(random.choice([ways, own or ways]))()


def _is_step(part: object) -> bool:
    return isinstance(part, list)
