"""`History`: what users hold of a run, compare, and ask about."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import temporalio.api.history.v1
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DataConverter

from timeskip.errors import HistoryUnreadable
from timeskip.histories.aspects import Aspect, reduce_to
from timeskip.histories.comparison import Difference, first_difference
from timeskip.histories.decoding import decoded, needs_decoding
from timeskip.histories.expectations import Expectations
from timeskip.histories.normal_form import EVERYTHING_IGNORED, Ignored, normal_form
from timeskip.histories.reading import history_from_json, require_sound
from timeskip.histories.writing import history_to_json, write_whole
from timeskip.hookspecs import plugins

Result = TypeVar("Result")

_TOLD_AS = {
    Aspect.EVENTS: "histories",
    Aspect.COMMANDS: "commands",
    Aspect.SHAPE: "shapes of the histories",
}


@dataclass(frozen=True)
class Terms:
    """On which terms histories are compared: what does not count, and what of the rest does."""

    ignored: frozenset[Ignored] = EVERYTHING_IGNORED
    aspect: Aspect = Aspect.EVENTS

    def __str__(self) -> str:
        kept = [each.name for each in Ignored if each not in self.ignored]
        return f"{self.aspect.name.lower()}{''.join(f', {name} kept' for name in kept)}"


class History(Expectations):
    """The history of one run.

    Equal to another if nothing differs but what `Ignored` lists. `keeping` and `ignoring` change
    that, `commands` and `shape` have less of it compared; both sides of `==` must be on one footing.

    Args:
        recorded: The history as the service has it.
        workflow_id: Unless given, what the first event tells, if it does.
        decoded: The same with payloads that the user's codec has decoded, if there is one.
        converter: Makes values of payloads.
        headers: Whether the codec is used for headers, too.
        terms: On which terms it is compared.
    """

    def __init__(
        self,
        recorded: temporalio.api.history.v1.History,
        *,
        workflow_id: str | None = None,
        decoded: temporalio.api.history.v1.History | None = None,
        converter: DataConverter = DataConverter.default,
        headers: bool = False,
        terms: Terms = Terms(),
    ) -> None:
        super().__init__(recorded if decoded is None else decoded, converter)
        self.recorded = recorded
        self.workflow_id = _workflow_id(recorded) if workflow_id is None else workflow_id
        self.terms = terms
        self._headers = headers

    @staticmethod
    async def fetch(handle: WorkflowHandle[Any, Any]) -> History:
        """The history of the handle's run as it is now, or of the latest run of its workflow."""
        fetched = await handle.fetch_history()
        return await History.of(
            temporalio.api.history.v1.History(events=fetched.events),
            converter=handle._client.data_converter,
            workflow_id=handle.id,
            headers=handle._client.config()["header_codec_behavior"]
            is not HeaderCodecBehavior.NO_CODEC,
        )

    @staticmethod
    async def of(
        recorded: temporalio.api.history.v1.History,
        *,
        converter: DataConverter = DataConverter.default,
        workflow_id: str | None = None,
        headers: bool = False,
        name: str = "the history",
    ) -> History:
        """A history whose payloads the converter's codec decodes.

        Raises:
            HistoryNotDecoded: The codec refused.
        """
        return History(
            recorded,
            workflow_id=workflow_id,
            decoded=await decoded(recorded, converter, headers=headers, name=name),
            converter=converter,
            headers=headers,
        )

    @staticmethod
    def load(
        path: Path | str,
        *,
        converter: DataConverter = DataConverter.default,
        headers: bool = False,
    ) -> History:
        """The history in a file that the `temporal` command, the web UI or an SDK has written.

        Raises:
            HistoryUnreadable: The file is missing, no history, or broken.
            HistoryNotDecoded: The converter's codec refused.
        """
        recorded = read_history(Path(path))
        reading = History.of(recorded, converter=converter, headers=headers, name=str(path))
        return run_apart(reading) if needs_decoding(converter) else run_at_once(reading)

    def read_alike(self, path: Path) -> History:
        """The history in a file, decoded as this one was, to be compared on the same terms."""
        loaded = History.load(path, converter=self._converter, headers=self._headers)
        return loaded.on(self.terms)

    def save(self, path: Path | str) -> None:
        """Write the file, whole or not at all, with what plugins redact."""
        write_whole(Path(path), history_to_json(redacted(self.recorded)))

    def to_json(self) -> str:
        """What `temporal workflow show --output json` prints."""
        return history_to_json(self.recorded)

    @property
    def for_replay(self) -> WorkflowHistory:
        """What `temporalio.worker.Replayer` takes."""
        return WorkflowHistory(self.workflow_id, self.recorded.events)

    # -- comparison ---------------------------------------------------------------------------

    def keeping(self, *ignored: Ignored) -> History:
        """The same history; these count, too, when it is compared."""
        return self.on(replace(self.terms, ignored=self.terms.ignored.difference(ignored)))

    def ignoring(self, *ignored: Ignored) -> History:
        """The same history; these do not count when it is compared."""
        return self.on(replace(self.terms, ignored=self.terms.ignored.union(ignored)))

    @property
    def commands(self) -> History:
        """The same history, to be compared by what the workflow itself did, whenever that was."""
        return self.on(replace(self.terms, aspect=Aspect.COMMANDS))

    @property
    def shape(self) -> History:
        """The same history, to be compared by the types of its events and what they are about."""
        return self.on(replace(self.terms, aspect=Aspect.SHAPE))

    def on(self, terms: Terms) -> History:
        """The same history, to be compared on these terms."""
        return History(
            self.recorded,
            workflow_id=self.workflow_id,
            decoded=self.decoded,
            converter=self._converter,
            headers=self._headers,
            terms=terms,
        )

    @cached_property
    def normal(self) -> temporalio.api.history.v1.History:
        """What is left when all that does not count is left out."""
        normal = normal_form(redacted(self.decoded), self.terms.ignored)
        plugins().hook.timeskip_normalise_history(history=normal)
        reduce_to(self.terms.aspect, normal)
        return normal

    def difference_from(self, expected: History) -> Difference | None:
        """The first difference on the terms of `expected`, or None."""
        difference = first_difference(expected.normal, self.on(expected.terms).normal)
        what = _TOLD_AS[expected.terms.aspect]
        return None if difference is None else replace(difference, what=what)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return self.terms == other.terms and self.normal == other.normal

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __repr__(self) -> str:
        count = len(self.recorded.events)
        return f"<history of {self.workflow_id or 'a workflow'}, {count} events>"


def read_history(path: Path) -> temporalio.api.history.v1.History:
    """The events in a file; `HistoryUnreadable` if there are none to be had."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HistoryUnreadable(f"{path}: {error.strerror}") from None
    history = history_from_json(content, name=str(path))
    require_sound(history, name=str(path))
    return history


def redacted(
    history: temporalio.api.history.v1.History,
) -> temporalio.api.history.v1.History:
    """The history, or a copy of it in which plugins have replaced secrets."""
    hook = plugins().hook.timeskip_redact_history
    if not hook.get_hookimpls():
        return history
    copy = temporalio.api.history.v1.History()
    copy.CopyFrom(history)
    hook(history=copy)
    return copy


def run_apart(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a loop and a thread of its own, whatever runs on this one."""
    outcome: list[Result] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001 - it is for the one who waits
            raised.append(error)

    thread = threading.Thread(target=run, name="timeskip-apart", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return outcome[0]


def run_at_once(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise RuntimeError("the coroutine waits for something")


def _workflow_id(recorded: temporalio.api.history.v1.History) -> str:
    """Servers tell it since 1.24."""
    first = recorded.events[0] if recorded.events else None
    return first.workflow_execution_started_event_attributes.workflow_id if first else ""
