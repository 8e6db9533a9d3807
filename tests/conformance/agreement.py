"""Whether a lane was observed to do what the real server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from temporalio.api.history.v1 import History

from tests.conformance.lanes import Record
from timeskip.histories import EVERYTHING_IGNORED, Ignored, first_difference, normal_form

#: What scenarios set themselves, or what they can tell apart, is compared as well. Ids are named
#: already where observations are written down.
_IGNORED = EVERYTHING_IGNORED - {
    Ignored.RUN_IDS,
    Ignored.REQUEST_IDS,
    Ignored.IDENTITIES,
    Ignored.STICKY_QUEUES,
    Ignored.BUILD_IDS,
    Ignored.SDK_METADATA,
    Ignored.FAULT_NOISE,
    Ignored.GENERATED_IDS,
    Ignored.JSON_SPELLING,
}


def disagreement(real: Record, ours: Record) -> str | None:
    """Everything in which a lane differs from the real server, or None if that is nothing."""
    messages = []
    for expected, actual in zip(real.observations, ours.observations, strict=False):
        if expected.label != actual.label:
            messages.append(f"{actual.label!r} was observed instead of {expected.label!r}")
            break
        difference = _difference(expected.seen, actual.seen)
        if difference is not None:
            messages.append(f"{expected.label}:\n{difference}")
    if ours.error is not None:
        messages.append(f"The scenario failed on this lane:\n{ours.error}")
    elif len(ours.observations) != len(real.observations):
        messages.append(
            f"{len(ours.observations)} observations instead of {len(real.observations)}"
        )
    return "\n\n".join(messages) or None


def _difference(expected: Any, actual: Any) -> str | None:
    if isinstance(expected, History) and isinstance(actual, History):
        found = first_difference(normal_form(expected, _IGNORED), normal_form(actual, _IGNORED))
        return None if found is None else str(found)
    lines = [
        f"  {path or 'the value'}\n    expected: {left}\n    actual:   {right}"
        for path, left, right in _differing(expected, actual, "")
    ]
    return "\n".join(lines) or None


def _differing(expected: Any, actual: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """The places in which two pieces of JSON data differ."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted({*expected, *actual}):
            inner = f"{path}.{key}".removeprefix(".")
            if key in expected and key in actual:
                yield from _differing(expected[key], actual[key], inner)
            else:
                yield inner, _text(expected, key), _text(actual, key)
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
            yield from _differing(left, right, f"{path}[{index}]")
    elif expected != actual:
        yield path, json.dumps(expected), json.dumps(actual)


def _text(data: dict[str, Any], key: str) -> str:
    return json.dumps(data[key]) if key in data else "(absent)"
