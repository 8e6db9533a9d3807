"""Payloads as short text, without a data converter: what the bytes themselves tell."""

import json
from collections.abc import Iterable

from temporalio.api.common.v1 import Payload, Payloads

_LONGEST = 200


def payloads_text(payloads: Payloads) -> str:
    """All values, separated by commas; empty if there is none, or the only one is null."""
    return values_text(payloads.payloads)


def values_text(payloads: Iterable[Payload]) -> str:
    values = [_value_text(payload) for payload in payloads]
    return "" if values == ["null"] else one_line(", ".join(values))


def one_line(text: str) -> str:
    """The text without line ends and control characters, cut to what a reader still takes in."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _value_text(payload: Payload) -> str:
    encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
    if encoding == "binary/null":
        return "null"
    if encoding.startswith("json/"):
        try:
            return json.dumps(json.loads(payload.data), ensure_ascii=False)
        except ValueError:
            pass  # Not what it says it is, so it is told like any other bytes.
    return f"<{encoding or 'no encoding'}, {len(payload.data)} bytes>"
