"""What was changed in a workflow's code, as far as its commands show it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Sequence

from temporalio.api.history.v1 import HistoryEvent

from timeskip.histories.replaying.commands import (
    IssuedCommand,
    Place,
    key_of_command,
    key_of_event,
)
from timeskip.histories.replaying.examination import Examination
from timeskip.histories.replaying.machines import Mismatch
from timeskip.histories.replaying.naming import (
    called,
    calls_in,
    is_of_sdk,
    kind_of,
    may_ask_for,
    name_of_call,
)
from timeskip.histories.replaying.source import (
    async_functions,
    class_at,
    function_at,
    lines_in_loops,
)
from timeskip.histories.replaying.texts import command_text, event_text

_ENDS = {
    "end of the workflow": "ends",
    "failure of the workflow": "fails",
    "continue as new": "continues as new",
}


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
        waiting = _local_activity_instead(recorded, examination)
        if waiting is not None:
            became = _quoted(command_text(waiting.asked))
            return f"{_quoted(recorded)} has become {became}", waiting.place
        if still_there is not None:
            told = f"the code waits for something else before it asks for {_quoted(recorded)}"
        else:
            told = f"the code no longer asks for {_quoted(recorded)}. It has come as far as to be"
        return told, _last_place(examination)
    asked = command_text(mismatch.command.asked)
    place = mismatch.command.place
    if asked == recorded:
        ids = _ids_of(mismatch)
        return f"{_quoted(asked)} has another id: {ids}", place
    if called(asked) == called(recorded) is not None and kind_of(asked) != kind_of(recorded):
        return f"{_quoted(recorded)} has become {_quoted(asked)}", place
    is_recorded_later = any(
        event.event_id > mismatch.event.event_id and _is_like(event_text(event), asked)
        for event in events
        if key_of_event(event) is not None
    )
    for end, told in _ENDS.items():
        if asked.startswith(end):
            how = "before it comes to" if still_there is not None else "without"
            return f"the workflow {told} {how} {_quoted(recorded)}", place
    if _is_passed(still_there, place):
        assert still_there is not None
        passed = f"{_quoted(recorded)} of line {still_there.line} is passed over"
        return f"{passed}, and {_quoted(asked)} is asked for", place
    if is_recorded_later and still_there is not None:
        return f"{_quoted(asked)} now comes before {_quoted(recorded)}, and is asked for", place
    if is_recorded_later:
        return f"{_quoted(asked)} is asked for without {_quoted(recorded)} before it", place
    if still_there is not None:
        return f"{_quoted(asked)} was added before {_quoted(recorded)}", place
    if kind_of(asked) == kind_of(recorded):
        return f"{_quoted(recorded)} has become {_quoted(asked)}", place
    return f"{_quoted(asked)} is asked for instead of {_quoted(recorded)}", place


def expected_place(
    event: HistoryEvent, examination: Examination, but: Place | None
) -> Place | None:
    """The line in today's code that would ask for what is recorded, if there is just one.

    Looked for in the functions that ran, and then in others of their classes, or that they name.
    """
    codes = list(examination.trace.codes)
    in_files = _candidates(event, dict.fromkeys(code.co_filename for code in codes))
    in_files -= _done_with(examination)
    if but is not None:
        in_files.discard((but.path, but.line))
    that_ran = {(code.co_filename, line) for code in codes for _, _, line in code.co_lines()}
    classes = {
        (code.co_filename, class_at(code.co_filename, code.co_firstlineno)) for code in codes
    }
    used = {name for code in codes for name in code.co_names}
    beside = {
        (path, line)
        for path, line in in_files
        if (
            (path, owner) in classes
            if (owner := class_at(path, line)) is not None
            else function_at(path, line).partition(".")[0] in used
        )
    }
    for found in (in_files & that_ran, beside):
        if len(found) == 1:
            ((path, line),) = found
            return Place(path, line, function_at(path, line))
    return None


def _done_with(examination: Examination) -> set[tuple[str, int]]:
    """The lines that have asked for something that is recorded, and that are come to only once."""
    asked = Counter(
        (place.path, place.line)
        for command in examination.commands
        if command.event is not None
        for place in command.places[-1:]
    )
    return {(path, line) for (path, line), times in asked.items() if times == 1} - {
        (path, line) for path, line in asked if line in lines_in_loops(path)
    }


def _candidates(event: HistoryEvent, paths: Iterable[str]) -> set[tuple[str, int]]:
    text = event_text(event)
    files = list(paths)
    helpers = {name for path in files for name in async_functions(path)}
    return {
        (path, call.lineno)
        for path in files
        for call in calls_in(path)
        if (may_ask_for(call, text) and (is_of_sdk(call) or name_of_call(call) in helpers))
        or _is_timer_of(call, event)
    }


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


def _local_activity_instead(recorded: str, examination: Examination) -> IssuedCommand | None:
    """A local activity of the same name that the code waits for, which is no command yet."""
    return next(
        (
            command
            for command in examination.commands
            if command.event is None
            and command.asked.HasField("schedule_local_activity")
            and kind_of(recorded) == "activity"
            and called(command_text(command.asked)) == called(recorded)
        ),
        None,
    )


def _is_passed(one: Place | None, other: Place | None) -> bool:
    """Whether one line comes before another in the same function."""
    if one is None or other is None or one.path != other.path:
        return False
    functions = [function_at(each.path, each.line) for each in (one, other)]
    return functions[0] == functions[1] and one.line < other.line


def _ids_of(mismatch: Mismatch) -> str:
    """What tells two things apart that are called the same."""
    assert mismatch.event is not None
    assert mismatch.command is not None
    asked, recorded = key_of_command(mismatch.command.asked), key_of_event(mismatch.event) or ("",)
    return f"{asked[-1]!r} instead of {recorded[-1]!r}"


def _last_place(examination: Examination) -> Place | None:
    return examination.trace.last_place


def _is_like(one: str, other: str) -> bool:
    return kind_of(one) == kind_of(other) and called(one) == called(other)


def _quoted(text: str) -> str:
    return f"`{text}`"
