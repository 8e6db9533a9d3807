"""The likely cause of a replay that does something else than its history, found by evidence."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from types import CodeType

from temporalio.api.history.v1 import HistoryEvent

from timeskip.histories.nondeterminism.advice import ADVICE, OF_ASYNCIO, OF_DEFAULTS
from timeskip.histories.nondeterminism.calls import Kind
from timeskip.histories.nondeterminism.changes import change_of, expected_place
from timeskip.histories.nondeterminism.flow import Flow
from timeskip.histories.nondeterminism.handlers import (
    changed_later,
    unreplayed_changes,
    unreplayed_handlers,
)
from timeskip.histories.nondeterminism.keys import VARIABLES_OF_PROCESS
from timeskip.histories.nondeterminism.messages import Untaken, waits_for_messages
from timeskip.histories.nondeterminism.once import (
    made_at_import,
    made_by_function,
    made_with_functions,
)
from timeskip.histories.nondeterminism.patches import patch_beside, patch_trouble
from timeskip.histories.nondeterminism.sdks import (
    FOREIGN_ADVICE,
    PORTED_ADVICE,
    foreign_marker,
    recording_sdk,
)
from timeskip.histories.nondeterminism.sets import BY_KEY, is_of_asyncio_wait
from timeskip.histories.nondeterminism.state import DEFAULTS, StateName
from timeskip.histories.nondeterminism.trace import Source
from timeskip.histories.replaying.commands import (
    IssuedCommand,
    Key,
    Place,
    key_of_command,
    key_of_event,
)
from timeskip.histories.replaying.examination import Examination
from timeskip.histories.replaying.naming import (
    called,
    calls_in,
    is_named_at,
    kind_of,
    name_of_call,
)
from timeskip.histories.replaying.places import place_in
from timeskip.histories.replaying.source import function_at, source_tree
from timeskip.histories.replaying.texts import command_text, event_text
from timeskip.lanes.direct import local_activity_markers


@dataclass(frozen=True)
class Cause:
    """What it is, in a few words, the line where, how that was found out, and the way out.

    `kind` is the value of a `Kind`, or "changed code", "patch", "another SDK" or "unknown".
    """

    kind: str
    told: str
    place: Place | None
    evidence: str
    advice: str


_BARE_TIMEOUT = """\
a local activity timed out, and in a replay the core gives the workflow the bare
  `temporalio.exceptions.TimeoutError` instead of the `ActivityError` around it. It is asked for"""

_CATCH_BOTH = """\
In production the workflow would break in the same way. Let its code do the same for both, as with
`except (ActivityError, TimeoutError)`, or use an activity that is not local."""

_CHANGED = """\
Put the change under `if workflow.patched("an id of its own"):`, and leave the old code in the other
branch for runs that have begun with it."""

_ANOTHER_SDK = "another SDK"

_NOT_UNDER = "It is not under {patch}: put it there if it belongs to that change."

#: What gives something else whenever it is asked, in one process.
_ALWAYS_NEW = frozenset(
    {Kind.RANDOM, Kind.CLOCK, Kind.UUID, Kind.STATE, Kind.IDENTITY, Kind.THREADS, Kind.NETWORK}
)

#: Of a thing that has no text of its own.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

_WORDS = re.compile(r"\w+")

#: Part of a UUID: with letters, which numbers have not.
_HEXADECIMAL = re.compile(r"(?=.*[a-f])(?=.*[0-9])[0-9a-f]{4,}")

#: What is said of these is not that a set is gone through.
_CALLED = ("set.pop", "asyncio.as_completed")

#: Variables that are told besides another cause.
_MOST_VARIABLES = 3


class Inquiry:
    """Finds the cause.

    Args:
        events: The history.
        first, second: Two replays of it, one after the other. The first is the one that broke off.
        recorded_at: The lines that asked for what is recorded, if they were noted at the time.
        messages: What the history has for the code, and the code does not take.
        refused: The event that a replay could not match, if none of these two broke off.
    """

    def __init__(
        self,
        events: Sequence[HistoryEvent],
        first: Examination,
        second: Examination,
        recorded_at: Mapping[Key, Place],
        messages: Sequence[Untaken] = (),
        refused: HistoryEvent | None = None,
    ) -> None:
        self._messages = messages
        self._events = events
        self._first = first
        self._second = second
        self._is_luck = first.mismatch is None
        self._differ = self._is_luck or asked_for(first) != asked_for(second)
        self._recorded_at = recorded_at
        self._mismatch = first.mismatch
        self._command = first.mismatch.command if first.mismatch is not None else None
        key = key_of_event(refused) if self._is_luck and refused is not None else None
        matched = (c for c in first.commands if key is not None and key_of_command(c.asked) == key)
        #: Up to where it is to be looked at.
        self._at = self._command or next(matched, None)
        self._code_changed = _code_changed(recorded_at, first.trace.codes)

    def cause(self) -> Cause:
        """The likeliest."""
        mismatch, trace = self._mismatch, self._first.trace
        if mismatch is not None and (found := patch_trouble(mismatch, trace, self._events)):
            told, place, advice = found
            return Cause("patch", told, place, "", advice)
        if mismatch is not None and (marker := foreign_marker(mismatch.event)):
            return self._foreign(marker)
        sources = self._sources()
        timed_out = self._local_activity_that_timed_out()
        if timed_out is not None and not self._code_changed:
            return Cause("a bug of the SDK's core", _BARE_TIMEOUT, timed_out.place, "", _CATCH_BOTH)
        message = self._message_that_is_waited_for()
        if message is not None and self._code_changed is not False:
            place = message.place or trace.last_place
            told = message.told if message.place else f"{message.told}. The workflow stands"
            return Cause("changed code", told, place, "", message.advice)
        if self._code_changed:
            return self._change("The code is not the one that was recorded.")
        if self._is_address():
            told = "the text of an object, which says where in memory it lies, is part of it. It is used"
            place = self._command.place if self._command is not None else None
            advice = ADVICE[Kind.IDENTITY]
            return Cause(Kind.IDENTITY.value, told, place, self._how_found(), advice)
        suspects = [source for source in sources if self._flows(source)]
        if suspects:
            return self._depends_on(self._best(suspects))
        if self._differ and sources:
            return self._depends_on(self._best(sources))
        if self._code_changed is False:
            if sources:
                return self._depends_on(self._best(sources))
            return self._unknown()
        if self._differ:
            return self._unknown()
        if self._line_for_recorded() is not None:
            for read in self._deciding_state(constants=False):
                return self._may_have_changed(*read)
        return self._change("Two replays of the history asked for the same.")

    def others(self, chosen: Cause) -> list[str]:
        """What else the code depends upon that it should not, as `name at place`."""
        others = [
            f"{source.name} at {source.place}"
            for source in self._sources()
            if str(source.place) != str(chosen.place) and self._flows(source)
        ]
        if chosen.kind == "changed code" and not self._code_changed:
            deciding = self._deciding_state(constants=True, only_conditions=True)
            variables = islice(deciding, _MOST_VARIABLES)
            others += [f"{name} at {place}" for name, place in variables]
        return list(dict.fromkeys(others))

    # -- what the workflow depends upon -------------------------------------------------------

    def _sources(self) -> list[Source]:
        """All that it has used before the command in question, the nearest first."""
        until = self._at.moment if self._at is not None else float("inf")
        trace = self._first.trace
        found = [source for source in trace.sources if source.moment <= until]
        for name in self._changed_state():
            read = self._last_use(name.name, until)
            if read is not None:
                found.append(Source(Kind.STATE, str(name), *read))
        found += self._made_once(until)
        for change in unreplayed_changes(self._lines()):
            read = self._last_use(change.attribute, until)
            if read is not None:
                _, moment = read
                found.append(Source(Kind.QUERY, change.attribute, change.place, moment))
        return sorted(found, key=lambda source: -source.moment)

    def _made_once(self, until: float) -> Iterator[Source]:
        """What another process may have made otherwise, if the history may be of another one."""
        if self._recorded_at or self._differ:
            return
        state = self._first.trace.state
        found = [
            (name.name, (made_by_function if state.remembers(name) else made_at_import)(name))
            for name in state.before
        ]
        for variable, made in [*found, *made_with_functions(self._first.trace.codes)]:
            used = self._last_use(variable, until) if made is not None else None
            if made is not None and used is not None:
                yield Source(made.kind, made.name, made.place, used[1], variable)

    def _changed_state(self) -> list[StateName]:
        """What is not as it was before the first replay, or not in both."""
        first, second = self._first.trace.state, self._second.trace.state
        differing = [
            name
            for name, was in first.before.items()
            if name in second.before and second.before[name] != was
        ]
        return list(dict.fromkeys([*first.changed(), *differing]))

    def _best(self, sources: Sequence[Source]) -> Source:
        """The likeliest: what is new each time if the replays differ, then the nearest."""
        always_new = [source for source in sources if source.kind in _ALWAYS_NEW]
        lasting = [source for source in sources if source.kind not in _ALWAYS_NEW]
        if self._differ:
            looks_right = [each for each in always_new if self._may_have_made_it(each)]
            return (looks_right or always_new or lasting)[0]
        return min(
            sources, key=lambda source: (source.kind in (Kind.STATE, Kind.IDENTITY), -source.moment)
        )

    def _depends_on(self, source: Source) -> Cause:
        if source.variable is not None:
            return self._was_made_once(source)
        if source.kind is Kind.STATE:
            told = f"{source.name} has changed meanwhile. It is read"
        elif source.kind is Kind.QUERY:
            told = (
                f"`{source.place.function}` changes `self.{source.name}`, on which the code depends."
                " It does so"
            )
        elif source.kind is Kind.SET_ORDER and source.name.endswith(BY_KEY):
            of = source.name.removesuffix(BY_KEY)
            told = f"`key` leaves some of the set `{of}` equal: they come in the set's order. It is used"
        elif source.kind is Kind.SET_ORDER and source.name not in _CALLED:
            told = f"the set `{source.name}` has another order in each process. It is gone through"
        elif source.kind is Kind.IDENTITY and source.name != "id":
            told = f"{source.name} says where in memory it lies. It is used"
        elif source.kind is Kind.ENVIRONMENT and source.name.startswith(
            ("os.environ", *VARIABLES_OF_PROCESS)
        ):
            told = f"`{source.name}` is read"
        else:
            told = f"`{source.name}` is called"
        advice = OF_ASYNCIO.get(source.name, ADVICE[source.kind])
        if DEFAULTS in source.name:
            advice = OF_DEFAULTS
        if source.name.endswith(BY_KEY):
            advice = "Let the `key` tell all of them apart."
        elif source.kind is Kind.SET_ORDER and is_of_asyncio_wait(source.place.path, source.name):
            advice = OF_ASYNCIO["asyncio.wait"]
        return Cause(source.kind.value, told, source.place, self._how_found(), advice)

    def _was_made_once(self, source: Source) -> Cause:
        told = f"`{source.variable}` keeps what `{source.name}` once gave in this process. That is called"
        change, _ = change_of(self._events, self._first, self._line_for_recorded())
        evidence = f"If that is not it, the code has changed: {change}."
        return Cause(source.kind.value, told, source.place, evidence, ADVICE[source.kind])

    def _how_found(self) -> str:
        if self._is_luck:
            return "One replay of the history failed, and others did not."
        if self._differ:
            return "Two replays of the history asked for different things."
        if self._code_changed is False:
            return "The code is the one that was recorded."
        return ""

    def _flows(self, source: Source) -> bool:
        """Whether it may decide what is asked for, or that something recorded is not."""
        if source.variable is not None:
            flow = Flow(self._paths(), None, [source.variable, f".{source.variable}"])
        elif source.kind is Kind.STATE:
            variable = source.name.split("`")[1]
            flow = Flow(self._paths(), None, [variable, f".{variable}"])
        elif source.kind is Kind.QUERY:
            flow = Flow(self._paths(), None, [f".{source.name}"])
        else:
            flow = Flow(self._paths(), source.place)
        return self._is_reached(flow, source.moment)

    def _is_reached(self, flow: Flow, since: int, *, only_conditions: bool = False) -> bool:
        command, recorded = self._at, self._line_for_recorded()
        places = command.places if command is not None else ()
        if not places and recorded is None and not only_conditions:
            return True
        ran = self._conditions(since)
        if recorded is not None:
            conditions, passed = [*places, recorded, *self._calls_of(recorded)], ran
        else:
            conditions, passed = [*places, *ran], []
        only_conditions = only_conditions or self._is_named_in_full
        return flow.reaches(() if only_conditions else places, conditions, passed)

    def _calls_of(self, place: Place) -> Iterator[Place]:
        """The lines that call the function that a line is in, and those that call theirs."""
        functions, known = [function_at(place.path, place.line)], set[str]()
        while functions:
            name = functions.pop().rpartition(".")[2]
            if not name or name in known:
                continue
            known.add(name)
            for path in self._paths():
                for call in calls_in(path):
                    if name_of_call(call) == name:
                        function = function_at(path, call.lineno)
                        yield Place(path, call.lineno, function)
                        functions.append(function)

    @functools.cached_property
    def _is_named_in_full(self) -> bool:
        """Whether code asks for one thing by name where it was to ask for another.

        What it is asked for with is no matter then, but only what led there.
        """
        if self._is_luck and self._at is not None:
            text = command_text(self._at.asked)
            return any(is_named_at(place, text) for place in self._at.places)
        mismatch = self._mismatch
        if mismatch is None or mismatch.event is None or mismatch.command is None:
            return False
        asked, recorded = command_text(mismatch.command.asked), event_text(mismatch.event)
        if called(asked) == called(recorded):
            return False
        return any(is_named_at(place, asked) for place in mismatch.command.places)

    def _is_address(self) -> bool:
        """Whether all that differs is where something lies in memory."""
        mismatch = self._mismatch
        if mismatch is None or mismatch.event is None or mismatch.command is None:
            return False
        asked, recorded = command_text(mismatch.command.asked), event_text(mismatch.event)
        return asked != recorded and _ADDRESS.sub("", asked) == _ADDRESS.sub("", recorded)

    def _may_have_made_it(self, source: Source) -> bool:
        """Whether what is other than recorded looks like what the source gives."""
        mismatch = self._mismatch
        if mismatch is None or mismatch.event is None or mismatch.command is None:
            return True
        asked, recorded = command_text(mismatch.command.asked), event_text(mismatch.event)
        new = set(_WORDS.findall(asked)) ^ set(_WORDS.findall(recorded))
        if called(asked) != called(recorded) or not new:
            return True
        return any(map(_HEXADECIMAL.fullmatch, new)) == (source.kind is Kind.UUID)

    def _conditions(self, since: int) -> list[Place]:
        """The lines that ran between something and the command in question.

        But for those before a command that was as recorded: what they decided they decided rightly.
        """
        until = self._at.moment if self._at is not None else float("inf")
        right = [c.moment for c in self._first.commands if c.event is not None and c.moment < until]
        since = max([since, *right])
        lines = {
            (code, line): None
            for moment, code, line in self._first.trace.lines
            if since <= moment <= until
        }
        return [place_in(code, line) for code, line in lines]

    def _lines(self) -> list[Place]:
        """One line of each function that ran."""
        return [place_in(code, code.co_firstlineno) for code in self._first.trace.codes]

    def _paths(self) -> list[str]:
        return list(dict.fromkeys(code.co_filename for code in self._first.trace.codes))

    def _last_use(self, name: str, until: float) -> tuple[Place, int] | None:
        """Where a name was last used before the command in question.

        If the code names in full what it asks for, it is rather a condition that has used it.
        """
        last = None
        only_conditions = self._is_named_in_full
        for moment, code, line in reversed(self._first.trace.lines):
            if moment <= until and name in _names_read_on(code.co_filename, line):
                if not only_conditions or name in _names_in_conditions(code.co_filename, line):
                    return place_in(code, line), moment
                last = last or (place_in(code, line), moment)
        return last

    def _message_that_is_waited_for(self) -> Untaken | None:
        """What the code has not taken, if it asks for nothing where the history goes on."""
        mismatch = self._mismatch
        if mismatch is None or mismatch.event is None or mismatch.command is not None:
            return None
        until = mismatch.event.event_id
        before = [each for each in self._messages if each.event_id <= until]
        # Whoever waits for something else does not miss it.
        missed = [
            each
            for each in before
            if each.event_id == until
            or not each.is_gone
            or waits_for_messages(self._first.workflow)
        ]
        return missed[-1] if missed else None

    def _local_activity_that_timed_out(self) -> IssuedCommand | None:
        """The local activity whose timeout was the last thing recorded before it broke off."""
        if self._first.timeouts:
            return None  # the workflow was told of it in full
        event = self._mismatch.event if self._mismatch is not None else None
        before = [
            each
            for each in self._events
            if event is not None and each.event_id < event.event_id and key_of_event(each)
        ]
        if not before or not local_activity_markers.is_marker(before[-1]):
            return None
        if not before[-1].marker_recorded_event_attributes.failure.HasField("timeout_failure_info"):
            return None
        key = key_of_event(before[-1])
        return next((c for c in self._first.commands if key_of_command(c.asked) == key), None)

    # -- what else ----------------------------------------------------------------------------

    def _change(self, evidence: str) -> Cause:
        told, place = change_of(self._events, self._first, self._line_for_recorded())
        sdk = self._recording_sdk()
        if sdk is not None:
            evidence = f"The history was recorded by {sdk}. {evidence}"
            return Cause(_ANOTHER_SDK, told, place, evidence, PORTED_ADVICE)
        beside = patch_beside(place, self._first.trace, self._events)
        advice = _CHANGED if beside is None else f"{_NOT_UNDER.format(patch=beside)}\n{_CHANGED}"
        return Cause("changed code", told, place, evidence, advice)

    def _foreign(self, marker: str) -> Cause:
        sdk = self._recording_sdk()
        told = f"marker {marker!r} is one of the SDKs for Go and Java, which Python's does not know"
        evidence = f"The history was recorded by {sdk}." if sdk is not None else ""
        return Cause(_ANOTHER_SDK, told, None, evidence, FOREIGN_ADVICE)

    def _recording_sdk(self) -> str | None:
        event = self._mismatch.event if self._mismatch is not None else None
        return recording_sdk(self._events, event.event_id if event is not None else float("inf"))

    def _unknown(self) -> Cause:
        """The code is the same, and nothing was seen that it depends upon: but state, perhaps."""
        variables = self._deciding_state(constants=False)
        for read in chain(variables, self._deciding_state(constants=True)):
            return self._may_have_changed(*read)
        told = "something outside of the workflow's code that could not be found"
        handlers = unreplayed_handlers(self._lines())
        if handlers:
            names = ", ".join(f"`{name}`" for name in handlers)
            told += f", or what {names} has done to the workflow: no replay runs it"
        return Cause("unknown", told, None, self._how_found(), ADVICE[Kind.STATE])

    def _may_have_changed(self, name: StateName, place: Place) -> Cause:
        if self._first.trace.state.remembers(name):
            told = f"{name} returns what it has returned in this process before. It is called"
        else:
            told = f"{name} may have changed since the history was recorded. It is read"
        evidence = self._how_found()
        if self._code_changed is None:
            change, _ = change_of(self._events, self._first, self._line_for_recorded())
            evidence = f"If that is not so, the code has changed: {change}."
        return Cause(Kind.STATE.value, told, place, evidence, ADVICE[Kind.STATE])

    def _line_for_recorded(self) -> Place | None:
        """The line of today's code for what is recorded, if it is there but was not come to."""
        mismatch = self._mismatch
        if mismatch is None or mismatch.event is None:
            return None
        asked_at = self._command.place if self._command is not None else None
        return expected_place(mismatch.event, self._first, asked_at)

    def _is_constant(self, name: StateName) -> bool:
        """Whether nothing changes it: by its name in capital letters, or by the code that ran."""
        value = self._first.trace.state.before[name]
        is_plain = value is None or isinstance(value, (bool, int, float, str, bytes))
        if isinstance(value, tuple):  # a container, not an object that may have methods of its own
            is_plain = isinstance(value[0], type)
        return name.name.isupper() or (
            is_plain and not any(name.name in changed_later(path) for path in self._paths())
        )

    def _deciding_state(
        self, *, constants: bool, only_conditions: bool = False
    ) -> Iterator[tuple[StateName, Place]]:
        """Variables that may decide, what was read last first, each with where.

        `constants`: also those that are such, as far as is seen. `only_conditions`: not those
        that something may only be asked for with.
        """
        until = self._at.moment if self._at is not None else float("inf")
        read = [
            (found, name)
            for name in self._first.trace.state.before
            if (constants or not self._is_constant(name))
            and (found := self._last_use(name.name, until)) is not None
        ]
        for (place, _), name in sorted(read, key=lambda each: -each[0][1]):
            flow = Flow(self._paths(), None, [name.name, f".{name.name}"])
            if self._is_reached(flow, 0, only_conditions=only_conditions):
                yield name, place


def asked_for(examination: Examination) -> list[tuple[str, ...]]:
    """All that a workflow has asked for in a replay, but for what it passes on: that is free."""
    return [
        (
            kind_of(text := command_text(command.asked)),
            called(text) or "",
            command.asked.WhichOneof("variant") or "",
            *key_of_command(command.asked),
        )
        for command in examination.commands
    ]


def _code_changed(recorded_at: Mapping[Key, Place], ran: Iterable[CodeType]) -> bool | None:
    """Whether functions are other than when the history was recorded; None if that is unknown."""
    if not recorded_at:
        return None
    codes = list(ran)
    recorded = {place.code for place in recorded_at.values() if place.code is not None}
    if all(code in codes for code in recorded):
        return False
    named = {(code.co_name, code.co_filename) for code in codes}
    missing = [code for code in recorded if code not in codes]
    return True if any((code.co_name, code.co_filename) in named for code in missing) else None


def _names_read_on(path: str, line: int) -> Collection[str]:
    return _names_by_line(path).get(line, ())


def _names_in_conditions(path: str, line: int) -> Collection[str]:
    return _names_deciding_by_line(path).get(line, ())


@functools.cache
def _names_by_line(path: str) -> Mapping[int, set[str]]:
    """Those that are read, and not only changed."""
    tree = source_tree(path)
    nodes = list(ast.walk(tree)) if tree is not None else []
    calls = [node.value for node in nodes if isinstance(node, ast.Expr)]
    changed = {
        id(call.func.value)
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("append", "add", "extend", "insert", "remove", "discard", "clear")
    }
    return _by_line(node for node in nodes if id(node) not in changed)


@functools.cache
def _names_deciding_by_line(path: str) -> Mapping[int, set[str]]:
    """Those that decide which line is next."""
    tree = source_tree(path)
    nodes = list(ast.walk(tree)) if tree is not None else []
    tests = [node.test for node in nodes if isinstance(node, (ast.If, ast.While, ast.IfExp))]
    tests += [node.iter for node in nodes if isinstance(node, (ast.For, ast.AsyncFor))]
    return _by_line(inner for test in tests for inner in ast.walk(test))


def _by_line(nodes: Iterable[ast.AST]) -> Mapping[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for node in nodes:
        if isinstance(node, ast.Name):
            found[node.lineno].add(node.id)
        elif isinstance(node, ast.Attribute):
            found[node.lineno].add(node.attr)
    return found
