"""Tells the server what came of activities."""

from __future__ import annotations

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import ActivityTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import (
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.bridge.proto.activity_result import ActivityExecutionResult, Cancellation

from timeskip.lanes.direct.identity import WorkerIdentity
from timeskip.lanes.direct.payload_limits import PayloadLimits
from timeskip.lanes.direct.requests import Requests
from timeskip.server.calls import Answer

_UNHANDLED = ActivityTaskFailedCause.ACTIVITY_TASK_FAILED_CAUSE_ACTIVITY_WORKER_UNHANDLED_FAILURE
_TOO_LARGE = ActivityTaskFailedCause.ACTIVITY_TASK_FAILED_CAUSE_PAYLOADS_TOO_LARGE


class ActivityReports:
    """Answers activity tasks on behalf of one worker."""

    def __init__(self, requests: Requests, identity: WorkerIdentity, limits: PayloadLimits) -> None:
        self._requests = requests
        self._identity = identity
        self._limits = limits
        self._version = identity.version.stamp
        self._deployment = identity.version.deployment

    def report(
        self,
        token: bytes,
        result: ActivityExecutionResult,
        last_details: Payloads | None,
        *,
        worker_shuts_down: bool,
    ) -> None:
        """Say how an attempt ended. `last_details`: what its last heartbeat said."""
        if result.HasField("completed"):
            completed = RespondActivityTaskCompletedRequest(
                task_token=token,
                identity=self._identity.identity,
                namespace=self._identity.namespace,
                worker_version=self._version,
                deployment_options=self._deployment,
            )
            if result.completed.HasField("result"):
                completed.result.payloads.append(result.completed.result)
            self._end(
                "RespondActivityTaskCompleted",
                completed,
                last_details,
            )
        elif result.HasField("failed"):
            cause = ActivityTaskFailedCause.ValueType(result.failed.cause) or _UNHANDLED
            self._fail(token, result.failed.failure, cause, last_details)
        elif result.HasField("cancelled") and worker_shuts_down:
            # As a cancellation it would be final. Another worker can try again.
            failure = Failure(
                message="Worker is shutting down and this activity did not complete in time",
                application_failure_info=ApplicationFailureInfo(type="WorkerShutdown"),
            )
            self._fail(token, failure, _UNHANDLED, last_details)
        elif result.HasField("cancelled"):
            self._end(
                "RespondActivityTaskCanceled",
                RespondActivityTaskCanceledRequest(
                    task_token=token,
                    details=_details(result.cancelled),
                    identity=self._identity.identity,
                    namespace=self._identity.namespace,
                    worker_version=self._version,
                    deployment_options=self._deployment,
                ),
                last_details,
            )

    def report_too_large(
        self, token: bytes, too_large: Failure, last_details: Payloads | None
    ) -> None:
        """Fail an attempt that says more than the server takes."""
        self._fail(token, too_large, _TOO_LARGE, last_details)

    def _end(
        self,
        method: str,
        request: RespondActivityTaskCompletedRequest | RespondActivityTaskCanceledRequest,
        last_details: Payloads | None,
    ) -> None:
        too_large = self._limits.complaint(request)
        if too_large is None:
            self._say(method, request)
        else:
            self.report_too_large(request.task_token, too_large, last_details)

    def _fail(
        self,
        token: bytes,
        failure: Failure,
        cause: ActivityTaskFailedCause.ValueType,
        last_details: Payloads | None,
    ) -> None:
        identity = self._identity
        if last_details is not None:
            too_large = self._limits.complaint(
                RecordActivityTaskHeartbeatRequest(details=last_details)
            )
            if too_large is not None:
                failure, cause, last_details = too_large, _TOO_LARGE, None
        self._say(
            "RespondActivityTaskFailed",
            RespondActivityTaskFailedRequest(
                task_token=token,
                failure=failure,
                identity=identity.identity,
                namespace=identity.namespace,
                last_heartbeat_details=last_details,
                worker_version=self._version,
                deployment_options=self._deployment,
                cause=cause,
            ),
        )

    def _say(self, method: str, request: Message) -> None:
        # If it timed out, was cancelled or closed meanwhile, the server does not want to know.
        self._requests.send(method, request, _ignore)


def _ignore(answer: Answer) -> None:
    """There is nothing that could be done about it."""


def _details(cancelled: Cancellation) -> Payloads | None:
    info = cancelled.failure.canceled_failure_info
    return info.details if info.HasField("details") else None
