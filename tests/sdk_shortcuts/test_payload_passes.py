"""Which payloads are left alone, and which are passed through the converter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
import temporalio.bridge.worker
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker._command_aware_visitor import CommandAwarePayloadVisitor

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


async def test_workers_of_other_environments_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replay(await recorded(), workflows=[Greeting])
    passes = []
    visit = CommandAwarePayloadVisitor.visit

    async def counted(self: Any, *arguments: Any) -> None:
        passes.append(self)
        await visit(self, *arguments)

    monkeypatch.setattr(CommandAwarePayloadVisitor, "visit", counted)
    await temporalio.bridge.worker.decode_activation(
        WorkflowActivation(),
        DataConverter.default,
        decode_headers=False,
        storage_concurrency_limit=1,
    )
    assert passes
