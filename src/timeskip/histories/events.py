"""Events of a run, found by pattern, and expected in an order."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, overload

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from timeskip.errors import NotInHistory
from timeskip.histories.plain_values import attribute, is_as_expected, plain
from timeskip.histories.value_text import value_text

_CANDIDATES = 3


def event_type_name(number: int) -> str:
    """`ActivityTaskScheduled`."""
    known = EventType.DESCRIPTOR.values_by_number.get(number)
    if known is None:
        return f"type {number}"
    return known.name.removeprefix("EVENT_TYPE_").title().replace("_", "")


class Event:
    """One event. Its attributes are attributes of this object, as plain values."""

    def __init__(self, recorded: HistoryEvent, converter: DataConverter) -> None:
        self.recorded = recorded
        self.converter = converter

    @property
    def id(self) -> int:
        """Its number in the history, from 1."""
        return self.recorded.event_id

    @property
    def type(self) -> str:
        """Such as `ActivityTaskScheduled`."""
        return event_type_name(self.recorded.event_type)

    @property
    def time(self) -> datetime:
        """When it was written, in UTC."""
        return self.recorded.event_time.ToDatetime(timezone.utc)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.attribute(name)

    def attribute(self, path: str) -> Any:
        """An attribute as a plain value; dots lead into it: `retry_policy.maximum_attempts`.

        Raises:
            AttributeError: Events of this type have no such attribute.
        """
        kind = self.recorded.WhichOneof("attributes")
        if kind is None:
            raise AttributeError(f"{self} has no attributes")
        try:
            return attribute(getattr(self.recorded, kind), path, self.converter)
        except AttributeError as error:
            raise AttributeError(f"{self}: {error}") from None

    def plain(self, value: Any) -> Any:
        """A message or payload of the event as a plain value."""
        return plain(value, self.converter)

    def __str__(self) -> str:
        return f"{self.id} {self.type}"

    def __repr__(self) -> str:
        kind = self.recorded.WhichOneof("attributes")
        return f"<{self} {value_text(getattr(self.recorded, kind)) if kind else ''}>"


class Pattern:
    """What an event may look like: made by `event(...)`."""

    def __init__(self, type: str, attributes: dict[str, Any]) -> None:
        self.type = type
        self.attributes = attributes

    def matches(self, event: Event) -> bool:
        """Whether the event is of the type and every attribute is as expected."""
        return fnmatch.fnmatchcase(event.type, self.type) and not self.mismatches(event)

    def mismatches(self, event: Event) -> list[str]:
        """What is not as expected, a line each."""
        lines = []
        for name, expected in self.attributes.items():
            try:
                value = event.attribute(name.replace("__", "."))
            except AttributeError:
                lines.append(f"{name}: there is none")
                continue
            if not is_as_expected(value, expected, event.converter):
                lines.append(f"{name}: {value!r} is not {_expected_text(expected)}")
        return lines

    def nearness(self, event: Event) -> float:
        """How near the event comes, to sort candidates: the larger the nearer."""
        likeness = difflib.SequenceMatcher(None, self.type.lower(), event.type.lower()).ratio()
        if fnmatch.fnmatchcase(event.type, self.type):
            likeness = 2.0
        wrong = len(self.mismatches(event))
        return likeness + (len(self.attributes) - wrong) / (len(self.attributes) + 1)

    def __str__(self) -> str:
        wanted = ", ".join(f"{name}={_expected_text(v)}" for name, v in self.attributes.items())
        return f"{self.type}({wanted})" if wanted else self.type


def event(type: str = "*", **attributes: Any) -> Pattern:
    """A pattern of events.

    Args:
        type: The event's type, such as "TimerStarted"; `*` and `?` stand for anything.
        attributes: Values that attributes have. `retry_policy__maximum_attempts=3` leads into one. A
            callable is asked, a compiled regular expression is searched for.
    """
    return Pattern(type, attributes)


class Events(Sequence[Event]):
    """Events, in their order. Called with a pattern it gives those that match."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def __call__(self, type: str | Pattern = "*", **attributes: Any) -> Events:
        pattern = type if isinstance(type, Pattern) else event(type, **attributes)
        return Events([each for each in self._events if pattern.matches(each)])

    def one(self, type: str | Pattern = "*", **attributes: Any) -> Event:
        """The only event that matches.

        Raises:
            NotInHistory: There is none, or more than one.
        """
        pattern = type if isinstance(type, Pattern) else event(type, **attributes)
        found = self(pattern)
        if len(found) == 1:
            return found[0]
        if found:
            listing = "".join(f"\n  {each!r}" for each in found)
            raise NotInHistory(f"{len(found)} events match {pattern}, not one:{listing}")
        raise NotInHistory(f"no event matches {pattern}.{self._nearest(pattern, self._events)}")

    def in_order(self, *patterns: str | Pattern) -> list[Event]:
        """For each pattern an event that matches it, one after another; others may lie between.

        Raises:
            NotInHistory: There are no such events. The message says how far they were found.
        """
        found: list[Event] = []
        position = 0
        for each in patterns:
            pattern = each if isinstance(each, Pattern) else event(each)
            match = next(
                (i for i in range(position, len(self._events)) if pattern.matches(self._events[i])),
                None,
            )
            if match is None:
                raise NotInHistory(self._not_in_order(pattern, found, position))
            found.append(self._events[match])
            position = match + 1
        return found

    def _not_in_order(self, pattern: Pattern, found: list[Event], position: int) -> str:
        after = f" after {found[-1]}" if found else ""
        lines = [f"no event matches {pattern}{after}."]
        if len(found) > 1:
            lines.append(f"Found before it: {', '.join(map(str, found))}.")
        earlier = [each for each in self._events[:position] if pattern.matches(each)]
        if earlier:
            lines.append(f"Earlier there is: {', '.join(map(str, earlier))}.")
        return "\n".join(lines) + self._nearest(pattern, self._events[position:])

    def _nearest(self, pattern: Pattern, events: Sequence[Event]) -> str:
        candidates = sorted(events, key=pattern.nearness, reverse=True)[:_CANDIDATES]
        if not candidates:
            return "\nThere are no events."
        lines = ["\nThe nearest:"]
        for each in candidates:
            lines.append(f"  {each}")
            if fnmatch.fnmatchcase(each.type, pattern.type):
                lines += [f"    {line}" for line in pattern.mismatches(each)]
        return "\n".join(lines)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Events: ...
    def __getitem__(self, index: int | slice) -> Event | Events:
        found = self._events[index]
        return found if isinstance(found, Event) else Events(found)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __repr__(self) -> str:
        return f"[{', '.join(map(str, self._events))}]"


def _expected_text(expected: Any) -> str:
    return getattr(expected, "__name__", None) or repr(expected)
