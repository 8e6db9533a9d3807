"""Payloads as short text, without a data converter: what the bytes themselves tell."""

import json
from collections.abc import Iterable

from temporalio.api.common.v1 import Payload, Payloads

from timeskip.hookspecs import plugins

_LONGEST = 200
_NOT_JSON = object()


def payloads_text(payloads: Payloads) -> str:
    """All values, separated by commas; empty if there is none, or the only one is null."""
    return values_text(payloads.payloads)


def values_text(payloads: Iterable[Payload]) -> str:
    """As `payloads_text`. A single object, the usual argument, is told as `name=value` pairs."""
    values = list(payloads)
    if len(values) != 1:
        return one_line(", ".join(_value_text(value) for value in values))
    [value] = values
    fields = _json_value(value)
    if isinstance(fields, dict) and fields:
        return one_line(", ".join(f"{name}={_json_text(fields[name])}" for name in fields))
    text = _value_text(value)
    return "" if text == "null" else one_line(text)


def one_line(text: str) -> str:
    """The text without line ends and control characters, cut to what a reader still takes in."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _value_text(payload: Payload) -> str:
    rendered: str | None = plugins().hook.timeskip_render_payload(payload=payload)
    if rendered is not None:
        return rendered
    encoding = _encoding(payload)
    if encoding == "binary/null":
        return "null"
    value = _json_value(payload)
    if value is _NOT_JSON:
        return f"<{encoding or 'no encoding'}, {len(payload.data)} bytes>"
    return _json_text(value)


def _encoding(payload: Payload) -> str:
    return payload.metadata.get("encoding", b"").decode(errors="replace")


def _json_value(payload: Payload) -> object:
    if not _encoding(payload).startswith("json/"):
        return _NOT_JSON
    try:
        value: object = json.loads(payload.data)
    except ValueError:
        return _NOT_JSON
    return value


def _json_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
