"""Nondeterminism that has to do with `workflow.patched` and `workflow.deprecate_patch`."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping

from temporalio.api.history.v1 import HistoryEvent

from timeskip.histories.nondeterminism.trace import Trace
from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.machines import Mismatch
from timeskip.histories.replaying.source import source_tree
from timeskip.lanes.direct import patches

_KEEP = """\
Keep `workflow.patched({name!r})`, or replace it by `workflow.deprecate_patch({name!r})`, for as long
as a run may have recorded it."""

_GO_BACK = """\
Go back from `workflow.deprecate_patch({name!r})` to `if workflow.patched({name!r}):` with both
branches, until all runs from before the patch have ended."""

_ONE_CHANGE = """\
A patch stands for one change only: give this change an id of its own, within
`if workflow.patched({name!r}):`."""

_LEAVE = """\
Leave the branch without `workflow.patched({name!r})` as it was until all such runs have ended."""


def patches_of(events: Collection[HistoryEvent]) -> dict[str, bool]:
    """The patches that a history has recorded, each with whether it was deprecated."""
    found = (patches.details_of(event) for event in events)
    return dict(each for each in found if each is not None)


def patch_trouble(
    mismatch: Mismatch, trace: Trace, events: Collection[HistoryEvent]
) -> tuple[str, Place | None, str] | None:
    """What is wrong with a patch, where, and the way out; None if it is something else."""
    recorded = patches_of(events)
    event = mismatch.event
    missing = patches.details_of(event) if event is not None else None
    if missing is not None:
        name = missing[0]
        gone = f"the history has recorded patch {name!r}. The code does not ask for it any more"
        place = mismatch.command.place if mismatch.command is not None else None
        for other, called in trace.patches.items():
            if other not in recorded:
                gone, place = f"{gone}, but for {other!r}", called.place
        return gone, place, _KEEP.format(name=name)
    for name, called in trace.patches.items():
        if called.deprecated and name not in recorded:
            return (
                f"the history is older than patch {name!r}, and the code for such runs was removed",
                called.place,
                _GO_BACK.format(name=name),
            )
    places = mismatch.command.places if mismatch.command is not None else ()
    branches = ((place, enclosing_patch(place)) for place in reversed(places))
    place, branch = next((each for each in branches if each[1] is not None), (None, None))
    if place is None or branch is None:
        return None
    name, is_new = branch
    if is_new and name in recorded:
        return (
            f"the code under patch {name!r} is not what it was when the history recorded the patch",
            place,
            _ONE_CHANGE.format(name=name),
        )
    if not is_new and name not in recorded:
        return (
            f"the code for runs from before patch {name!r} is not what it was for this run",
            place,
            _LEAVE.format(name=name),
        )
    return None


def patch_beside(place: Place | None, trace: Trace, events: Collection[HistoryEvent]) -> str | None:
    """Where the function of a line asks for a patch of today, under which the line is not."""
    recorded = patches_of(events)
    for name, called in trace.patches.items():
        beside = called.place
        if (
            place is not None
            and beside is not None
            and name not in recorded
            and not called.deprecated
            and (beside.path, beside.function) == (place.path, place.function)
            and beside.line < place.line
            and enclosing_patch(place) is None
        ):
            return f"`workflow.patched({name!r})` of line {beside.line}"
    return None


def enclosing_patch(place: Place) -> tuple[str, bool] | None:
    """The patch whose branch a line is in, and whether that is the new one."""
    tree = source_tree(place.path)
    if tree is None:
        return None
    found = None
    variables = _variables(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and (name := _patch_in(node.test, variables)) is not None:
            negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
            if _spans(node.body, place.line):
                found = name, not negated
            elif _spans(node.orelse, place.line):
                found = name, negated
    return found


def _variables(tree: ast.AST) -> dict[str, str]:
    """The variables that say whether a patch is there, with the patch's id."""
    return {
        target.id: name
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (name := _patch_in(node.value, {})) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _patch_in(test: ast.expr, variables: Mapping[str, str]) -> str | None:
    for node in ast.walk(test):
        if isinstance(node, ast.Name) and node.id in variables:
            return variables[node.id]
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, (ast.Attribute, ast.Name))
            and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
            == "patched"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            return str(node.args[0].value)
    return None


def _spans(body: list[ast.stmt], line: int) -> bool:
    return bool(body) and body[0].lineno <= line <= (body[-1].end_lineno or body[-1].lineno)
