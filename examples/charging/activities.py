from dataclasses import dataclass

from temporalio import activity


@dataclass(frozen=True)
class Charge:
    order_id: str
    amount_cents: int


class CardProcessor:
    """Stands for the processor's own database: it outlives every worker."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self._charged: set[str] = set()

    def charge(self, charge: Charge, idempotency_key: str | None = None) -> None:
        """Charge the card, unless that was asked for before with the same key."""
        if idempotency_key is not None:
            if idempotency_key in self._charged:
                return
            self._charged.add(idempotency_key)
        self.charges.append(charge)


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
