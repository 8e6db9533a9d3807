from datetime import timedelta

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError

from examples.subscription.activities import Charge, charge_month
from examples.subscription.models import Invoice, Subscription
from examples.subscription.workflows import SubscriptionWorkflow
from timeskip import Simulation


async def subscribe(sim: Simulation) -> WorkflowHandle[SubscriptionWorkflow, list[Invoice]]:
    return await sim.client.start_workflow(
        SubscriptionWorkflow.run,
        Subscription(customer="Ada", price_cents=9_99),
        id="subscription-ada",
        task_queue=sim.task_queue,
    )


async def test_subscription_is_charged_every_month_until_cancelled(sim: Simulation) -> None:
    began = sim.now

    async with sim.worker(workflows=[SubscriptionWorkflow], activities=[charge_month]):
        subscription = await subscribe(sim)
        sim.at(timedelta(days=100), subscription.signal, SubscriptionWorkflow.cancel)
        invoices = await subscription.result()

    # The activity stamps its invoices with datetime.now(): it sees virtual time.
    assert [(invoice.charged_at - began).days for invoice in invoices] == [0, 30, 60, 90]
    assert sim.elapsed == timedelta(days=100)


async def test_invoices_can_be_queried_between_two_charges(sim: Simulation) -> None:
    async with sim.worker(workflows=[SubscriptionWorkflow], activities=[charge_month]):
        subscription = await subscribe(sim)

        await sim.sleep(timedelta(days=45))
        invoices = await subscription.query(SubscriptionWorkflow.invoices)
        assert [invoice.number for invoice in invoices] == [1, 2]

        await subscription.signal(SubscriptionWorkflow.cancel)
        assert await subscription.result() == invoices


async def test_declined_charge_is_tried_again_next_day(sim: Simulation) -> None:
    began = sim.now

    @activity.defn(name="charge_month")
    async def decline_second_month_twice(charge: Charge) -> Invoice:
        if charge.number == 2 and activity.info().attempt <= 2:
            raise ApplicationError("insufficient funds", type="CardDeclined")
        return await charge_month(charge)

    async with sim.worker(
        workflows=[SubscriptionWorkflow], activities=[decline_second_month_twice]
    ):
        subscription = await subscribe(sim)
        sim.at(timedelta(days=70), subscription.signal, SubscriptionWorkflow.cancel)
        invoices = await subscription.result()

    assert [(invoice.charged_at - began).days for invoice in invoices] == [0, 32, 60]


async def test_ten_years_of_charges(sim: Simulation) -> None:
    async with sim.worker(workflows=[SubscriptionWorkflow], activities=[charge_month]):
        subscription = await subscribe(sim)
        sim.at(timedelta(days=3650), subscription.signal, SubscriptionWorkflow.cancel)

        assert len(await subscription.result()) == 122
