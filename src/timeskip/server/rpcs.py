"""Which function answers which RPC.

Each concept's file registers its own handlers; what nobody registers is answered UNIMPLEMENTED. A
handler returns the response, raises `ServiceError`, or returns None and keeps the call to answer it
later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from timeskip.server.calls import Call

if TYPE_CHECKING:
    from timeskip.server.cluster import Cluster

Request = TypeVar("Request", bound=Message)
Handler = Callable[["Cluster", Call, Any], "Message | None"]

WORKFLOW_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
OPERATOR_SERVICE = "temporal.api.operatorservice.v1.OperatorService"
TEST_SERVICE = "temporal.api.testservice.v1.TestService"

#: Handlers by the full name of the method, such as ".../StartWorkflowExecution".
HANDLERS: dict[str, Handler] = {}


def rpc(
    method: str, service: str = WORKFLOW_SERVICE
) -> Callable[
    [Callable[[Cluster, Call, Request], Message | None]],
    Callable[[Cluster, Call, Request], Message | None],
]:
    """Register a handler for `method` of `service`."""

    def register(
        handler: Callable[[Cluster, Call, Request], Message | None],
    ) -> Callable[[Cluster, Call, Request], Message | None]:
        HANDLERS[f"{service}/{method}"] = handler
        return handler

    return register
