"""The sizes that the real server allows unless it is configured otherwise.

Lengths of names are counted in bytes of UTF-8, as the real server counts them.
"""

from __future__ import annotations

from typing import Final

from timeskip.server.errors import invalid_argument

MAX_ID_LENGTH: Final = 1000
"""Bytes of a workflow id, a type name, a task queue name, a request id, a timer id, ..."""

MAX_PAYLOAD_SIZE: Final = 2 * 1024 * 1024
"""Bytes of an input, a result, details or a failure that a history event may hold."""

MAX_MEMO_SIZE: Final = 2 * 1024 * 1024
"""Bytes of a memo."""

MAX_LINKS: Final = 10
"""Links that one request may carry."""


def byte_length(text: str) -> int:
    """The length of `text` in bytes of UTF-8, which is what limits are measured in."""
    return len(text) if text.isascii() else len(text.encode())


def is_too_long(name: str) -> bool:
    """Whether an id or another name exceeds `MAX_ID_LENGTH`."""
    # No character takes more than four bytes, and hardly any name is that long.
    return 4 * len(name) > MAX_ID_LENGTH and byte_length(name) > MAX_ID_LENGTH


def validate_payload_size(size: int) -> None:
    """Refuse an input, query arguments and the like of that many bytes."""
    if size > MAX_PAYLOAD_SIZE:
        raise invalid_argument("Blob data size exceeds limit.")


def validate_identity(identity: str) -> None:
    """Refuse a name of a client or a worker that is too long."""
    if is_too_long(identity):
        raise invalid_argument("Identity length exceeds limit.")
