"""Failures that are too large for a history: what is kept of them."""

from __future__ import annotations

from typing import Final

from temporalio.api.failure.v1 import Failure, ServerFailureInfo

from timeskip.server.validation.limits import MAX_PAYLOAD_SIZE

_KEPT_SIZE: Final = 512 * 1024

#: What is remembered of a failure while its activity is tried again.
_REMEMBERED_SIZE: Final = 4 * 1024

_TOO_LARGE: Final = "Failure exceeds size limit."

# What the real server reckons for the encoding of a string, of an application failure's own fields,
# of any other failure's, and of a cause.
_STRING_OVERHEAD: Final = 4
_APPLICATION_OVERHEAD: Final = 8
_SERVER_OVERHEAD: Final = 4
_CAUSE_OVERHEAD: Final = 4


def server_failure(message: str) -> Failure:
    """A failure of the server's own, which no retry policy retries."""
    return Failure(message=message, server_failure_info=ServerFailureInfo(non_retryable=True))


def fitting_failure(failure: Failure) -> Failure:
    """The failure, or one that says that it was too large and has the beginning of it as cause."""
    if failure.ByteSize() <= MAX_PAYLOAD_SIZE:
        return failure
    fitting = server_failure(_TOO_LARGE)
    fitting.cause.CopyFrom(_Remainder(_KEPT_SIZE).shortened(failure))
    return fitting


def remembered_failure(failure: Failure) -> Failure:
    """What is known of an attempt's failure from the next attempt on: as above, but much less."""
    if failure.ByteSize() <= _REMEMBERED_SIZE:
        return failure
    shortened = _Remainder(_REMEMBERED_SIZE).shortened(failure)
    return Failure(message=_TOO_LARGE, server_failure_info=ServerFailureInfo(), cause=shortened)


class _Remainder:
    """The bytes that are left; what is most important takes its share first."""

    def __init__(self, size: int) -> None:
        self.size = size

    def shortened(self, failure: Failure) -> Failure:
        """The failure without details, its texts and causes cut where the bytes end."""
        short = Failure()
        if failure.HasField("application_failure_info"):
            short.application_failure_info.type = self._cut(failure.application_failure_info.type)
            short.application_failure_info.non_retryable = (
                failure.application_failure_info.non_retryable
            )
            self.size -= _APPLICATION_OVERHEAD
        elif failure.HasField("server_failure_info"):
            short.server_failure_info.CopyFrom(failure.server_failure_info)
            self.size -= _SERVER_OVERHEAD
        short.source = self._cut(failure.source)
        short.message = self._cut(failure.message)
        short.stack_trace = self._cut(failure.stack_trace)
        if failure.HasField("cause") and self.size > _CAUSE_OVERHEAD:
            self.size -= _CAUSE_OVERHEAD
            short.cause.CopyFrom(self.shortened(failure.cause))
        return short

    def _cut(self, text: str) -> str:
        kept = text.encode()[: max(self.size, 0)].decode(errors="ignore")
        if kept:
            self.size -= len(kept.encode()) + _STRING_OVERHEAD
        return kept
