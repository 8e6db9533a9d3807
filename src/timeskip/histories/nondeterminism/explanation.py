"""Why a workflow does something else than its history says, told to a person."""

from __future__ import annotations

import dataclasses
import linecache
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from temporalio.api.history.v1 import History, HistoryEvent

from timeskip.histories.decoding import decoded, decrypted, needs_decoding
from timeskip.histories.nondeterminism.causes import Cause, Inquiry
from timeskip.histories.nondeterminism.changes import expected_place
from timeskip.histories.nondeterminism.messages import Untaken, untaken
from timeskip.histories.replaying.commands import Key, Place, key_of_event, shown_path
from timeskip.histories.replaying.core import ReplayThread
from timeskip.histories.replaying.examination import Examination, examine
from timeskip.histories.replaying.local_timeouts import AS_THE_CORE_TELLS, Timeouts
from timeskip.histories.replaying.naming import called, kind_of, naming_place
from timeskip.histories.replaying.settings import ReplaySettings
from timeskip.histories.replaying.texts import command_text, event_name, event_text

#: What depends on chance may by chance do right.
_MOST_REPLAYS = 6

_WHAT = "when its history is replayed, its code asks for something else than the history says."

_LINES_AROUND = 3
_CALLS_SHOWN = 3
_EVENTS_BEFORE = 4
_EVENTS_AFTER = 3


@dataclass(frozen=True)
class Explanation:
    """A replay that broke off. `str()` of it is a message of several paragraphs.

    Args:
        event_id: The recorded event that the replay could not match; None if it is not known.
        recorded: What was asked for when that event was recorded.
        recorded_place: The line that asked for it, as far as it is known.
        asked: What the code asks for instead; None if for nothing.
        asked_place: The line that asks for it.
        by_way_of: The lines of helpers by which it asks, the nearest first.
        called_at: The lines that led there, the nearest first.
        cause: What is likely to be the matter.
        message: The SDK's own words.
    """

    workflow_id: str
    workflow_type: str
    event_id: int | None
    recorded: str | None
    recorded_place: Place | None
    asked: str | None
    asked_place: Place | None
    by_way_of: tuple[Place, ...]
    called_at: tuple[Place, ...]
    cause: Cause
    message: str
    around: tuple[str, ...]
    others: tuple[str, ...]

    def __str__(self) -> str:
        parts = [
            f"workflow {self.workflow_id!r} ({self.workflow_type}) is not deterministic:\n{_WHAT}",
            "\n".join(self._two_sides()),
            "\n".join(source_around(self.asked_place or self.cause.place)),
            self._cause_text(),
            "\n".join(["The history around it:", *self.around]) if self.around else "",
            f"In the SDK's words:\n{self.message}",
        ]
        return "\n\n".join(filter(None, parts))

    def _two_sides(self) -> list[str]:
        number = f"event {self.event_id}" if self.event_id is not None else "nothing"
        lines = [f"  recorded  {number}{f': {self.recorded}' if self.recorded else ''}"]
        if self.recorded_place is not None:
            was = "asked for" if self.recorded_place.code is not None else "today's code has it"
            lines.append(f"            {was} at {self.recorded_place}")
        lines.append(f"  replayed  {self.asked or 'nothing is asked for'}")
        if self.asked_place is not None and self.asked is not None:
            lines.append(f"            asked for at {self.asked_place}")
            lines += [f"            by way of {place}" for place in self.by_way_of]
            lines += [f"            called at {place}" for place in self.called_at]
        return lines

    def _cause_text(self) -> str:
        cause = self.cause
        at = f" at {cause.place}" if cause.place is not None else ""
        lines = [f"{cause.told[0].upper()}{cause.told[1:]}{at}."]
        if cause.evidence:
            lines.append(cause.evidence)
        lines += cause.advice.splitlines()
        if self.others:
            lines.append("The code also depends on:")
            lines += [f"  {other}" for other in self.others]
        return "\n  ".join([f"Likely cause: {cause.kind}", *lines])


async def explain_failure(
    settings: ReplaySettings,
    workflow_id: str,
    events: Sequence[HistoryEvent],
    failure: str,
    thread: ReplayThread,
    recorded_at: Mapping[Key, Place],
    timeouts: Timeouts = AS_THE_CORE_TELLS,
) -> Explanation:
    """Replay a history that was found to be nondeterministic, often enough to see why.

    Runs on `thread`. `failure`: the SDK's own words. `recorded_at`: where the code asked for what
    is recorded, if that was noted at the time. `timeouts`: what the workflow is told of local
    activities that timed out.
    """
    replays: list[Examination] = []
    for _ in range(_MOST_REPLAYS):
        replays.append(await examine(settings, workflow_id, list(events), thread, timeouts))
        if len(replays) > 1 and any(replay.mismatch for replay in replays):
            break
    first = next((replay for replay in replays if replay.mismatch), replays[0])
    second = next(replay for replay in replays if replay is not first)
    converter = settings.data_converter
    messages: list[Untaken] = []
    if first.workflow is not None:
        history = await decrypted(History(events=events), converter)
        messages = list(untaken(history.events, first.workflow))
    refused = _recorded_event(first, failure, events)
    inquiry = Inquiry(events, first, second, recorded_at, messages, refused)
    cause = inquiry.cause()
    if needs_decoding(converter):
        history = await decoded(History(events=events), converter)
        events = list(history.events)
    event = _recorded_event(first, failure, events)
    command = first.mismatch.command if first.mismatch is not None else None
    place = command.place if command is not None else None
    places = command.places[::-1] if command is not None else ()
    depth = places.index(place) if place in places else 0
    inner, outer = places[:depth][::-1], places[depth + 1 :]
    recorded_place = None
    if event is not None and (key := key_of_event(event)) is not None:
        recorded_place = _recorded_place(event, recorded_at.get(key)) or expected_place(
            event, first, place
        )
    named = _UpdateNames(events)
    asked = command_text(command.asked) if command is not None else _asked_in(failure, first, event)
    return Explanation(
        workflow_id=workflow_id,
        workflow_type=events[0].workflow_execution_started_event_attributes.workflow_type.name,
        event_id=event.event_id if event is not None else None,
        recorded=named.in_text(event_text(event)) if event is not None else None,
        recorded_place=recorded_place,
        asked=named.in_text(asked) if asked is not None else None,
        asked_place=place,
        by_way_of=tuple(inner[-_CALLS_SHOWN:]),
        called_at=tuple(outer[:_CALLS_SHOWN]),
        cause=dataclasses.replace(cause, told=named.in_text(cause.told)),
        message=first.mismatch.message if first.mismatch is not None else core_message(failure),
        around=tuple(map(named.in_text, _around(events, event))),
        others=tuple(inquiry.others(cause)),
    )


class _UpdateNames:
    """What updates are called, for texts that have only their ids."""

    def __init__(self, events: Iterable[HistoryEvent]) -> None:
        self._names: dict[str, str] = {}
        for event in events:
            accepted = event.workflow_execution_update_accepted_event_attributes
            name = accepted.accepted_request.input.name
            if name:
                self._names[accepted.protocol_instance_id] = name
                self._names[accepted.accepted_request.meta.update_id] = name

    def in_text(self, text: str) -> str:
        for update_id, name in self._names.items():
            text = text.replace(f"update {update_id!r}", f"update {name!r}")
        return text


def _recorded_place(event: HistoryEvent, noted: Place | None) -> Place | None:
    """The line that asked for an event, unless all that is known is the method that was run."""
    if noted is None or not noted.is_exact:
        return None
    return naming_place((noted, *noted.callers), event_text(event))


def core_message(failure: str) -> str:
    """The message itself out of what the SDK says of a failed replay, which is in Rust's notation."""
    found = re.search(r'message: "((?:[^"\\]|\\.)*)"', failure)
    return found.group(1).replace('\\"', '"') if found else failure


def _recorded_event(
    examination: Examination, failure: str, events: Sequence[HistoryEvent]
) -> HistoryEvent | None:
    if examination.mismatch is not None:
        found = examination.mismatch.event
        number = found.event_id if found is not None else 0
    else:
        named = re.search(r"HistoryEvent\(id: (\d+)|event_id: (\d+)", failure)
        number = int(named.group(1) or named.group(2)) if named is not None else 0
        number = number or _number_of_named(failure, events)
    return next((event for event in events if event.event_id == number), None)


#: Two names that are not the same, in the core's words.
_NAMES = re.compile(r"(?P<what>type|id) of \w+ \w+ '(?P<event>[^']*)' .* '(?P<command>[^']*)'")


def _number_of_named(failure: str, events: Sequence[HistoryEvent]) -> int:
    """The id of the event that the core calls by its type's name, if there is one such; else 0."""
    named = _NAMES.search(failure)
    if named is None or named["what"] != "type":
        return 0
    found = [
        event.event_id
        for event in events
        if key_of_event(event) is not None and called(event_text(event)) == named["event"]
    ]
    return found[0] if len(found) == 1 else 0


def _asked_in(failure: str, first: Examination, event: HistoryEvent | None) -> str | None:
    """What was asked for in a replay that failed, if no other has failed since."""
    named = _NAMES.search(failure)
    if named is None or first.mismatch is not None:
        return None
    kind = f"{kind_of(event_text(event))} " if event is not None and named["what"] == "type" else ""
    return f"{kind}{named['command']}"


def source_around(place: Place | None) -> list[str]:
    """The lines of code around a place, which is marked; nothing if they cannot be had."""
    if place is None:
        return []
    first = max(place.line - _LINES_AROUND, 1)
    numbered = [
        (number, linecache.getline(place.path, number).rstrip("\n"))
        for number in range(first, place.line + 2)
    ]
    shown = [(number, line) for number, line in numbered if line.strip()]
    if not shown:
        return []
    margin = min(len(line) - len(line.lstrip()) for _, line in shown)
    return [f"  {shown_path(place.path)}"] + [
        f"  {'>' if number == place.line else ' '} {number:4} | {line[margin:]}"
        for number, line in shown
    ]


def _around(events: Sequence[HistoryEvent], event: HistoryEvent | None) -> list[str]:
    if event is None:
        return []
    lines = []
    for each in events:
        if -_EVENTS_BEFORE <= each.event_id - event.event_id <= _EVENTS_AFTER:
            name, text = event_name(each), event_text(each)
            mark = ">" if each is event or each.event_id == event.event_id else " "
            detail = f"  {text}" if text != name else ""
            lines.append(f"  {mark} {each.event_id:4}  {name}{detail}")
    return lines
