import pytest

from examples.charging.activities import CardProcessor, Charge, Payments
from examples.charging.workflows import CarefulOrder, CarelessOrder
from timeskip import Simulation

CHARGE = Charge("o-1", amount_cents=120_00)


async def order(
    sim: Simulation, workflow: type[CarefulOrder] | type[CarelessOrder]
) -> list[Charge]:
    """The charges that the card processor has seen in the end."""
    processor = CardProcessor()
    payments = Payments(processor)
    async with sim.worker(
        workflows=[workflow], activities=[payments.charge_once, payments.charge_each_time]
    ):
        await sim.client.execute_workflow(
            workflow.run, CHARGE, id="order-o-1", task_queue=sim.task_queue
        )
    return processor.charges


@pytest.mark.crash_sweep
async def test_card_is_charged_once_wherever_the_worker_dies(sim: Simulation) -> None:
    assert await order(sim, CarefulOrder) == [CHARGE]


async def test_careless_order_is_right_as_long_as_nothing_happens(sim: Simulation) -> None:
    assert await order(sim, CarelessOrder) == [CHARGE]


@pytest.mark.faults("kill-worker at activity:charge_each_time#1:before-report")
@pytest.mark.xfail(reason="the worker dies before it can say that the card was charged")
async def test_careless_order_charges_twice_if_the_worker_dies(sim: Simulation) -> None:
    assert await order(sim, CarelessOrder) == [CHARGE]
