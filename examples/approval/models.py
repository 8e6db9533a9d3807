from dataclasses import dataclass
from enum import Enum


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


class Outcome(str, Enum):
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
