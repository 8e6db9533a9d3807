"""Where two replies in their normal form differ, one line for each place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_ABSENT = object()


def differences(real: Any, ours: Any) -> list[str]:
    """`path: real ..., timeskip ...` for each place; none if the replies are equal."""
    return list(_differences("", real, ours))


def _differences(path: str, real: Any, ours: Any) -> Iterator[str]:
    if isinstance(real, dict) and isinstance(ours, dict):
        for key in sorted(real.keys() | ours.keys()):
            inner = f"{path}.{key}" if path else key
            yield from _differences(inner, real.get(key, _ABSENT), ours.get(key, _ABSENT))
    elif isinstance(real, list) and isinstance(ours, list):
        for position in range(max(len(real), len(ours))):
            pair = (_item(real, position), _item(ours, position))
            yield from _differences(f"{path}[{position}]", *pair)
    elif type(real) is not type(ours) or real != ours:
        yield f"{path}: real {_shown(real)}, timeskip {_shown(ours)}"


def _item(items: list[Any], position: int) -> Any:
    return items[position] if position < len(items) else _ABSENT


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value)
