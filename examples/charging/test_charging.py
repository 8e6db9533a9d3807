import pytest
from hypothesis import given, settings

from examples.charging.activities import CardProcessor, Charge, Payments
from examples.charging.workflows import CarefulOrder, CarelessOrder
from timeskip import Ledger, Simulation
from timeskip.fuzzing import FaultPlan, fault_plans

CHARGE = Charge("o-1", amount_cents=120_00)


async def order(
    sim: Simulation, ledger: Ledger, workflow: type[CarefulOrder] | type[CarelessOrder]
) -> None:
    payments = Payments(CardProcessor(ledger))
    async with sim.worker(
        workflows=[workflow], activities=[payments.charge_once, payments.charge_each_time]
    ):
        await sim.client.execute_workflow(
            workflow.run, CHARGE, id="order-o-1", task_queue=sim.task_queue
        )


@pytest.mark.crash_sweep
async def test_card_is_charged_once_wherever_the_worker_dies(
    sim: Simulation, ledger: Ledger
) -> None:
    await order(sim, ledger, CarefulOrder)
    assert ledger.count("charge", cents=120_00) == 1


@settings(max_examples=20)
@given(plan=fault_plans(max_kills=3))
async def test_card_is_charged_once_whatever_happens(
    sim: Simulation, ledger: Ledger, plan: FaultPlan
) -> None:
    await order(sim, ledger, CarefulOrder)
    assert ledger.count("charge", cents=120_00) == 1


async def test_careless_order_is_right_as_long_as_nothing_happens(
    sim: Simulation, ledger: Ledger
) -> None:
    await order(sim, ledger, CarelessOrder)
    assert ledger.count("charge") == 1


@pytest.mark.faults("kill-worker at activity:charge_each_time#1:before-report")
@pytest.mark.xfail(reason="the worker dies before it can say that the card was charged")
async def test_careless_order_charges_twice_if_the_worker_dies(
    sim: Simulation, ledger: Ledger
) -> None:
    await order(sim, ledger, CarelessOrder)
    assert ledger.count("charge") == 1
