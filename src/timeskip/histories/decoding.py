"""Histories whose payloads are as the user's code sees them: decrypted, fetched, converted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Header, Payload, Payloads, SearchAttributes
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History, HistoryEvent, MarkerRecordedEventAttributes
from temporalio.converter import DataConverter

from timeskip.errors import HistoryNotDecoded
from timeskip.histories.generated_ids import payloads_of
from timeskip.histories.set_fields import messages_of, set_fields

#: What the SDK itself writes into markers, which no codec ever sees.
_OF_THE_SDK = frozenset({"data", "patch-data"})

_KNOWN_ENCODINGS = (b"json/plain", b"json/protobuf", b"binary/null", b"binary/plain")


async def decoded(
    history: History, converter: DataConverter, *, headers: bool = False, name: str = "the history"
) -> History:
    """A copy with each payload decoded by the converter's codec and fetched from its storage.

    Payloads of an encoding of the user's own are written as JSON if their value can be; they keep the
    name of their encoding. `headers`: whether the codec is used for headers, too, which workers and
    clients do on demand only.

    Raises:
        HistoryNotDecoded: The codec or the storage refused; the message names the event.
    """
    result = await decrypted(history, converter, headers=headers, name=name)
    for payload in payloads_of(result):
        _as_json(payload, converter)
    for _, _, value in set_fields(result):
        for inner in messages_of(value):
            if isinstance(inner, Failure) and inner.HasField("encoded_attributes"):
                _put_back_attributes(inner)
    return result


async def decrypted(
    history: History, converter: DataConverter, *, headers: bool = False, name: str = "the history"
) -> History:
    """A copy with each payload as the converter's `payload_converter` is given it. As `decoded`."""
    result = History()
    result.CopyFrom(history)
    if needs_decoding(converter):
        for event in result.events:
            await _decode_event(event, converter, headers, name)
    return result


def needs_decoding(converter: DataConverter) -> bool:
    """Whether there is anything to decode, which takes an event loop."""
    return converter.payload_codec is not None or converter.external_storage is not None


async def _decode_event(
    event: HistoryEvent, converter: DataConverter, headers: bool, name: str
) -> None:
    try:
        for encoded in _encoded(event, headers):
            if isinstance(encoded, Payloads):
                await _decode(encoded, converter)
            else:
                alone = Payloads(payloads=[encoded])
                await _decode(alone, converter)
                [payload] = alone.payloads
                encoded.CopyFrom(payload)
    except Exception as error:  # whatever the user's own code raises
        raise HistoryNotDecoded(
            f"{name}: a payload of event {event.event_id} cannot be decoded with the data"
            f" converter of the client: {type(error).__name__}: {error}"
        ) from error


def _encoded(message: Message, headers: bool) -> Iterator[Payloads | Payload]:
    """Payloads that went through a codec together, and those that did so alone."""
    for _, value in message.ListFields():
        if isinstance(value, Mapping) and isinstance(message, MarkerRecordedEventAttributes):
            value = {key: value[key] for key in value if key not in _OF_THE_SDK}
        for inner in messages_of(value):
            if isinstance(inner, (Payloads, Payload)):
                yield inner
            elif not isinstance(inner, SearchAttributes) and (
                headers or not isinstance(inner, Header)
            ):
                yield from _encoded(inner, headers)


async def _decode(payloads: Payloads, converter: DataConverter) -> None:
    if converter.external_storage is not None:
        await converter._transform_inbound_payloads(payloads)
    elif converter.payload_codec is not None:
        decoded = await converter.payload_codec.decode(payloads.payloads)
        payloads.CopyFrom(Payloads(payloads=decoded))


def _put_back_attributes(failure: Failure) -> None:
    """Message and stack trace, which failure converters may put into a payload."""
    try:
        attributes = json.loads(failure.encoded_attributes.data)
        failure.message = attributes["message"]
        failure.stack_trace = attributes["stack_trace"]
    except (ValueError, LookupError, TypeError):
        return  # still encoded
    failure.ClearField("encoded_attributes")


def _as_json(payload: Payload, converter: DataConverter) -> None:
    encoding = payload.metadata.get("encoding", b"")
    if encoding in _KNOWN_ENCODINGS:
        return
    try:
        value = converter.payload_converter.from_payload(payload)
        data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except Exception:  # noqa: BLE001 - it is compared and shown as the bytes that it is
        return
    payload.data = data.encode(errors="surrogatepass")


def value_of(payload: Payload, converter: DataConverter) -> Any:
    """What a decoded payload holds, without a type: what JSON has, bytes, or None.

    An encoding that the converter does not know is given as the payload itself.
    """
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return None
    if encoding == b"binary/plain":
        return payload.data
    try:
        return json.loads(payload.data)
    except ValueError:
        pass
    try:
        return converter.payload_converter.from_payload(payload)
    except Exception:  # noqa: BLE001 - whatever the user's own converter raises
        return payload
