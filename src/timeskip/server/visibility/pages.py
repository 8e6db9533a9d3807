"""Page tokens of listings: the place of the last run shown, in the real server's own form."""

from __future__ import annotations

import json
import zlib
from typing import Final

from timeskip.server.errors import ServiceError, StatusCode
from timeskip.server.visibility.instants import parsed_instant, written_instant
from timeskip.server.visibility.store import Position

#: More runs than this no page has, and fewer only if the request says so.
MOST_PER_PAGE: Final = 1000

_GO_ZERO_TIME: Final = "0001-01-01T00:00:00Z"


def page_size(wanted: int) -> int:
    """How many runs a page has when a request asks for so many."""
    return wanted if 0 < wanted < MOST_PER_PAGE else MOST_PER_PAGE


def token_after(last: Position) -> bytes:
    """The token of the page that begins after this run."""
    token = {
        "CloseTime": written_instant(last.close_time),
        "StartTime": written_instant(last.start_time),
        "RunID": last.run_id,
    }
    return json.dumps(token, separators=(",", ":")).encode()


def parsed_token(token: bytes) -> Position | None:
    """Where a page begins, None for the first one; UNKNOWN if the token is none of ours."""
    if not token:
        return None
    try:
        parts = json.loads(token)
    except (ValueError, RecursionError):  # anybody may send anything
        raise _unreadable(token) from None
    if parts is None:
        return None
    if not isinstance(parts, dict):
        raise _unreadable(token)
    close_time, start_time, run_id = (
        parts.get("CloseTime", _GO_ZERO_TIME),
        parts.get("StartTime", _GO_ZERO_TIME),
        parts.get("RunID", ""),
    )
    if not all(isinstance(part, str) for part in (close_time, start_time, run_id)):
        raise _unreadable(token)
    closed, started = parsed_instant(close_time), parsed_instant(start_time)
    if closed is None or started is None:
        raise _unreadable(token)
    return Position(closed, started, run_id)


def _unreadable(token: bytes) -> ServiceError:
    """The real server shows only a number, by which its log has the error."""
    number = zlib.crc32(token)
    return ServiceError(StatusCode.UNKNOWN, f"something went wrong, please retry ({number:08x})")
