"""Which payloads are left alone, and which are passed through the converter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter, PayloadCodec

from timeskip import Simulation
from timeskip.errors import ReplayFailed
from timeskip.histories import replay

pytestmark = pytest.mark.asyncio


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"Hello, {name}!"


class Inverted(PayloadCodec):
    """Turns all bits around."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata=each.metadata, data=bytes(255 - byte for byte in each.data))
            for each in payloads
        ]

    decode = encode


async def recorded(**options: DataConverter) -> WorkflowHistory:
    async with Simulation(auto_replay=False, **options) as sim:  # type: ignore[arg-type]
        async with sim.worker(workflows=[Greeting]):
            handle = await sim.client.start_workflow(
                Greeting.run, "Ada", id="greeting", task_queue=sim.task_queue
            )
            await handle.result()
        return await handle.fetch_history()


async def test_codec_is_asked_after_a_replay_without_one() -> None:
    replay(await recorded(), workflows=[Greeting])
    converter = dataclasses.replace(DataConverter.default, payload_codec=Inverted())
    history = await recorded(data_converter=converter)
    replay(history, workflows=[Greeting], data_converter=converter)
    with pytest.raises(ReplayFailed):
        replay(history, workflows=[Greeting])


async def test_payload_that_is_kept_elsewhere_is_refused_by_the_sdk() -> None:
    history = await recorded()
    started = history.events[0].workflow_execution_started_event_attributes
    started.input.payloads[0].metadata["encoding"] = b"json/external-storage-reference"
    with pytest.raises(ReplayFailed, match="TMPRL1105"):
        replay(history, workflows=[Greeting])
