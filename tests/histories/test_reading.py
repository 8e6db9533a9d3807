"""Histories are read from whatever JSON they were written as."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from temporalio.api.history.v1 import History as Recorded
from temporalio.client import WorkflowHistory

from tests.histories.arbitrary import histories
from tests.histories.recorded import FILES, named
from timeskip import HistoryUnreadable
from timeskip.histories import History
from timeskip.histories.reading import history_from_json
from timeskip.histories.writing import history_to_json


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_recorded_history_is_read_as_the_sdk_reads_it(file: Path) -> None:
    text = file.read_text("utf-8")
    assert list(history_from_json(text).events) == list(WorkflowHistory.from_json("", text).events)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_text_of_other_encodings_is_read(encoding: str) -> None:
    text = FILES[0].read_text("utf-8")
    assert history_from_json(text.encode(encoding)) == history_from_json(text)


def test_what_was_compressed_is_read() -> None:
    content = FILES[0].read_bytes()
    assert history_from_json(gzip.compress(content)) == history_from_json(content)


@pytest.mark.parametrize("rest", [b"", b"no more"])
def test_what_was_not_compressed_well_is_refused(rest: bytes) -> None:
    with pytest.raises(HistoryUnreadable, match="gzip"):
        history_from_json(b"\x1f\x8b" + rest)


@settings(max_examples=50)
@given(histories())
def test_what_is_written_is_read_again(history: Recorded) -> None:
    for event in history.events:
        event.worker_may_ignore = True  # those without a type, too
    if history.events:
        assert history_from_json(history_to_json(history)) == history


@settings(max_examples=20)
@given(histories())
def test_what_is_written_is_what_the_sdk_writes(history: Recorded) -> None:
    theirs = WorkflowHistory("", history.events).to_json()
    assert json.loads(history_to_json(history)) == json.loads(theirs)


@settings(max_examples=20)
@given(histories())
def test_names_in_snake_case_are_read(history: Recorded) -> None:
    for event in history.events:
        event.worker_may_ignore = True
    if history.events:
        text = json.dumps(MessageToDict(history, preserving_proto_field_name=True))
        assert history_from_json(text) == history


@pytest.mark.parametrize(
    "instant",
    [
        "2024-01-01T00:00:00Z",
        "2026-11-23T05:45:50.615672932Z",
        "1969-12-31T23:59:59.1Z",
        "0001-01-01T00:00:00Z",
        "2024-01-01T00:00:00.25+02:00",
    ],
)
def test_instants_are_read_as_protobuf_reads_them(instant: str) -> None:
    event = {"eventType": "TimerFired", "eventTime": instant}
    expected = Timestamp()
    expected.FromJsonString(instant)
    assert history_from_json(json.dumps([event])).events[0].event_time == expected


def dinner() -> dict[str, Any]:
    """A history of the real server as JSON data."""
    data: dict[str, Any] = json.loads(named("dinner").read_text("utf-8"))
    return data


def older_enums(data: Any) -> Any:
    """As releases of the web UI before 2.2x wrote them: `WorkflowTaskScheduled`."""
    if isinstance(data, dict):
        return {key: older_enums(value) for key, value in data.items()}
    if isinstance(data, list):
        return [older_enums(value) for value in data]
    if isinstance(data, str):
        for prefix in ("EVENT_TYPE_", "TASK_QUEUE_KIND_", "RETRY_STATE_", "TIMEOUT_TYPE_"):
            if data.startswith(prefix):
                return data.removeprefix(prefix).title().replace("_", "")
    return data


def numbers_as_numbers(data: Any) -> Any:
    """64-bit integers as programs in Go write them without protobuf's rules."""
    if isinstance(data, dict):
        return {
            key: int(value)
            if key.endswith("Id") and str(value).isdecimal()
            else numbers_as_numbers(value)
            for key, value in data.items()
        }
    return [numbers_as_numbers(value) for value in data] if isinstance(data, list) else data


@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param(lambda data: json.dumps(data["events"]), id="list alone"),
        pytest.param(lambda data: json.dumps({"history": data}), id="answer of the API"),
        pytest.param(lambda data: "\ufeff" + json.dumps(data), id="byte order mark"),
        pytest.param(lambda data: "\n".join(map(json.dumps, data["events"])), id="lines"),
        pytest.param(lambda data: json.dumps(data["events"][::-1]), id="latest first"),
        pytest.param(lambda data: json.dumps(older_enums(data)), id="enums of old"),
        pytest.param(
            lambda data: json.dumps(
                {
                    **data,
                    "nextPageToken": "",
                    "events": [
                        {**event, "name": "shown", "attributes": {"type": "x"}}
                        for event in data["events"]
                    ],
                }
            ),
            id="unknown fields",
        ),
    ],
)
def test_other_dialects_are_the_same_history(wrapped: Callable[[dict[str, Any]], str]) -> None:
    data = dinner()
    assert history_from_json(wrapped(data).encode()) == history_from_json(json.dumps(data))


def with_input(value: Any) -> str:
    """A history whose workflow has this input."""
    attributes = {"input": value}
    event = {
        "eventId": "1",
        "eventType": "WorkflowExecutionStarted",
        "workflowExecutionStartedEventAttributes": attributes,
    }
    return json.dumps({"events": [event]})


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(
            {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "eyJhIjoxfQ=="}]},
            id="raw",
        ),
        pytest.param(
            {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg"}, "data": "eyJhIjoxfQ"}]},
            id="raw without padding",
        ),
        pytest.param(
            {"payloads": [{"metadata": {"encoding": "json/plain"}, "data": {"a": 1}}]},
            id="decoded by the web UI",
        ),
        pytest.param({"payloads": [{"a": 1}]}, id="decoded by older web UIs"),
        pytest.param([{"a": 1}], id="shorthand of the HTTP API"),
        pytest.param(
            {
                "payloads": [
                    {
                        "metadata": {
                            "encoding": "anNvbi9wbGFpbg==",
                            "encodingDecoded": "json/plain",
                        },
                        "data": {"a": 1},
                    }
                ]
            },
            id="decoded by the web UI, with its metadata left alone",
        ),
        pytest.param(
            {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": {"a": 1}}]},
            id="decoded by the web UI, which does not tell",
        ),
    ],
)
def test_payloads_may_be_decoded(shown: Any) -> None:
    [event] = history_from_json(with_input(shown)).events
    [payload] = event.workflow_execution_started_event_attributes.input.payloads
    assert payload.metadata == {"encoding": b"json/plain"}
    assert payload.data == b'{"a":1}'


@pytest.mark.parametrize(
    ("shown", "metadata", "data"),
    [
        pytest.param(
            {
                "metadata": {
                    "encoding": "anNvbi9wbGFpbg==",
                    "encodingDecoded": "json/plain",
                    "type": "S2V5d29yZA==",
                },
                "data": "Hello",
            },
            {"encoding": b"json/plain", "type": b"Keyword"},
            b'"Hello"',
            id="a text that could be base64",
        ),
        pytest.param(
            {
                "metadata": {"encoding": "YmluYXJ5L3BsYWlu", "encodingDecoded": "binary/plain"},
                "data": "AAH/",
            },
            {"encoding": b"binary/plain"},
            b"\x00\x01\xff",
            id="bytes, which stay base64",
        ),
        pytest.param(
            {"metadata": {"encoding": "binary/plain"}, "data": 123},
            {"encoding": b"binary/plain"},
            b"123",
            id="bytes that are JSON by chance",
        ),
        pytest.param(
            {"_protoMessageType": "shop.Order", "id": "1"},
            {"encoding": b"json/protobuf", "messageType": b"shop.Order"},
            b'{"id":"1"}',
            id="a protobuf message in the shorthand of the HTTP API",
        ),
        pytest.param(
            {"data": {"a": 1}},
            {"encoding": b"json/plain"},
            b'{"data":{"a":1}}',
            id="a value alone that looks like a payload",
        ),
        pytest.param(
            {"metadata": {"encoding": "utf-8"}, "data": "x"},
            {"encoding": b"json/plain"},
            b'{"metadata":{"encoding":"utf-8"},"data":"x"}',
            id="a value alone that looks even more like one",
        ),
    ],
)
def test_decoded_payload_is_what_it_was(
    shown: Any, metadata: dict[str, bytes], data: bytes
) -> None:
    [event] = history_from_json(with_input({"payloads": [shown]})).events
    [payload] = event.workflow_execution_started_event_attributes.input.payloads
    assert payload.metadata == metadata
    assert payload.data == data


def test_decoded_null_is_null() -> None:
    for shown in ([None], {"payloads": [{"metadata": {"encoding": "binary/null"}, "data": None}]}):
        [event] = history_from_json(with_input(shown)).events
        [payload] = event.workflow_execution_started_event_attributes.input.payloads
        assert payload.metadata == {"encoding": b"binary/null"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "this is not JSON"),
        ('{"events": [', "this is not JSON"),
        ("[" * 100_000, "its JSON is nested too deeply"),
        ("[1, 2]", "event 1: an event must be an object"),
        ("7", 'it has no list of "events"'),
        ('{"events": {}}', 'it has no list of "events"'),
        ('{"events": []}', "there are no events in it"),
        ('{"events": [{"eventId": "1"}]}', "event 1: it has no type"),
        ('{"events": [{"eventType": "Invented"}]}', "does not know events of type 'Invented'"),
        ('{"events": [{"eventType": 9999}]}', "does not know events of type 9999"),
        ('{"events": [{"eventType": 1, "eventId": "x"}]}', "event 1: eventId: invalid literal"),
        ('{"events": [{"eventType": 1, "eventTime": "noon"}]}', "event 1: eventTime: "),
        ('{"events": [{"eventType": 1, "eventTime": "2024-02-30T00:00:00Z"}]}', "day is out of"),
        ('{"events": [{"eventType": 1, "links": {}}]}', "links: a list is needed, not {}"),
        (with_input({"payloads": [{"metadata": {"encoding": "???"}}]}), "base64 is needed"),
        (
            '[{"eventType": "WorkflowExecutionStarted"}, {"eventType": "DecisionTaskScheduled"}]',
            "event 2: it is one of Cadence's",
        ),
        (with_input("x"), "workflowExecutionStartedEventAttributes: input: a list is needed"),
    ],
)
def test_broken_file_is_told_with_the_place(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(HistoryUnreadable) as raised:
        History.load(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert complaint in str(raised.value)


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(HistoryUnreadable, match=r"gone\.json: No such file"):
        History.load(tmp_path / "gone.json")


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "binary.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HistoryUnreadable, match=r"binary\.json: this is no text"):
        History.load(file)
