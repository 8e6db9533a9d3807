"""The client of a simulation: a real SDK client that tells the clock what it is doing.

Between two calls of a test time must not move, even if another of its tasks waits for time. So
every call takes a hold before it is sent, and gives it back once its answer has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from google.protobuf.message import Message
from temporalio.service import (
    ConnectConfig,
    RPCError,
    ServiceResponse,
)

from timeskip.activity_time import AwaitedAnswer, current_attempt, held_elsewhere
from timeskip.lanes.core_timeouts import KEPT_CORE
from timeskip.lanes.guests import SimulatedServiceClient
from timeskip.lanes.hold_metadata import HOLD_METADATA
from timeskip.lanes.holds import enclosing_hold
from timeskip.lanes.time_keeper import TimeKeeper


class HoldingServiceClient(SimulatedServiceClient):
    """Sends every call under a hold, and turns the simulation's own errors back into exceptions."""

    def __init__(
        self,
        config: ConnectConfig,
        keeper: TimeKeeper,
        explain: Callable[[RPCError], Exception | None],
        before_call: Callable[[Message], None],
    ) -> None:
        super().__init__(config)
        self.update_rpc_metadata(config.rpc_metadata)
        self._keeper = keeper
        self._explain = explain
        self._before_call = before_call

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        super().update_rpc_metadata({**metadata, KEPT_CORE: "1"})

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
        self._before_call(req)
        self._keeper.loops.watch_running_loop()
        attempt = current_attempt.get()
        hold = self._keeper.holds.take(f"{rpc} is being answered", enclosing_hold.get(), attempt)
        if attempt is not None:
            hold.waiter = AwaitedAnswer(attempt)
        try:
            # An activity may be the caller; that it waits for the answer is not its work.
            with held_elsewhere():
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
