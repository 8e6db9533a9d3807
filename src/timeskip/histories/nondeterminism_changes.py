"""What was changed in a workflow's code, as far as its commands show it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from types import CodeType

from temporalio.api.history.v1 import HistoryEvent

from timeskip.histories.replay_commands import Place, key_of_event
from timeskip.histories.replay_examination import Examination
from timeskip.histories.replay_source import function_at, source_tree
from timeskip.histories.replay_texts import command_text, event_text

#: Words between the kind of a thing and what it is called or does.
_KINDS = ("activity", "local activity", "timer", "child workflow", "signal", "Nexus operation")


def change_of(
    events: Sequence[HistoryEvent], examination: Examination, still_there: Place | None
) -> tuple[str, Place | None]:
    """What seems to have been done to the code, and where it shows.

    `still_there`: the line of today's code for what is recorded, if it was not come to.
    """
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
        told = f"the code no longer asks for {_quoted(recorded)}. It has come as far as to be"
        return told, _last_place(examination)
    asked = command_text(mismatch.command.asked)
    place = mismatch.command.place
    is_recorded_later = any(
        event.event_id > mismatch.event.event_id and _is_like(event_text(event), asked)
        for event in events
        if key_of_event(event) is not None
    )
    if asked.startswith("end of the workflow"):
        how = "before it comes to" if still_there is not None else "without"
        return f"the workflow ends {how} {_quoted(recorded)}", place
    if is_recorded_later and still_there is not None:
        return f"{_quoted(asked)} now comes before {_quoted(recorded)}, and is asked for", place
    if is_recorded_later:
        return f"{_quoted(asked)} is asked for without {_quoted(recorded)} before it", place
    if still_there is not None:
        return f"{_quoted(asked)} was added before {_quoted(recorded)}", place
    if _kind(asked) == _kind(recorded):
        return f"{_quoted(recorded)} has become {_quoted(asked)}", place
    return f"{_quoted(asked)} is asked for instead of {_quoted(recorded)}", place


def expected_place(event: HistoryEvent, ran: Iterable[CodeType], but: Place | None) -> Place | None:
    """The line in today's code that would ask for what is recorded, if there is just one.

    Looked for in the functions that ran, and then in all of their files.
    """
    codes = list(ran)
    in_files = _candidates(event, dict.fromkeys(code.co_filename for code in codes))
    if but is not None:
        in_files.discard((but.path, but.line))
    that_ran = {(code.co_filename, line) for code in codes for _, _, line in code.co_lines()}
    for found in (in_files & that_ran, in_files):
        if len(found) == 1:
            ((path, line),) = found
            return Place(path, line, function_at(path, line))
    return None


def _candidates(event: HistoryEvent, paths: Iterable[str]) -> set[tuple[str, int]]:
    name = _called(event_text(event))
    if name is None:
        return set()
    return {
        (path, node.lineno)
        for path in paths
        for node in _calls(path)
        if any(_mentions(argument, name) for argument in (*node.args[:1], node.func))
        or _is_timer_of(node, event)
    }


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


def _is_like(one: str, other: str) -> bool:
    return _kind(one) == _kind(other) and _called(one) == _called(other)


def _quoted(text: str) -> str:
    return f"`{text}`"
