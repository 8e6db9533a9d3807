"""The client of a worker process: it tells the simulation's clock when activities wait for answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from google.protobuf.message import Message
from temporalio.service import ConnectConfig, ServiceResponse, _BridgeServiceClient

from timeskip.activity_time import held_elsewhere
from timeskip.lanes.core_timeouts import KEPT_CORE
from timeskip.lanes.hold_metadata import HOLD_METADATA
from timeskip.processes.messages import BeginsCall, EndsCall
from timeskip.processes.resident_bridge import Questions


class ResidentServiceClient(_BridgeServiceClient):
    """Sends each call under a hold, which is the simulation's.

    The service parks the hold while it cannot answer. From the answer on, no time passes until the
    caller has it.
    """

    def __init__(self, config: ConnectConfig, questions: Questions, *, keeps_core: bool) -> None:
        """`keeps_core`: the activities of its workers are on virtual time, whatever the core counts."""
        super().__init__(config)
        self._questions = questions
        self._keeps_core = keeps_core
        self.update_rpc_metadata(config.rpc_metadata)

    def update_rpc_metadata(self, metadata: Mapping[str, str | bytes]) -> None:
        if self._keeps_core:
            metadata = {**metadata, KEPT_CORE: "1"}
        super().update_rpc_metadata(metadata)

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
        questions = self._questions
        if asyncio.get_running_loop() is not questions.loop:
            return await super()._rpc_call(
                rpc,
                req,
                resp_type,
                service=service,
                retry=retry,
                metadata=metadata,
                timeout=timeout,
            )
        number = questions.new()
        try:
            with held_elsewhere():
                hold = await questions.ask(number, BeginsCall(number, rpc))
                return await super()._rpc_call(
                    rpc,
                    req,
                    resp_type,
                    service=service,
                    retry=retry,
                    metadata={**metadata, HOLD_METADATA: hold.decode()},
                    timeout=timeout,
                )
        finally:
            questions.tell(EndsCall(number))
