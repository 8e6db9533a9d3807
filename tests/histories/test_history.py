"""`History`: equality on terms, payloads of the user's own, files."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History as Recorded
from temporalio.client import WorkflowHistory
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    PayloadCodec,
)

from tests.histories.arbitrary import (
    Attribute,
    attributes,
    change,
    change_a_little,
    histories,
)
from tests.histories.recorded import FILES, named
from tests.histories.test_normal_form import has_noise, is_shown
from timeskip import HistoryNotDecoded
from timeskip.histories import History, Ignored, explain_inequality
from timeskip.histories.history import Terms
from timeskip.histories.reading import history_from_json
from timeskip.hookspecs import hookimpl, plugins

REAL = [history_from_json(file.read_text("utf-8")) for file in FILES]


def copy_of(recorded: Recorded) -> Recorded:
    copy = Recorded()
    copy.CopyFrom(recorded)
    return copy


@settings(max_examples=30)
@given(st.lists(st.one_of(st.sampled_from(REAL), histories()), min_size=3, max_size=3))
def test_equality_is_an_equivalence(recorded: list[Recorded]) -> None:
    first, second, third = (History(each) for each in recorded)
    assert first == History(copy_of(first.recorded))
    assert (first == second) == (second == first)
    if first == second and second == third:
        assert first == third


def loosely_alike(history: Recorded, data: st.DataObject) -> Recorded:
    """The same history but for something that does not count."""
    copy = copy_of(history)
    for event in copy.events:
        event.task_id += data.draw(st.integers(0, 9))
        event.event_time.seconds += data.draw(st.integers(0, 9))
    return copy


@settings(max_examples=30)
@given(st.sampled_from(REAL), st.data())
def test_histories_that_differ_in_nothing_that_counts_are_equal(
    recorded: Recorded, data: st.DataObject
) -> None:
    one, two, three = (History(loosely_alike(recorded, data)) for _ in range(3))
    assert one == two
    assert two == three
    assert one == three


@settings(max_examples=60)
@given(st.sampled_from(REAL), st.sampled_from([change, change_a_little]), st.data())
def test_one_attribute_of_a_real_history_that_counts_makes_a_difference(
    recorded: Recorded, change: Callable[[Attribute], None], data: st.DataObject
) -> None:
    assume(not has_noise(recorded))
    changed = copy_of(recorded)
    place = data.draw(st.sampled_from([each for each in attributes(changed) if is_shown(each)]))
    change(place)
    assume(changed != recorded)
    assert History(changed) != History(recorded)
    assert History(recorded).difference_from(History(changed)) is not None


@pytest.fixture(params=["dinner", "Everything"])
def real(request: pytest.FixtureRequest) -> History:
    """A history of the real server."""
    return History.load(named(request.param))


def test_terms_can_be_changed(real: History) -> None:
    later = copy_of(real.recorded)
    later.events[0].event_time.seconds += 1
    other = History(later)
    assert other == real
    assert other.keeping(Ignored.TIMES) != real.keeping(Ignored.TIMES)
    assert other.keeping(Ignored.TIMES).ignoring(Ignored.TIMES) == real


def test_histories_on_different_terms_are_not_equal(real: History) -> None:
    kept = real.keeping(Ignored.IDENTITIES)
    assert kept != real
    assert explain_inequality(kept, real) == [
        "The two histories are to be compared on different terms:",
        "  expected: events",
        "  actual:   events, IDENTITIES kept",
    ]


def test_commands_are_equal_whenever_they_were_issued() -> None:
    events = History.load(named("dinner"))
    later = copy_of(events.recorded)
    signal = copy_of(later).events[0]
    signal.Clear()
    signal.event_type = 26  # type: ignore[assignment]
    signal.workflow_execution_signaled_event_attributes.signal_name = "salt"
    numbered = [*later.events[:1], signal, *later.events[1:]]
    del later.events[:]
    later.events.extend(numbered)
    with_signal = History(later)
    assert with_signal != events
    assert with_signal.commands == events.commands
    assert with_signal.shape != events.shape


def test_shape_leaves_out_values(real: History) -> None:
    changed = copy_of(real.recorded)
    event = changed.events[0].workflow_execution_started_event_attributes
    event.input.payloads.add(data=b"more")
    assert History(changed) != real
    assert History(changed).shape == real.shape
    event.workflow_type.name = "Supper"
    assert History(changed).shape != real.shape


@pytest.mark.parametrize("file", FILES[:20], ids=lambda file: file.stem)
def test_reducing_twice_changes_nothing(file: Path) -> None:
    history = History.load(file)
    for reduced in (history, history.commands):
        assert History(reduced.normal, terms=reduced.terms).normal == reduced.normal


def test_saved_history_is_read_by_the_sdk(real: History, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "saved.json"
    real.save(file)
    theirs = WorkflowHistory.from_json("x", file.read_text("utf-8"))
    assert list(theirs.events) == list(real.recorded.events)
    assert [each.name for each in file.parent.iterdir()] == ["saved.json"]


# -- payloads of the user's own -------------------------------------------------------------------


class Scrambling(PayloadCodec):
    """Never writes the same bytes for the same payload."""

    def __init__(self) -> None:
        self._written = 0

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self._written += 1
        salt = str(self._written).encode()
        return [
            Payload(
                metadata={"encoding": b"binary/scrambled", "salt": salt},
                data=base64.b64encode(salt + each.SerializeToString()),
            )
            for each in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        decoded = []
        for each in payloads:
            if each.metadata["encoding"] != b"binary/scrambled":
                raise ValueError("this was never scrambled")
            whole = base64.b64decode(each.data)
            decoded.append(Payload.FromString(whole[len(each.metadata["salt"]) :]))
        return decoded


SCRAMBLED = dataclasses.replace(DataConverter.default, payload_codec=Scrambling())


async def scrambled(history: History) -> Recorded:
    """As a service has it whose users scramble everything but what the SDK writes itself."""
    recorded = copy_of(history.recorded)
    codec = SCRAMBLED.payload_codec
    assert codec is not None
    for event in recorded.events:
        if event.HasField("workflow_execution_started_event_attributes"):
            await codec.encode_wrapper(event.workflow_execution_started_event_attributes.input)
        if event.HasField("activity_task_scheduled_event_attributes"):
            await codec.encode_wrapper(event.activity_task_scheduled_event_attributes.input)
    return recorded


def plain_order() -> History:
    """Two events with input."""
    events = Recorded()
    first = events.events.add(event_id=1, event_type=1)
    started = first.workflow_execution_started_event_attributes
    second = events.events.add(event_id=2, event_type=10)
    scheduled = second.activity_task_scheduled_event_attributes
    scheduled.activity_type.name = "charge"
    for each in (started, scheduled):
        each.input.payloads.extend(
            DataConverter.default.payload_converter.to_payloads([{"amount": 3}, None])
        )
    header = first.workflow_execution_started_event_attributes.header.fields["trace"]
    header.data = b"not scrambled"
    patch = events.events.add(event_id=3, event_type=25)
    patch.marker_recorded_event_attributes.marker_name = "core_patch"
    data = patch.marker_recorded_event_attributes.details["patch-data"].payloads.add()
    data.metadata["encoding"], data.data = b"json/plain", b'{"id": "p"}'
    return History(events)


@pytest.mark.asyncio
async def test_encrypted_histories_are_compared_decoded() -> None:
    plain = plain_order()
    one, other = await scrambled(plain), await scrambled(plain)
    assert History(one) != History(other)
    decoded = [await History.of(each, converter=SCRAMBLED) for each in (one, other)]
    assert decoded[0] == decoded[1] == plain
    assert decoded[0].activities["charge"].args == [{"amount": 3}, None]


@pytest.mark.asyncio
async def test_encrypted_history_is_loaded_while_a_loop_runs(tmp_path: Path) -> None:
    plain = plain_order()
    file = tmp_path / "scrambled.json"
    History(await scrambled(plain)).save(file)
    assert History.load(file, converter=SCRAMBLED) == plain


@pytest.mark.asyncio
async def test_payload_that_cannot_be_decoded_is_told() -> None:
    with pytest.raises(HistoryNotDecoded, match="a payload of event 1 cannot be decoded") as raised:
        await History.of(plain_order().recorded, converter=SCRAMBLED)
    assert "this was never scrambled" in str(raised.value)


class Roman(EncodingPayloadConverter):
    """Small numbers, in an encoding of its own, with a mark that is never the same."""

    marks = 0

    @property
    def encoding(self) -> str:
        return "text/roman"

    def to_payload(self, value: Any) -> Payload | None:
        if type(value) is not int:
            return None
        Roman.marks += 1
        data = f"{'I' * value} #{Roman.marks}".encode()
        return Payload(metadata={"encoding": b"text/roman"}, data=data)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        return payload.data.count(b"I")


class RomanConverter(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(Roman(), *DefaultPayloadConverter.default_encoding_payload_converters)


@pytest.mark.asyncio
async def test_payloads_of_other_converters_are_compared_by_value() -> None:
    converter = DataConverter(payload_converter_class=RomanConverter)

    async def of(number: int) -> History:
        recorded = Recorded()
        event = recorded.events.add(event_id=1, event_type=1)
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        payloads.extend(converter.payload_converter.to_payloads([number]))
        return await History.of(recorded, converter=converter)

    three = await of(3)
    assert three == await of(3)
    assert three.events[0].input == [3]
    lines = explain_inequality(await of(4), three)
    assert lines[2:4] == ["    expected: 3", "    actual:   4"]


@pytest.mark.asyncio
async def test_encoded_failures_are_put_back() -> None:
    recorded = Recorded()
    event = recorded.events.add(event_id=1, event_type=3)
    failure = event.workflow_execution_failed_event_attributes.failure
    failure.message = "Encoded failure"
    encoded = failure.encoded_attributes
    encoded.metadata["encoding"] = b"json/plain"
    encoded.data = b'{"message": "no money", "stack_trace": "here"}'
    history = await History.of(recorded)
    assert history.failure == "no money"


# -- plugins --------------------------------------------------------------------------------------


class Discreet:
    """A plugin that knows of secrets, and of what does not matter."""

    @hookimpl
    def timeskip_redact_history(self, history: Recorded) -> None:
        for event in history.events:
            for payload in event.workflow_execution_started_event_attributes.input.payloads:
                payload.data = payload.data.replace(b"4111", b"****")

    @hookimpl
    def timeskip_normalise_history(self, history: Recorded) -> None:
        for event in history.events:
            event.ClearField("user_metadata")

    @hookimpl
    def timeskip_render_payload(self, payload: Payload) -> str | None:
        return "an order" if b"order" in payload.data else None


def with_card(number: str, summary: str = "") -> History:
    recorded = Recorded()
    event = recorded.events.add(event_id=1, event_type=1)
    event.user_metadata.summary.data = summary.encode()
    payload = event.workflow_execution_started_event_attributes.input.payloads.add()
    payload.data = f'"order {number}"'.encode()
    return History(recorded)


def test_plugins_redact_normalise_and_render(tmp_path: Path) -> None:
    plugin = Discreet()
    plugins().register(plugin)
    try:
        assert with_card("4111", "one") == with_card("****", "two")
        with_card("4111").save(tmp_path / "card.json")
        saved = History.load(tmp_path / "card.json").recorded
        started = saved.events[0].workflow_execution_started_event_attributes
        assert started.input.payloads[0].data == b'"order ****"'
        lines = explain_inequality(with_card("1"), with_card("2"))
        assert "order 1" in "".join(lines)  # told alike, they are told in full
        assert "an order" in repr(with_card("7").events[0])
    finally:
        plugins().unregister(plugin)


def test_terms_are_told() -> None:
    assert str(Terms()) == "events"
