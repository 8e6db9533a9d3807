"""Failures as one line that says what went wrong, not through how many hands it went."""

from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure

from timeskip.timeline.payloads import one_line

# These only say which activity, child workflow or Nexus operation the cause came from, which the
# timeline shows on a line of its own.
_WRAPPERS = (
    "activity_failure_info",
    "child_workflow_execution_failure_info",
    "nexus_operation_execution_failure_info",
)


def failure_text(failure: Failure) -> str:
    """The failure's type and message, then those of its causes; `""` if there is none."""
    links = []
    link: Failure | None = failure
    while link is not None:
        cause = link.cause if link.HasField("cause") else None
        if cause is None or link.WhichOneof("failure_info") not in _WRAPPERS:
            links.append(_link_text(link))
        link = cause
    return one_line(", caused by ".join(links))


def timeout_text(timeout: TimeoutType.ValueType) -> str:
    """`start-to-close timeout` and its kin."""
    name = TimeoutType.Name(timeout).removeprefix("TIMEOUT_TYPE_")
    return f"{name.lower().replace('_', '-')} timeout"


def _link_text(failure: Failure) -> str:
    kind = failure.WhichOneof("failure_info")
    if kind == "timeout_failure_info":
        return timeout_text(failure.timeout_failure_info.timeout_type)
    if kind == "canceled_failure_info":
        return "canceled"
    if kind == "application_failure_info" and failure.application_failure_info.type:
        return f"{failure.application_failure_info.type}: {failure.message}"
    return failure.message
