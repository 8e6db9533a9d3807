"""Which line of the code says what is asked for, by name."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from timeskip.histories.replaying.source import source_tree

if TYPE_CHECKING:
    from timeskip.histories.replaying.commands import Place

#: Words between the kind of a thing and what it is called or does.
_KINDS = ("activity", "local activity", "timer", "child workflow", "signal", "Nexus operation")

#: What the SDK's functions ask for, by a word in their names.
_ASK_FOR = {
    "local_activity": "local activity",
    "activity": "activity",
    "child_workflow": "child workflow",
}
_SDK_FUNCTION = re.compile(r"(?:start|execute)_(local_activity|activity|child_workflow)")


def kind_of(text: str) -> str:
    """The kind of a thing, of what `command_text` or `event_text` tells."""
    found = (kind for kind in _KINDS if text.startswith(f"{kind} "))
    return next(found, text.partition(" ")[0])


def called(text: str) -> str | None:
    """The name in `activity name(...)` and the like; None if there is none."""
    kind = kind_of(text)
    if kind not in _KINDS:
        return None
    rest = text.removeprefix(f"{kind} ")
    return rest.partition("(")[0].strip() if kind != "timer" else rest


@functools.cache
def calls_in(path: str) -> Sequence[ast.Call]:
    """All calls in a file."""
    tree = source_tree(path)
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []


def may_ask_for(call: ast.Call, text: str) -> bool:
    """Whether a call names the thing, and is not one of the SDK's for something else."""
    name = called(text)
    if name is None or not any(_mentions(node, name) for node in (*call.args[:1], call.func)):
        return False
    found = _SDK_FUNCTION.match(name_of_call(call))
    return found is None or _ASK_FOR[found[1]] == kind_of(text)


def is_of_sdk(call: ast.Call) -> bool:
    """Whether it is one of the SDK's functions, or a method of a handle's, that is called."""
    return _SDK_FUNCTION.match(name_of_call(call)) is not None or name_of_call(call) == "signal"


def name_of_call(call: ast.Call) -> str:
    """The name of the function or method that is called; "" if it has none."""
    function = call.func
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _mentions(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Constant):
        return bool(node.value == name)
    if isinstance(node, ast.Name):
        return node.id == name
    return isinstance(node, ast.Attribute) and (
        node.attr == name or (isinstance(node.value, ast.Name) and node.value.id == name)
    )


def naming_place(places: Sequence[Place], text: str) -> Place | None:
    """The innermost of some lines that names what is asked for; else the innermost of all.

    So a helper that asks for whatever it is told is not taken for the line that does.

    Args:
        places: The innermost first.
        text: What is asked for, as `command_text` or `event_text` tells it.
    """
    named = (place for place in places if is_named_at(place, text))
    return next(named, _within_statement(places[0], text) if places else None)


def _within_statement(place: Place, text: str) -> Place:
    """The line of a statement that names what is asked for, if just one does; else its first."""
    tree = source_tree(place.path)
    lines = {
        call.lineno
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.stmt) and not hasattr(node, "body") and node.lineno == place.line
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and may_ask_for(call, text) and is_of_sdk(call)
    }
    return dataclasses.replace(place, line=lines.pop()) if len(lines) == 1 else place


def is_named_at(place: Place, text: str) -> bool:
    """Whether a line names what is asked for."""
    return any(
        call.lineno <= place.line <= (call.end_lineno or call.lineno) and may_ask_for(call, text)
        for call in calls_in(place.path)
    )
