"""An activity that survives one crash and not two.

No sweep finds that: it lets one worker die at a time. The twin is tried for as long as it takes.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from timeskip import Ledger, Simulation
from timeskip.fuzzing import FaultPlan, fault_plans

MINUTE = timedelta(minutes=1)


@activity.defn
async def charge() -> None:
    Ledger.of_test().record("charge", key=activity.info().workflow_run_id)


@workflow.defn(sandboxed=False)
class Order:
    @workflow.run
    async def run(self, attempts: int) -> str:
        await workflow.execute_activity(
            charge,
            start_to_close_timeout=MINUTE,
            retry_policy=RetryPolicy(maximum_attempts=attempts),
        )
        return "paid"


async def play(sim: Simulation, attempts: int) -> None:
    async with sim.worker(workflows=[Order], activities=[charge]):
        await sim.client.execute_workflow(
            Order.run, attempts, id="order-1", task_queue=sim.task_queue
        )


@given(plan=fault_plans())
async def test_bug(sim: Simulation, ledger: Ledger, plan: FaultPlan) -> None:
    await play(sim, attempts=2)
    assert ledger.count("charge") == 1


@given(plan=fault_plans())
async def test_twin(sim: Simulation, ledger: Ledger, plan: FaultPlan) -> None:
    await play(sim, attempts=0)
    assert ledger.count("charge") == 1
