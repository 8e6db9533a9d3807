"""Options that the API of the oldest supported SDK does not have yet: there this file is left out."""

from __future__ import annotations

from temporalio.api.nexus.v1 import PropagatedSerializationContext

from tests.conformance.scenario import scenario
from tests.conformance.world import World


@scenario("option:StartWorkflowExecutionRequest.propagated_nexus_serialization_context")
async def test_context_of_a_nexus_operation_that_no_server_acts_on(world: World) -> None:
    context = PropagatedSerializationContext(endpoint="shop", service="Shop", operation="order")
    run = await world.start(propagated_nexus_serialization_context=context)
    await world.observe_history("history", run)
    world.observe("description", await world.describe(run))
