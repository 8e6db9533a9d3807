"""The client of a simulation: a real SDK client that tells the clock what it is doing.

Between two calls of a test time must not move, even if another of its tasks waits for time. So
every call takes a hold before it is sent, and gives it back once its answer has arrived.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from datetime import timedelta

from google.protobuf.message import Message
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.service import (
    ConnectConfig,
    RPCError,
    ServiceResponse,
    _BridgeServiceClient,
)

from timeskip.lanes.holds import Hold, Holds
from timeskip.lanes.quiescence import Loops
from timeskip.lanes.wire.routing import HOLD_METADATA

#: The hold of the callback that is running at a virtual instant, which its calls park and resume.
enclosing_hold: contextvars.ContextVar[Hold | None] = contextvars.ContextVar(
    "timeskip_enclosing_hold", default=None
)


class HoldingServiceClient(_BridgeServiceClient):
    """Sends every call under a hold, and turns the simulation's own errors back into exceptions."""

    def __init__(
        self,
        config: ConnectConfig,
        holds: Holds,
        explain: Callable[[RPCError], Exception | None],
        before_wait: Callable[[], None],
        loops: Loops,
    ) -> None:
        super().__init__(config)
        self._holds = holds
        self._explain = explain
        self._before_wait = before_wait
        self._loops = loops

    async def _rpc_call(
        self,
        rpc: str,
        req: Message,
        resp_type: type[ServiceResponse],
        *,
        service: str,
        retry: bool,
        metadata: Mapping[str, str | bytes],
        timeout: timedelta | None,
    ) -> ServiceResponse:
        if isinstance(req, GetWorkflowExecutionHistoryRequest) and req.wait_new_event:
            self._before_wait()
        self._loops.watch_running_loop()
        hold = self._holds.take(f"{rpc} is being answered", enclosing_hold.get())
        try:
            return await super()._rpc_call(
                rpc,
                req,
                resp_type,
                service=service,
                retry=retry,
                metadata={**metadata, HOLD_METADATA: str(hold.id)},
                timeout=timeout,
            )
        except RPCError as error:
            explained = self._explain(error)
            if explained is not None:
                raise explained from None
            raise
        finally:
            hold.release()
