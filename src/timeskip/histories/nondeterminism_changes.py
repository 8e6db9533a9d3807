"""What was changed in a workflow's code, as far as its commands show it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from temporalio.api.history.v1 import HistoryEvent

from timeskip.histories.nondeterminism_sets import source_tree
from timeskip.histories.replay_commands import Place, key_of_event
from timeskip.histories.replay_examination import Examination
from timeskip.histories.replay_texts import command_text, event_text

#: Words between the kind of a thing and what it is called or does.
_KINDS = ("activity", "local activity", "timer", "child workflow", "signal", "Nexus operation")


def change_of(events: Sequence[HistoryEvent], examination: Examination) -> tuple[str, Place | None]:
    """What seems to have been done to the code, and where it shows."""
    mismatch = examination.mismatch
    if mismatch is None or (mismatch.event is None and mismatch.command is None):
        return "the code has changed", None
    if mismatch.event is None:
        assert mismatch.command is not None
        text = command_text(mismatch.command.asked)
        return (
            f"the code asks for {_quoted(text)}, and the history has no such thing",
            mismatch.command.place,
        )
    recorded = event_text(mismatch.event)
    if mismatch.command is None:
        return f"the code no longer asks for {_quoted(recorded)} there", _last_place(examination)
    asked = command_text(mismatch.command.asked)
    place = mismatch.command.place
    later_recorded = [
        event_text(event)
        for event in events
        if event.event_id > mismatch.event.event_id and key_of_event(event) is not None
    ]
    later_asked = [
        command_text(command.asked)
        for command in examination.commands
        if command.moment > mismatch.command.moment
    ]
    is_asked_later = _has(later_asked, recorded)
    is_recorded_later = _has(later_recorded, asked)
    if is_asked_later and is_recorded_later:
        return f"{_quoted(asked)} now comes before {_quoted(recorded)}", place
    if is_recorded_later:
        return f"the code no longer asks for {_quoted(recorded)} before {_quoted(asked)}", place
    if is_asked_later:
        return f"the code asks for {_quoted(asked)} that was not there", place
    if _kind(asked) == _kind(recorded):
        if _called(asked) == _called(recorded):
            return f"the {_kind(asked)} is another one than it was", place
        return f"{_quoted(recorded)} has become {_quoted(asked)}", place
    return f"the code asks for {_quoted(asked)} instead of {_quoted(recorded)}", place


def expected_place(event: HistoryEvent, paths: Sequence[str], but: Place | None) -> Place | None:
    """The line in today's code that would ask for what is recorded, if there is just one."""
    name = _called(event_text(event))
    if name is None:
        return None
    found = {
        (path, node.lineno)
        for path in paths
        for node in _calls(path)
        if any(_mentions(argument, name) for argument in (*node.args[:1], node.func))
        or _is_timer_of(node, event)
    }
    if but is not None:
        found.discard((but.path, but.line))
    if len(found) != 1:
        return None
    ((path, line),) = found
    function = _function_at(path, line)
    return Place(path, line, function)


def _calls(path: str) -> list[ast.Call]:
    tree = source_tree(path)
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []


def _mentions(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Constant):
        return node.value == name
    if isinstance(node, ast.Name):
        return node.id == name
    return isinstance(node, ast.Attribute) and (
        node.attr == name or (isinstance(node.value, ast.Name) and node.value.id == name)
    )


def _is_timer_of(node: ast.Call, event: HistoryEvent) -> bool:
    """Whether a call is a sleep of a duration that is written out, and that the event records."""
    if not event.HasField("timer_started_event_attributes"):
        return False
    if not (isinstance(node.func, ast.Attribute) and node.func.attr == "sleep" and node.args):
        return False
    recorded = event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
    seconds = _seconds(node.args[0])
    return seconds is not None and seconds == recorded.total_seconds()


_UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


def _seconds(node: ast.expr) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Call) and not node.args:
        total = 0.0
        for keyword in node.keywords:
            unit = _UNITS.get(keyword.arg or "")
            if unit is None or not isinstance(keyword.value, ast.Constant):
                return None
            value = keyword.value.value
            if not isinstance(value, (int, float)):
                return None
            total += unit * value
        return total if node.keywords else None
    return None


def _function_at(path: str, line: int) -> str:
    tree = source_tree(path)
    names = [
        node.name
        for node in (ast.walk(tree) if tree else ())
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return ".".join(names)


def _last_place(examination: Examination) -> Place | None:
    return examination.trace.last_place


def _kind(text: str) -> str:
    return next((kind for kind in _KINDS if text.startswith(kind)), text.partition(" ")[0])


def _called(text: str) -> str | None:
    """The name in `activity name(...)` and the like; None if there is none."""
    kind = next((kind for kind in _KINDS if text.startswith(f"{kind} ")), None)
    if kind is None:
        return None
    rest = text.removeprefix(f"{kind} ")
    return rest.partition("(")[0].strip() if kind != "timer" else rest


def _has(texts: Sequence[str], text: str) -> bool:
    return any(_kind(each) == _kind(text) and _called(each) == _called(text) for each in texts)


def _quoted(text: str) -> str:
    return f"`{text}`"
