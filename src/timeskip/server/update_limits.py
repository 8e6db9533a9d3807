"""How many updates a run may have, at once and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import ResourceExhaustedCause, ResourceExhaustedScope
from temporalio.api.errordetails.v1 import ResourceExhaustedFailure
from temporalio.api.update.v1 import Request

from timeskip.server.errors import ServiceError, StatusCode

if TYPE_CHECKING:
    from timeskip.server.run import Run


def require_room(run: Run, request: Request) -> None:
    """Refuse a new update if the run has too many, or too large ones."""
    limits = run.cluster.limits
    if len(run.updates_in_flight) >= limits.updates_in_flight:
        raise _too_much_at_once(
            "limit on number of concurrent in-flight updates has been reached "
            f"({limits.updates_in_flight})"
        )
    if len(run.updates) >= limits.updates:
        raise ServiceError(
            StatusCode.FAILED_PRECONDITION,
            "The limit on the total number of distinct updates in this workflow has been reached "
            f"({limits.updates}). Make sure any duplicate updates share an Update ID so the server "
            "can deduplicate them, and consider rejecting updates that you aren't going to process. "
            "You can also Continue-as-New to avoid this; we recommend you check Continue-as-New "
            "Suggested in your Workflow.",
        )
    held = sum(
        update.request.ByteSize()
        for update in run.updates_in_flight.values()
        if update.is_undecided
    )
    if held + request.ByteSize() >= limits.updates_in_flight_bytes:
        raise _too_much_at_once(
            "limit on total payload size of in-flight updates has been reached "
            f"({limits.updates_in_flight_bytes} bytes)"
        )


def _too_much_at_once(message: str) -> ServiceError:
    return ServiceError(
        StatusCode.RESOURCE_EXHAUSTED,
        message,
        ResourceExhaustedFailure(
            cause=ResourceExhaustedCause.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT,
            scope=ResourceExhaustedScope.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
        ),
    )
