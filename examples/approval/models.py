from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Expense:
    id: str
    employee: str
    approver: str
    amount_cents: int


@dataclass(frozen=True)
class Decision:
    approved: bool
    comment: str = ""


Outcome = Literal["approved", "rejected", "expired"]
