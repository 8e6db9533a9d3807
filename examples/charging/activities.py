from dataclasses import dataclass

from temporalio import activity

from timeskip import Ledger


@dataclass(frozen=True)
class Charge:
    order_id: str
    amount_cents: int


class CardProcessor:
    """Stands for the processor: what it does is in the ledger, which outlives every worker."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def charge(self, charge: Charge, idempotency_key: str | None = None) -> None:
        """Charge the card, unless that was asked for before with the same key."""
        self._ledger.record("charge", key=idempotency_key, cents=charge.amount_cents)


class Payments:
    """The activities. If a worker dies before it reports, an activity that was done is done again."""

    def __init__(self, processor: CardProcessor) -> None:
        self._processor = processor

    @activity.defn
    async def charge_once(self, charge: Charge) -> None:
        info = activity.info()
        # The same in every attempt, and in no other activity.
        key = f"{info.workflow_run_id}-{info.activity_id}"
        self._processor.charge(charge, idempotency_key=key)

    @activity.defn
    async def charge_each_time(self, charge: Charge) -> None:
        self._processor.charge(charge)
