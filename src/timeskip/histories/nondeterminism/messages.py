"""Arguments, signals and updates of a history that a workflow's code can no longer take."""

from __future__ import annotations

import ast
import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from timeskip.histories.replaying.commands import Place
from timeskip.histories.replaying.places import place_in
from timeskip.histories.replaying.source import source_tree
from timeskip.timeline.payloads import values_text

_KEEP = """\
Keep a handler of that name, as with `@workflow.{kind}(name={name!r})`, for as long as a run may have
it in its history."""

_TAKE_BOTH = """\
Let it take what the history has, too: give what is new a default, and keep what was taken before."""


@dataclass(frozen=True)
class Untaken:
    """What a history gives to the code, and the code does not take.

    Args:
        event_id: The event that has it.
        told: What is the matter, for the inside of a sentence.
        place: Where the code should take it; None if nothing there is like it.
        advice: The way out.
        is_gone: Whether there is no handler for it.
    """

    event_id: int
    told: str
    place: Place | None
    advice: str
    is_gone: bool = False


def waits_for_messages(workflow: Any) -> bool:
    """Whether a workflow, the SDK's instance, waits for a condition, or for nothing that it began."""
    begun = (
        workflow._pending_activities,
        workflow._pending_timers,
        workflow._pending_child_workflows,
        workflow._pending_nexus_operations,
        workflow._pending_external_signals,
        workflow._pending_external_cancels,
    )
    return bool(workflow._conditions) or not any(begun)


def untaken(events: Iterable[HistoryEvent], workflow: Any) -> Iterator[Untaken]:
    """All of that, in the order of the history.

    `events`: as a codec has decoded them. `workflow`: the SDK's instance, after a replay.
    """
    for event in events:
        found = _of_event(event, workflow)
        if found is not None:
            yield found


def _of_event(event: HistoryEvent, workflow: Any) -> Untaken | None:
    kind = event.WhichOneof("attributes")
    if kind == "workflow_execution_started_event_attributes":
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        definition = workflow._defn
        if definition.name is None:
            return None
        what = f"the workflow's own arguments ({values_text(payloads)})"
        return _unreadable(event, what, payloads, definition.run_fn, definition.arg_types, workflow)
    if kind == "workflow_execution_signaled_event_attributes":
        signal = event.workflow_execution_signaled_event_attributes
        if signal.signal_name in workflow._buffered_signals:
            return _gone(event, "signal", signal.signal_name, workflow._signals)
        return _unread(
            event, "signal", signal.signal_name, signal.input.payloads, workflow._signals, workflow
        )
    if kind == "workflow_execution_update_accepted_event_attributes":
        update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
        if update.name not in workflow._updates and None not in workflow._updates:
            return _gone(event, "update", update.name, workflow._updates)
        return _unread(
            event, "update", update.name, update.args.payloads, workflow._updates, workflow
        )
    return None


def _gone(event: HistoryEvent, kind: str, name: str, handlers: Mapping[str | None, Any]) -> Untaken:
    told = f"{kind} {name!r} of event {event.event_id} has no handler any more"
    named = [each for each in handlers if each]
    close = difflib.get_close_matches(name, named, 1) or (named if len(named) == 1 else [])
    place = None
    if close:
        told += f". There is one for {close[0]!r}"
        place = _definition(handlers[close[0]].fn)
    return Untaken(event.event_id, told, place, _KEEP.format(kind=kind, name=name), True)


def _unread(
    event: HistoryEvent,
    kind: str,
    name: str,
    payloads: Sequence[Payload],
    handlers: Mapping[str | None, Any],
    workflow: Any,
) -> Untaken | None:
    handler = handlers.get(name)
    if handler is None:
        return None
    what = f"{kind} {name}({values_text(payloads)}) of event {event.event_id}"
    return _unreadable(event, what, payloads, handler.fn, handler.arg_types, workflow)


def _unreadable(
    event: HistoryEvent,
    what: str,
    payloads: Sequence[Payload],
    function: Callable[..., Any],
    types: Sequence[type] | None,
    workflow: Any,
) -> Untaken | None:
    if types is not None and len(types) != len(payloads):
        types = None  # as the SDK does it
    converter = workflow._workflow_context_payload_converter
    try:
        values = converter.from_payloads(payloads, list(types) if types is not None else None)
        _bind(function, values)
    except Exception as error:  # noqa: BLE001 - a converter of the user's may raise anything
        why = f"{type(error).__name__}: {error}"
        told = f"the code cannot take {what} any more: {why}. It should be taken"
        return Untaken(event.event_id, told, _definition(function), _TAKE_BOTH)
    return None


def _bind(function: Callable[..., Any], values: Sequence[Any]) -> None:
    signature = inspect.signature(function)
    given = [None, *values] if next(iter(signature.parameters), None) == "self" else values
    signature.bind(*given)


def _definition(function: Callable[..., Any]) -> Place | None:
    """The line with a function's name, which its decorators come before."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    tree = source_tree(code.co_filename)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                return place_in(code, node.lineno)
    return place_in(code, code.co_firstlineno)
