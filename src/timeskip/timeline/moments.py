"""A history, told as its meaningful moments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent

from timeskip.timeline.durations import duration_text
from timeskip.timeline.failures import failure_text
from timeskip.timeline.payloads import values_text
from timeskip.timeline.vocabulary import (
    CLOSINGS,
    ENDS,
    OPENINGS,
    UNTOLD,
    Line,
    Mood,
    instant_line,
)

_WORTH_TELLING = timedelta(seconds=1)


@dataclass(frozen=True)
class Moment:
    """Something that happened in a run, or that an open run waits for."""

    at: timedelta
    """Time since the run started, by the events' own times."""
    line: Line
    earlier_failure: str = ""
    """How the attempt before this one failed, if this is a later attempt."""


@dataclass(frozen=True)
class Mark:
    """Something that the history does not tell, such as that a worker was killed."""

    at: datetime
    line: Line
    after: int = 0
    """The id of the last event before it; 0 if only the time is known."""


@dataclass
class _Open:
    """Something that has begun and not ended yet."""

    at: timedelta
    line: Line
    attempt: int = 1
    attempt_began: timedelta | None = None
    earlier_failure: str = ""


def moments_of(history: History, marks: Sequence[Mark] = ()) -> list[Moment]:
    """Tells a history and its marks, oldest first. An open run ends with what it waits for."""
    return list(_Telling(history, marks).moments())


class _Telling:
    def __init__(self, history: History, marks: Sequence[Mark]) -> None:
        self._events = history.events
        self._marks: dict[int, list[Mark]] = {}
        for mark in marks:
            self._marks.setdefault(mark.after or self._event_before(mark.at), []).append(mark)
        self._open: dict[int, _Open] = {}

    def moments(self) -> Iterator[Moment]:
        for event in self._events:
            at = _time(event) - _time(self._events[0])
            attributes = _attributes(event)
            if event.event_type in OPENINGS:
                line = OPENINGS[event.event_type](attributes)
                self._open[event.event_id] = _Open(at, _with_summary(line, event))
            elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                self._begin_attempt(at, attributes)
            elif event.event_type in CLOSINGS:
                yield from self._close(at, event.event_type, attributes)
            elif event.event_type in ENDS:
                yield from self._unanswered(at)
                yield Moment(at, ENDS[event.event_type](attributes))
                for after in range(event.event_id, max(self._marks, default=0) + 1):
                    yield from self._marked(after)
                return
            elif event.event_type not in UNTOLD:
                told = instant_line(event.event_type, attributes)
                if told:
                    yield Moment(at, told)
            yield from self._marked(event.event_id)
        yield from self._waiting()

    def _marked(self, after: int) -> Iterator[Moment]:
        for mark in self._marks.get(after, ()):
            yield Moment(mark.at - _time(self._events[0]), mark.line)

    def _event_before(self, instant: datetime) -> int:
        """The id of the last event up to an instant, or the first."""
        ids = [event.event_id for event in self._events if _time(event) <= instant]
        return ids[-1] if ids else 1

    def _begin_attempt(self, at: timedelta, attributes: Any) -> None:
        activity = self._open.get(attributes.scheduled_event_id)
        if activity is None:
            return  # its beginning is not in what there is of the history
        activity.attempt = attributes.attempt
        activity.attempt_began = at
        failure = failure_text(attributes.last_failure)
        if failure:
            activity.earlier_failure = f"attempt {attributes.attempt - 1} failed: {failure}"

    def _close(
        self, at: timedelta, event_type: EventType.ValueType, attributes: Any
    ) -> Iterator[Moment]:
        closing = CLOSINGS[event_type]
        opened = self._open.pop(getattr(attributes, closing.opened_by), None)
        if opened is None:  # its beginning is not in what there is of the history
            line = instant_line(event_type, attributes)
            if line:
                yield Moment(at, line)
            return
        remarks = []
        if opened.attempt > 1:
            remarks.append(f"attempt {opened.attempt}")
        if opened.attempt_began is not None and at - opened.attempt_began >= _WORTH_TELLING:
            remarks.append(f"took {duration_text(at - opened.attempt_began)}")
        ending = closing.ending(attributes)
        if ending.detail:
            detail = " ".join([*remarks, ending.detail])
        else:
            # What returns nothing is told by what it was given.
            detail = ", ".join(filter(None, [opened.line.detail, *remarks]))
        line = replace(opened.line, detail=detail, mood=ending.mood)
        yield Moment(at, line, opened.earlier_failure)

    def _unanswered(self, at: timedelta) -> Iterator[Moment]:
        """Updates whose callers wait in vain. Whatever else is open, the run has let go of."""
        for opened in self._open.values():
            if opened.line.kind == "update":
                yield Moment(at, replace(opened.line, detail="not answered", mood=Mood.FAILURE))

    def _waiting(self) -> Iterator[Moment]:
        if not self._events:
            return
        now = _time(self._events[-1]) - _time(self._events[0])
        for opened in self._open.values():
            what = f"{opened.line.kind} {opened.line.subject}"
            since = f"since +{duration_text(opened.at)}"
            yield Moment(now, Line("waiting", what, since, Mood.WAITING))
        if not self._open:
            yield Moment(now, Line("running", mood=Mood.WAITING))


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(timezone.utc)


def _attributes(event: HistoryEvent) -> Any:
    name = event.WhichOneof("attributes")
    return getattr(event, name) if name else None


def _with_summary(line: Line, event: HistoryEvent) -> Line:
    if not event.user_metadata.HasField("summary"):
        return line
    summary = values_text([event.user_metadata.summary])
    return replace(line, subject=f"{line.subject} {summary}")
