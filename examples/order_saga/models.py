from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    id: str
    item: str
    amount_cents: int


@dataclass(frozen=True)
class Receipt:
    id: str
    amount_cents: int


@dataclass(frozen=True)
class Shipment:
    tracking: str


@dataclass(frozen=True)
class CompletedOrder:
    receipt: Receipt
    shipment: Shipment
