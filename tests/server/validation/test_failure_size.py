from __future__ import annotations

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure, ServerFailureInfo

from timeskip.server.validation.failure_size import fitting_failure, remembered_failure

LARGE = "x" * (2 * 1024 * 1024 + 1)
KEPT = 512 * 1024


def failure(
    message: str = "m", stack_trace: str = "st", cause: Failure | None = None, source: str = "s"
) -> Failure:
    return Failure(
        message=message,
        source=source,
        stack_trace=stack_trace,
        cause=cause,
        application_failure_info=ApplicationFailureInfo(type="t", non_retryable=True),
    )


def test_fitting_failure_leaves_what_fits() -> None:
    small = failure()
    assert fitting_failure(small) is small


def test_fitting_failure_says_what_happened() -> None:
    fitting = fitting_failure(failure(message=LARGE))
    assert fitting.message == "Failure exceeds size limit."
    assert fitting.server_failure_info == ServerFailureInfo(non_retryable=True)
    assert fitting.ByteSize() <= KEPT + 100


def test_fitting_failure_cuts_the_message() -> None:
    cause = fitting_failure(failure(message=LARGE)).cause
    assert len(cause.message) == KEPT - 18
    assert cause.source == "s"
    assert not cause.stack_trace
    assert cause.application_failure_info == ApplicationFailureInfo(type="t", non_retryable=True)


def test_fitting_failure_cuts_the_stack_trace_after_the_message() -> None:
    cause = fitting_failure(failure(stack_trace=LARGE)).cause
    assert (cause.message, len(cause.stack_trace)) == ("m", KEPT - 23)


def test_fitting_failure_cuts_causes() -> None:
    cause = fitting_failure(failure(cause=failure(message=LARGE, source="", stack_trace=""))).cause
    assert cause.stack_trace == "st"
    assert len(cause.cause.message) == KEPT - 46


def test_fitting_failure_leaves_out_causes_for_which_nothing_is_left() -> None:
    large = failure(message="x" * 300_000, stack_trace="y" * 300_000, cause=failure(message=LARGE))
    cause = fitting_failure(large).cause
    assert (len(cause.message), len(cause.stack_trace)) == (300_000, 224_266)
    assert not cause.HasField("cause")


def test_fitting_failure_drops_details() -> None:
    large = failure()
    details = Payloads(payloads=[Payload(data=LARGE.encode())])
    large.application_failure_info.details.CopyFrom(details)
    cause = fitting_failure(large).cause
    assert cause == failure()


def test_fitting_failure_keeps_whole_characters() -> None:
    cause = fitting_failure(failure(message="€" * 1_000_000)).cause
    assert cause.message == "€" * ((KEPT - 18) // 3)


def test_fitting_failure_keeps_the_kind_of_a_server_failure() -> None:
    server = Failure(message=LARGE, server_failure_info=ServerFailureInfo(non_retryable=True))
    cause = fitting_failure(server).cause
    assert cause.server_failure_info.non_retryable
    assert len(cause.message) == KEPT - 4


def test_remembered_failure_may_be_retried() -> None:
    remembered = remembered_failure(failure(message="x" * 5000))
    assert remembered.server_failure_info == ServerFailureInfo()
    assert len(remembered.cause.message) == 4 * 1024 - 18
