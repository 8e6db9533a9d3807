from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Subscription:
    customer: str
    price_cents: int


@dataclass(frozen=True)
class Invoice:
    customer: str
    number: int
    amount_cents: int
    charged_at: datetime
