from temporalio.api.common.v1 import ActivityType
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import (
    ActivityFailureInfo,
    ApplicationFailureInfo,
    CanceledFailureInfo,
    Failure,
    TimeoutFailureInfo,
)

from timeskip.timeline.failures import failure_text

COLD_OVEN = Failure(
    message="the oven is cold", application_failure_info=ApplicationFailureInfo(type="ColdOven")
)


def timeout(cause: Failure | None = None) -> Failure:
    info = TimeoutFailureInfo(timeout_type=TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE)
    return Failure(message="activity timeout", timeout_failure_info=info, cause=cause)


def test_application_failure_is_told_with_its_type() -> None:
    assert failure_text(COLD_OVEN) == "ColdOven: the oven is cold"


def test_activity_failure_is_told_by_its_cause() -> None:
    activity = ActivityFailureInfo(activity_type=ActivityType(name="roast_goose"))
    failure = Failure(message="Activity error", activity_failure_info=activity, cause=COLD_OVEN)

    assert failure_text(failure) == "ColdOven: the oven is cold"


def test_timeout_is_told_by_its_type_and_what_failed_before() -> None:
    assert failure_text(timeout()) == "schedule-to-close timeout"
    assert (
        failure_text(timeout(cause=COLD_OVEN))
        == "schedule-to-close timeout, caused by ColdOven: the oven is cold"
    )


def test_cancellation_needs_no_message() -> None:
    failure = Failure(message="Activity canceled", canceled_failure_info=CanceledFailureInfo())

    assert failure_text(failure) == "canceled"


def test_absent_failure_is_told_by_nothing() -> None:
    assert failure_text(Failure()) == ""
